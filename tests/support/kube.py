"""The fake Kubernetes API: ackinstall.kube.Kube over a Cluster in memory, with every verb counted."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from urllib3.exceptions import MaxRetryError, ProtocolError

from ackinstall.errors import Retry, is_absent
from ackinstall.kube import FIELD_MANAGER, Manifest, Ref, ref_of
from support.cluster import Cluster
from support.faults import Call, Faults

T = TypeVar("T")


class FakeKube:
    """See ackinstall.kube.Kube. `sign` makes a service account's token from namespace, name and audience."""

    def __init__(self, cluster: Cluster, faults: Faults, sign: Callable[[str, str, str], str]) -> None:
        self.cluster = cluster
        self._faults = faults
        self._sign = sign

    def version(self) -> str:
        """See Kube."""
        return self._read("version", lambda: "v1.36.3")

    def get(self, ref: Ref) -> Manifest | None:
        """See Kube."""
        return self._read(f"get {_label(ref)}", lambda: self.cluster.get(ref))

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Manifest]:
        """See Kube."""
        what = f"list {kind} in '{namespace}'"
        return self._read(what, lambda: [*self.cluster.list(api_version, kind, namespace, labels)])

    def watch(self, kinds: Iterable[tuple[str, str]], seconds: float, stop: threading.Event) -> None:  # noqa: ARG002 (same)
        """See Kube. Here everything happens when somebody looks, so there is nothing to wait for."""
        stop.wait(min(seconds, 0.01))

    def create(self, manifest: Manifest) -> None:
        """See Kube."""
        self._write("create", manifest, lambda: self.cluster.create(manifest, f"{FIELD_MANAGER}/Update"))

    def apply(self, manifest: Manifest, *, force: bool = False) -> None:
        """See Kube."""
        manager = f"{FIELD_MANAGER}/Apply"
        self._write("apply", manifest, lambda: self.cluster.apply(manifest, manager, force=force))

    def rehearse(self, manifest: Manifest) -> None:
        """See Kube. Admission lets everything through."""
        self._read(f"rehearse {_label(ref_of(manifest))}", lambda: None)

    def merge(self, ref: Ref, patch: Manifest) -> None:
        """See Kube."""
        what = {"apiVersion": ref.api_version, "kind": ref.kind}
        metadata = {"name": ref.name, "namespace": ref.namespace}
        self._write("merge", {**what, "metadata": metadata}, lambda: self.cluster.merge(ref, patch))

    def delete(self, ref: Ref, only: Manifest | None = None) -> None:
        """See Kube."""

        def delete() -> None:
            try:
                self.cluster.delete(ref, only)
            except Exception as error:
                if not is_absent(error):
                    raise

        self._pass(f"delete {_label(ref)}", delete, writes=True)

    def token(self, namespace: str, service_account: str, audience: str) -> str:
        """See Kube."""

        def sign() -> str:
            self.cluster.change(Ref("v1", "ServiceAccount", service_account, namespace), lambda _: None)
            return self._sign(namespace, service_account, audience)

        return self._read(f"token {namespace}/{service_account}", sign)

    def allowed(self, verb: str, group: str, resource: str, namespace: str = "") -> bool:  # noqa: ARG002 (all is)
        """See Kube."""
        return self._read(f"allowed {verb} {resource}", lambda: True)

    def logs(self, namespace: str, pod: str, container: str, lines: int, *, previous: bool = False) -> str:  # noqa: ARG002 (short)
        """See Kube. The run before this one has its own log, under the pod's name with `/previous`."""
        ref = Ref("v1", "Pod", f"{pod}/previous" if previous else pod, namespace)
        return self._read(f"logs {pod}", lambda: self.cluster.logs.get(ref, "" if previous else "starting\n"))

    def user(self) -> str:
        """See Kube."""
        return self._read("user", lambda: "arn:aws:iam::123456789012:user/administrator")

    def _read(self, what: str, carry_out: Callable[[], T]) -> T:
        return self._pass(what, carry_out, writes=False)

    def _write(self, verb: str, manifest: Manifest, carry_out: Callable[[], None]) -> None:
        ref = ref_of(manifest)

        def known() -> None:
            if not self.cluster.knows(ref.api_version, ref.kind):  # as ApiServer says it, before any call
                raise Retry(f"the cluster does not know the kind '{ref.kind}' yet")
            carry_out()

        self._pass(f"{verb} {_label(ref)}", known, writes=True)

    def _pass(self, what: str, carry_out: Callable[[], T], *, writes: bool) -> T:
        aborted = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
        # urllib3 wraps what it would try again, which are the reads.
        lost = aborted if writes else MaxRetryError(None, "/", aborted)  # type: ignore[arg-type]
        return self._faults.pass_through(Call(f"kube:{what}", writes), carry_out, lambda: lost)


def _label(ref: Ref) -> str:
    return f"{ref.kind}/{ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind}/{ref.name}"
