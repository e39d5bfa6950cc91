"""How the sandbox's own programs talk to its API server: a client, and a live copy of one resource."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import load_kube_config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError

Json = dict[str, Any]
FAILURES = (ApiException, urllib3.exceptions.HTTPError)
RETRY_SECONDS = 0.5
log = logging.getLogger(__name__)


def connect(kubeconfig: str, cache: Path) -> DynamicClient:
    """Return a client for the kubeconfig file; what the server offers is remembered in the file `cache`.

    A proxy in the environment is for the way out of the sandbox, so it is not used.
    """
    configuration = Configuration()
    load_kube_config(kubeconfig, client_configuration=configuration)
    configuration.proxy = None
    return DynamicClient(ApiClient(configuration), cache_file=str(cache))


def brief(failure: Exception) -> str:
    """Return one of FAILURES in a line."""
    return str(failure.summary() if isinstance(failure, DynamicApiError) else failure).partition("\n")[0]


def apply(client: DynamicClient, item: Json, manager: str) -> None:
    """Make the object be as said, whatever there was before (server-side apply)."""
    resource = client.resources.get(api_version=item["apiVersion"], kind=item["kind"])
    client.server_side_apply(resource, body=item, field_manager=manager, force_conflicts=True)


class Informer:
    """A live copy of all objects of one resource: a list, then a watch, and again when the watch breaks."""

    def __init__(
        self,
        resource: Any,  # noqa: ANN401 (kubernetes has no types)
        changed: Callable[[], None],
        namespace: str | None = None,
    ) -> None:
        self._resource = resource
        self._namespace = namespace
        self._changed = changed
        self._objects: dict[str, Json] = {}
        self._stop = threading.Event()
        self.synced = threading.Event()

    def objects(self) -> dict[str, Json]:
        """Return the objects as they are now, by uid."""
        return dict(self._objects)

    def start(self) -> None:
        """Follow the resource in a thread of its own, until the program ends."""
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except FAILURES as failure:
                log.warning("cannot watch %s: %s", self._resource.name, brief(failure))
                self._stop.wait(RETRY_SECONDS)

    def _follow(self) -> None:
        listing = self._resource.get(namespace=self._namespace).to_dict()
        self._objects = {item["metadata"]["uid"]: item for item in listing["items"]}
        self.synced.set()
        self._changed()
        version = listing["metadata"]["resourceVersion"]
        for event in self._resource.watch(namespace=self._namespace, resource_version=version):
            item = event["raw_object"]
            if event["type"] == "DELETED":
                self._objects.pop(item["metadata"]["uid"], None)
            else:
                self._objects[item["metadata"]["uid"]] = item
            self._changed()
