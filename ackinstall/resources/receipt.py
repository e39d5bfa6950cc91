"""The receipt: a ConfigMap that tells a later `down` what was installed. A hint, never the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ackinstall.kube import MANAGED, Manifest, Ref, is_ours, project
from ackinstall.resource import Change, Resource, Seen, State

if TYPE_CHECKING:
    from ackinstall.clients import Clients

NAME = "ackinstall"


@dataclass(frozen=True, kw_only=True)
class Receipt(Resource):
    """The ConfigMap `ackinstall` in `namespace`; `data` maps keys to text. Other keys are left alone."""

    kind: ClassVar[str] = "receipt"

    namespace: str
    data: Mapping[str, str]

    def desired(self) -> State:
        """See Resource."""
        return {"data": dict(self.data)}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        found = clients.kube.get(self.ref)
        if found is None:
            return None
        return Seen(state={"data": project(self.data, found.get("data") or {})}, ours=is_ours(found))

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        clients.kube.create(self._manifest())

    def update(self, clients: "Clients", change: Change) -> None:  # noqa: ARG002 (it is one field)
        """See Resource."""
        clients.kube.apply(self._manifest(), force=True)

    def delete(self, clients: "Clients") -> None:
        """See Resource."""
        clients.kube.delete(self.ref)

    def _manifest(self) -> Manifest:
        metadata = {"name": self.name, "namespace": self.namespace, "labels": {MANAGED: "true"}}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(self.data)}

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref("v1", "ConfigMap", self.name, self.namespace)
