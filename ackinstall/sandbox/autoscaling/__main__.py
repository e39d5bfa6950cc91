"""The stand-in controller as a program. It takes the flags of ACK's controllers, and ignores most of them."""

import argparse
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from ackinstall.sandbox.autoscaling.kinds import GROUP, KINDS
from ackinstall.sandbox.autoscaling.loop import Work, run
from ackinstall.sandbox.autoscaling.reconciler import Reconciler, Scope, explain
from ackinstall.sandbox.kube import Informer, Json, connect

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient as Client

NO_REGION = (
    "unable to start service controller as AWS region is missing. "
    "Please pass --aws-region flag or set AWS_REGION environment variable"
)
log = logging.getLogger("setup")


class Health(BaseHTTPRequestHandler):
    """Answers /healthz and /readyz as a ping."""

    def do_GET(self) -> None:
        """Say that the program runs."""
        self.send_response(HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class named it)
        """Say nothing."""


class CustomResources:
    """Writes custom resources of one kind through the API server."""

    def __init__(self, resource: Any) -> None:  # noqa: ANN401 (kubernetes has no types)
        self._resource = resource

    def patch(self, item: Json, body: Json) -> Json:
        """Merge the body into the object, and return it as it is then."""
        changed: Json = self._resource.patch(body=body, **self._where(item)).to_dict()
        return changed

    def patch_status(self, item: Json, status: Json) -> None:
        """Merge the status into the object's."""
        self._resource.status.patch(body={"status": status}, **self._where(item))

    def _where(self, item: Json) -> dict[str, str]:
        where = {key: item["metadata"][key] for key in ("name", "namespace")}
        return where | {"content_type": "application/merge-patch+json"}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the flags; raise SystemExit with the real controller's words when there is no region."""
    parser = argparse.ArgumentParser(allow_abbrev=False, description=__doc__)
    parser.add_argument("--aws-region", default="")
    parser.add_argument("--aws-endpoint-url", default="")
    parser.add_argument("--aws-identity-endpoint-url", default="")
    parser.add_argument("--deletion-policy", default="delete")
    parser.add_argument("--healthz-addr", default="0.0.0.0:8081")
    parser.add_argument("--kubeconfig", default=os.environ.get("KUBECONFIG"))
    parser.add_argument("--reconcile-default-resync-seconds", type=float, default=36000)
    parser.add_argument("--reconcile-resources", default="")
    parser.add_argument("--watch-namespace", default="")
    options, _ = parser.parse_known_args(arguments)
    options.aws_region = options.aws_region or os.environ.get("AWS_REGION", "")
    if not options.aws_region:
        stop(NO_REGION)
    return options


def stop(reason: str) -> NoReturn:
    """Say why the controller cannot start, and end."""
    log.error("Unable to create controller manager: %s", reason)
    sys.exit(1)


def account(options: argparse.Namespace) -> str:
    """Return the account that the controller's identity belongs to, or end."""
    sts = boto3.client(
        "sts", region_name=options.aws_region, endpoint_url=options.aws_identity_endpoint_url or None
    )
    try:
        return str(sts.get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        stop(f"unable to determine account info: unable to get caller identity: {explain(error)[1]}")


def serve_health(address: str) -> None:
    """Answer health checks until the program ends."""
    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def work(options: argparse.Namespace, cluster: DynamicClient, wake: threading.Event) -> list[Work]:
    """Return what to watch, and who handles it."""
    scope = Scope(account(options), options.aws_region, options.deletion_policy)
    namespaces = cluster.resources.get(api_version="v1", kind="Namespace")

    @cache
    def client(region: str) -> "Client":
        endpoint = options.aws_endpoint_url or None
        made: Client = boto3.client("application-autoscaling", region_name=region, endpoint_url=endpoint)
        return made

    def annotations(namespace: str) -> Mapping[str, str]:
        found: Mapping[str, str] = namespaces.get(name=namespace).to_dict()["metadata"].get("annotations", {})
        return found

    wanted = options.reconcile_resources.split(",") if options.reconcile_resources else []
    watched = options.watch_namespace.split(",") if options.watch_namespace else [None]
    parts = []
    for kind in KINDS:
        if wanted and kind.name not in wanted:
            continue
        resource = cluster.resources.get(api_version=f"{GROUP}/v1alpha1", kind=kind.name)
        reconciler = Reconciler(kind, scope, CustomResources(resource), client, annotations)
        parts += [Work(reconciler, Informer(resource, wake.set, namespace)) for namespace in watched]
    return parts


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the controller until it is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    options, wake = parse(arguments), threading.Event()
    log.info("initializing service controller")
    with tempfile.TemporaryDirectory() as scratch:
        cluster = connect(options.kubeconfig, Path(scratch) / "discovery.json")
        try:
            parts = work(options, cluster, wake)
        except (ApiException, ResourceNotFoundError) as error:
            stop(f"if kind is a CRD, it should be installed before calling Start: {error}")
    serve_health(options.healthz_addr)
    log.info("starting manager")
    run(parts, wake, options.reconcile_default_resync_seconds)


if __name__ == "__main__":
    main()
