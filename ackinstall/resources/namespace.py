"""The Kubernetes namespace that the controllers live in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ackinstall.errors import AckinstallError, terminating_hint
from ackinstall.kube import MANAGED, Manifest, Ref, is_ours
from ackinstall.resource import Change, Resource, Seen, State
from ackinstall.words import some

if TYPE_CHECKING:
    from ackinstall.clients import Clients

# What people keep in a namespace; the rest is made by controllers and goes with these.
KINDS = (
    ("v1", "ConfigMap"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
)
_OBSTACLES = frozenset(
    {
        "NamespaceContentRemaining",
        "NamespaceDeletionContentFailure",
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceFinalizersRemaining",
    }
)
"""The conditions in which the namespace's controller says what it waits for."""
MADE_BY_KUBERNETES = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
INSTANCE = "app.kubernetes.io/instance"


@dataclass(frozen=True, kw_only=True)
class Namespace(Resource):
    """The namespace; `releases` are the Helm releases whose objects in it are ours."""

    kind: ClassVar[str] = "namespace"

    releases: tuple[str, ...] = ()

    def desired(self) -> State:
        """See Resource."""
        return {"phase": "Active"}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        found = clients.kube.get(self.ref)
        if found is None:
            return None
        return Seen(state={"phase": "Active"}, ours=is_ours(found), busy=what_holds(found))

    def diagnosis(self, clients: "Clients") -> AckinstallError | None:
        """See Resource."""
        found = clients.kube.get(self.ref)
        ending = what_holds(found) if found else ""
        if not ending:
            return None
        message = f"the namespace '{self.name}' {ending}"
        return AckinstallError("namespace-terminating", message, terminating_hint(self.name))

    def loses(self, clients: "Clients") -> str:
        """See Resource."""
        others = sorted(self._others(clients))
        return f"holds objects that are not ours: {some(others, 5)}" if others else ""

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        clients.kube.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": self.name, "labels": {MANAGED: "true"}},
            }
        )

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource. A namespace has nothing that could differ."""

    def delete(self, clients: "Clients") -> None:
        """See Resource."""
        clients.kube.delete(self.ref)

    def _others(self, clients: "Clients") -> Iterator[str]:
        for api_version, kind in KINDS:
            for found in clients.kube.list(api_version, kind, self.name):
                if not self._is_known(found):
                    yield f"{kind}/{found['metadata']['name']}"

    def _is_known(self, found: Manifest) -> bool:
        metadata = found["metadata"]
        labels = metadata.get("labels") or {}
        return (
            is_ours(found)
            or labels.get(INSTANCE) in self.releases
            or "deletionTimestamp" in metadata
            or bool(metadata.get("ownerReferences"))
            or (found["kind"], metadata["name"]) in MADE_BY_KUBERNETES
            or (labels.get("owner") == "helm" and labels.get("name") in self.releases)
        )

    @property
    def ref(self) -> Ref:
        """Which object it is."""
        return Ref("v1", "Namespace", self.name)


def what_holds(found: Manifest) -> str:
    """Return what the namespace's controller waits for, as it says; "" for a namespace that stays."""
    if "deletionTimestamp" not in found["metadata"]:
        return ""
    conditions = found.get("status", {}).get("conditions", ())
    told = [one["message"] for one in conditions if one["type"] in _OBSTACLES and one["status"] == "True"]
    return f"is still Terminating{': ' if told else ''}{'; '.join(told)}"
