"""The Kubernetes API as the installer uses it: get, list, apply, delete, and a service account's token.

A thin face over the `kubernetes` package's DynamicClient, so that tests can stand in a small fake.
"""

import json
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ackinstall.errors import Retry, UsageError, is_absent

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON-like data."""

FIELD_MANAGER = "ackinstall"
MANAGED = "ackinstall/managed"
"""The label that marks an object as made by this program."""

PAGE = 500
TIMEOUT = (3.0, 30.0)
"""How long a call waits for a connection, and for an answer, in seconds."""


class Ref(NamedTuple):
    """Which object: `namespace` is "" for cluster-scoped ones."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""


class Kube(Protocol):
    """What the installer asks of a cluster. Failures are the kubernetes package's ApiException."""

    def version(self) -> str:
        """Return the API server's version, such as "v1.36.3"."""

    def get(self, ref: Ref) -> Manifest | None:
        """Return the object, or None when there is none (nor its kind)."""

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Manifest]:
        """Return all objects of a kind, in one namespace or in all; none when the kind does not exist."""

    def watch(self, kinds: Iterable[tuple[str, str]], seconds: float, stop: threading.Event) -> None:
        """Return when an object of one of the kinds (apiVersion, kind) changes, after some `seconds`, or
        soon after `stop` is set.
        """

    def create(self, manifest: Manifest) -> None:
        """Create the object; one that exists is a conflict."""

    def apply(self, manifest: Manifest, *, force: bool = False) -> None:
        """Apply on the server side; `force` takes fields over from other field managers."""

    def rehearse(self, manifest: Manifest) -> None:
        """Apply as `apply` with force would, as a dry run: admission decides, nothing is stored."""

    def merge(self, ref: Ref, patch: Manifest) -> None:
        """Apply a JSON merge patch; with a resourceVersion in it, only to that version."""

    def delete(self, ref: Ref, only: Manifest | None = None) -> None:
        """Delete the object, its dependents in the background; one that is gone is no error. With `only`, as
        it was read, just that object in that version: another one is a conflict.
        """

    def token(self, namespace: str, service_account: str, audience: str) -> str:
        """Return a short-lived token of the service account (TokenRequest); stores nothing."""

    def allowed(self, verb: str, group: str, resource: str, namespace: str = "") -> bool:
        """Tell whether the caller may do this (SelfSubjectAccessReview); stores nothing. `resource` is a
        plural name, as `pods`, or a part of such objects, as `pods/log`.
        """

    def logs(self, namespace: str, pod: str, container: str, lines: int, *, previous: bool = False) -> str:
        """Return the last lines of a container's log, of its run before this one if `previous`; "" when there
        is none.
        """

    def user(self) -> str:
        """Return the name by which the cluster knows the caller (SelfSubjectReview), "" if it cannot tell."""


def ref_of(manifest: Manifest) -> Ref:
    """Return which object a manifest describes."""
    metadata = manifest["metadata"]
    return Ref(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace", ""))


def access_attributes(verb: str, group: str, resource: str, namespace: str) -> dict[str, str]:
    """Return what a SelfSubjectAccessReview asks for; a rule on `*/token` is only found by the subresource.

    https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/
    """
    kind, _, part = resource.partition("/")
    return {"verb": verb, "group": group, "resource": kind, "subresource": part, "namespace": namespace}


def is_ours(manifest: Manifest) -> bool:
    """Tell whether a live object carries our mark."""
    return bool((manifest["metadata"].get("labels") or {}).get(MANAGED) == "true")


def project(wanted: Any, live: Any) -> Any:  # noqa: ANN401 (JSON-like)
    """Return the part of `live` that `wanted` speaks of: what the server filled in by itself falls away."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return {key: project(value, live[key]) for key, value in wanted.items() if key in live}
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [project(one, other) for one, other in zip(wanted, live, strict=True)]
    return live


_LOADING = threading.Lock()


def preload() -> None:
    """Load what talking to a cluster takes: it costs 0.2 s. Everything here that imports from the package has
    called this, because threads that begin with different modules of one package get half of it: each waits
    for a module that the other one loads, and Python then lets one of them go on without.
    """
    with _LOADING:
        from kubernetes import dynamic  # noqa: F401, PLC0415 (for the import alone)


def amount(quantity: str) -> Decimal:
    """Return a quantity (`100m`, `64Mi`) as a number."""
    preload()
    from kubernetes.utils.quantity import parse_quantity  # noqa: PLC0415 (costs 0.2 s)

    return Decimal(parse_quantity(quantity))


def open_cluster(endpoint: str, ca: bytes, token: Callable[[], str], directory: Path) -> "ApiServer":
    """Return the API server at `endpoint` (an https address) with its CA (PEM), logged in by `token`.

    `token` is called for every request. `directory` takes the CA's file and the discovery cache.
    """
    authority = directory / "ca.pem"
    authority.write_bytes(ca)

    def refresh(target: Any) -> None:  # noqa: ANN401 (a kubernetes Configuration)
        target.api_key["authorization"] = f"Bearer {token()}"

    def configure() -> Any:  # noqa: ANN401 (same)
        from kubernetes.client import Configuration  # noqa: PLC0415 (costs 0.2 s)

        configuration = Configuration()
        configuration.host = endpoint
        configuration.ssl_ca_cert = str(authority)
        configuration.proxy = None
        # The hook runs only for a key that exists already; without one, calls would be anonymous.
        refresh(configuration)
        configuration.refresh_api_key_hook = refresh
        return configuration

    return ApiServer(configure, directory)


def open_context(kubeconfig: str | None, context: str | None, directory: Path) -> "ApiServer":
    """Return the API server that a kubeconfig's context names; its first call raises what is wrong there."""

    def configure() -> Any:  # noqa: ANN401 (a kubernetes Configuration)
        from kubernetes import config  # noqa: PLC0415 (costs 0.2 s)
        from kubernetes.client import Configuration  # noqa: PLC0415 (same)

        configuration = Configuration()
        try:
            config.load_kube_config(kubeconfig, context, configuration)
        except Exception as error:  # the package raises what comes; whatever it is, the file is wrong
            raise _wrong_kubeconfig(kubeconfig, error) from error
        return configuration

    return ApiServer(configure, directory)


def _wrong_kubeconfig(kubeconfig: str | None, error: Exception) -> UsageError:
    name = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    why = str(error).partition("\n")[0]
    file = shlex.quote(name)
    return UsageError(
        "wrong-kubeconfig",
        f"the kubeconfig '{name}' cannot be used: {why}",
        f"see its contexts with `kubectl config get-contexts --kubeconfig {file}`; `aws eks "
        f"update-kubeconfig --name NAME --kubeconfig {file}` writes the cluster's into it",
    )


class ApiServer:
    """A real cluster's API (see Kube). Safe to use from several threads.

    `configure` gives the kubernetes package's Configuration at the first call, so that nobody waits for the
    package before. `directory` takes the discovery cache, `timeout` is as TIMEOUT.
    """

    def __init__(
        self, configure: Callable[[], Any], directory: Path, timeout: tuple[float, float] = TIMEOUT
    ) -> None:
        self._configure = configure
        self._timeout = timeout
        self._cache = str(directory / "discovery.json")
        self._opened: DynamicClient | None = None
        self._lock = threading.Lock()

    def version(self) -> str:
        """See Kube."""
        return str(self._open().version["kubernetes"]["gitVersion"])

    def get(self, ref: Ref) -> Manifest | None:
        """See Kube."""
        kind = self._kind(ref.api_version, ref.kind)
        if kind is None:
            return None
        try:
            return self._read(self._open().get(kind, ref.name, ref.namespace or None, **_PLAIN))
        except Exception as error:
            if is_absent(error):
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Manifest]:
        """See Kube."""
        found = self._kind(api_version, kind)
        if found is None:
            return []
        try:
            return list(self._pages(found, namespace or None, labels or None))
        except Exception as error:
            if is_absent(error):  # the kind went after it was discovered
                return []
            raise

    def watch(self, kinds: Iterable[tuple[str, str]], seconds: float, stop: threading.Event) -> None:
        """See Kube."""
        changed = threading.Event()
        for api_version, kind in kinds:
            # A thread that hangs on a silent stream must not keep the program; the server ends the stream.
            arguments = (api_version, kind, seconds, changed)
            threading.Thread(target=self._watch, args=arguments, daemon=True).start()
        end = time.monotonic() + seconds
        while not (changed.wait(0.2) or stop.is_set() or time.monotonic() > end):
            pass

    def _watch(self, api_version: str, kind: str, seconds: float, changed: threading.Event) -> None:
        """Set `changed` at the first change after now, or when the kind cannot be watched any more."""
        try:
            found = self._kind(api_version, kind)
            now = self._read(self._open().get(found, limit=1, **_PLAIN))["metadata"]["resourceVersion"]
            events = self._open().watch(found, resource_version=now, timeout=max(int(seconds), 1))
            is_news = any(True for _ in events)
        except Exception:  # noqa: BLE001 (the next look tells what is wrong)
            is_news = True
        if is_news:
            changed.set()

    def create(self, manifest: Manifest) -> None:
        """See Kube."""
        ref = ref_of(manifest)
        self._read(
            self._open().create(
                self._known(ref), dict(manifest), ref.namespace or None, field_manager=FIELD_MANAGER, **_PLAIN
            )
        )

    def apply(self, manifest: Manifest, *, force: bool = False) -> None:
        """See Kube."""
        self._apply(manifest, force_conflicts=force)

    def rehearse(self, manifest: Manifest) -> None:
        """See Kube."""
        self._apply(manifest, force_conflicts=True, dry_run="All")

    def _apply(self, manifest: Manifest, **options: object) -> None:
        ref = ref_of(manifest)
        kind = self._known(ref)
        body, namespace = dict(manifest), ref.namespace or None
        self._read(
            self._open().server_side_apply(
                kind, body, ref.name, namespace, field_manager=FIELD_MANAGER, **options, **_PLAIN
            )
        )

    def merge(self, ref: Ref, patch: Manifest) -> None:
        """See Kube."""
        self._read(
            self._open().patch(
                self._known(ref),
                dict(patch),
                ref.name,
                ref.namespace or None,
                content_type="application/merge-patch+json",
                field_manager=FIELD_MANAGER,
                **_PLAIN,
            )
        )

    def delete(self, ref: Ref, only: Manifest | None = None) -> None:
        """See Kube."""
        kind = self._kind(ref.api_version, ref.kind)
        if kind is None:
            return
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
        }
        if only:
            options["preconditions"] = {key: only["metadata"][key] for key in ("uid", "resourceVersion")}
        try:
            self._read(self._open().delete(kind, ref.name, ref.namespace or None, options, **_PLAIN))
        except Exception as error:
            if not is_absent(error):
                raise

    def token(self, namespace: str, service_account: str, audience: str) -> str:
        """See Kube."""
        spec = {"audiences": [audience], "expirationSeconds": 600}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        return str(self._read(self._open().request("POST", path, request, **_PLAIN))["status"]["token"])

    def allowed(self, verb: str, group: str, resource: str, namespace: str = "") -> bool:
        """See Kube."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": access_attributes(verb, group, resource, namespace)},
        }
        kind = self._kind("authorization.k8s.io/v1", "SelfSubjectAccessReview")
        answer = self._read(self._open().create(kind, review, **_PLAIN))
        return bool(answer["status"].get("allowed"))

    def logs(self, namespace: str, pod: str, container: str, lines: int, *, previous: bool = False) -> str:
        """See Kube."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        query = [
            ("container", container),
            ("tailLines", lines),
            ("previous", "true" if previous else "false"),
        ]
        try:
            answer = self._open().request("GET", path, query_params=query, **_PLAIN)
        except Exception as error:
            if is_absent(error) or getattr(error, "status", None) == 400:  # noqa: PLR2004 (not started yet)
                return ""
            raise
        return bytes(answer.data).decode(errors="replace")

    def user(self) -> str:
        """See Kube. Servers before 1.28 cannot tell."""
        kind = self._kind("authentication.k8s.io/v1", "SelfSubjectReview")
        if kind is None:
            return ""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self._read(self._open().create(kind, review, **_PLAIN))
        return str(answer["status"]["userInfo"].get("username", ""))

    def _open(self) -> "DynamicClient":
        with self._lock:
            if self._opened is None:
                preload()
                from kubernetes.dynamic import DynamicClient  # noqa: PLC0415 (costs 0.2 s)

                api = _impatient(self._configure(), self._timeout)
                self._opened = DynamicClient(api, cache_file=self._cache)
            return self._opened

    def _kind(self, api_version: str, kind: str) -> Any:  # noqa: ANN401 (a kubernetes.dynamic Resource)
        client = self._open()
        from kubernetes.dynamic.exceptions import ResourceNotFoundError  # noqa: PLC0415 (costs 0.2 s)

        # Without a prefix a search for kinds of "v1" asks each API group of the cluster, one after the other.
        prefix = "apis" if "/" in api_version else "api"
        with self._lock:  # the discovery's cache is no place for two threads
            try:
                return client.resources.get(prefix=prefix, api_version=api_version, kind=kind)
            except ResourceNotFoundError:
                return None

    def _known(self, ref: Ref) -> Any:  # noqa: ANN401 (a kubernetes.dynamic Resource)
        kind = self._kind(ref.api_version, ref.kind)
        if kind is None:
            raise Retry(f"the cluster does not know the kind '{ref.kind}' yet")
        return kind

    def _pages(self, kind: Any, namespace: str | None, labels: str | None) -> Iterator[Manifest]:  # noqa: ANN401
        more = None
        while True:
            page = self._read(
                self._open().get(
                    kind, namespace=namespace, label_selector=labels, limit=PAGE, _continue=more, **_PLAIN
                )
            )
            for item in page["items"]:
                yield {"apiVersion": kind.group_version, "kind": kind.kind, **item}
            more = page["metadata"].get("continue")
            if not more:
                return

    def _read(self, response: Any) -> dict[str, Any]:  # noqa: ANN401 (a urllib3 response)
        """Return the answer; only a response that was read gives its connection back to the pool."""
        content: dict[str, Any] = json.loads(response.data)
        return content


# Plain JSON instead of the package's own objects, which cost a second for a page of definitions.
_PLAIN = {"serialize": False}


def _impatient(configuration: Any, timeout: tuple[float, float]) -> Any:  # noqa: ANN401 (kubernetes')
    """Return an ApiClient none of whose calls waits for ever: DynamicClient's own ones, for the version and
    the kinds, have no limit, and a private cluster's address answers nothing at all.
    """
    from kubernetes.client import ApiClient  # noqa: PLC0415 (costs 0.2 s)

    class Impatient(ApiClient):  # type: ignore[misc] # the package ships no types
        def call_api(self, *request: object, _request_timeout: object = None, **options: object) -> Any:  # noqa: ANN401
            return super().call_api(*request, _request_timeout=_request_timeout or timeout, **options)

    configuration.retries = 0
    configuration.connection_pool_maxsize = 32
    return Impatient(configuration)
