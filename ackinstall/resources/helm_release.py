"""A Helm release of a controller's chart, watched down to its objects and its pods."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ackinstall import pods
from ackinstall.errors import AckinstallError
from ackinstall.helm import Release
from ackinstall.kube import Manifest, Ref, project, ref_of
from ackinstall.resource import Change, Resource, Seen, State, compare

if TYPE_CHECKING:
    from ackinstall.clients import Clients

ROLE_HASH = "ackinstall/role"
"""The pod annotation with a hash of the role: pods roll when it changes, and the release is known as ours."""
ALIVE = timedelta(seconds=20)
"""How long a pending revision may belong to a helm that still runs; an installation takes a few seconds."""
INSTANCE = "app.kubernetes.io/instance"


@dataclass(frozen=True, kw_only=True)
class HelmRelease(Resource):
    """The release `name` in `namespace` of the unpacked `chart`; `version` is its label (`NAME-VERSION`)."""

    kind: ClassVar[str] = "helm-release"
    patience: ClassVar[float] = 300.0

    namespace: str
    chart: Path
    version: str
    values: Mapping[str, Any]

    def desired(self) -> State:
        """See Resource. `objects` are those that are missing or were changed behind Helm's back."""
        return {"chart": self.version, "status": "deployed", "values": dict(self.values), "objects": {}}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource. Where there is no namespace, helm need not be started to find no release in it."""
        if clients.kube.get(Ref("v1", "Namespace", self.namespace)) is None:
            return None
        found = clients.helm.release(self.name, self.namespace)
        if found is None:
            return None
        live = _read(clients, found)
        state = {
            "chart": found.chart,
            "status": found.status,
            "values": found.values,
            "objects": {ref: fields for ref, fields in _drift(found, live).items() if fields},
        }
        busy, broken = _interrupted(found, datetime.now(UTC))
        return Seen(
            state=state,
            ours=is_marked(found),
            busy=busy,
            broken=broken,
            unready=self._unready(clients, live),
        )

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        clients.helm.upgrade(self.name, self.namespace, self.chart, self.values)

    def update(self, clients: "Clients", change: Change) -> None:  # noqa: ARG002 (an upgrade sets all)
        """See Resource."""
        clients.helm.upgrade(self.name, self.namespace, self.chart, self.values)

    def delete(self, clients: "Clients") -> None:
        """See Resource."""
        clients.helm.uninstall(self.name, self.namespace)

    def _unready(self, clients: "Clients", live: Mapping[Ref, Manifest | None]) -> str:
        for ref, deployment in live.items():
            if deployment is not None and ref.kind == "Deployment" and not _is_available(deployment):
                found = map(pods.trouble, self._pods(clients))
                return next((str(one) for one in found if one), "its pods are not ready yet")
        return ""

    def diagnosis(self, clients: "Clients") -> AckinstallError | None:
        """See Resource. A revision that helm does not end; pods that do not come up, or are not even made."""
        found = clients.helm.release(self.name, self.namespace)
        if found is None:
            return None
        if found.status.startswith("pending-"):
            return AckinstallError(
                "release-pending",
                f"helm left the release '{self.name}' '{found.status}' at {found.updated:%H:%M:%S %Z} and "
                "may be at work still",
                f"see who works on it with `helm history {self.name} --namespace {self.namespace}`; when "
                "nobody does, the same command again makes it anew",
            )
        told = pods.diagnosis(self._pods(clients), self.namespace, clients.kube)
        return told or self._not_made(clients, found)

    def _not_made(self, clients: "Clients", found: Release) -> AckinstallError | None:
        """Say why a Deployment's controller cannot make pods: a quota, a policy, a missing account."""
        for deployment in _read(clients, found).values():
            conditions = (deployment or {}).get("status", {}).get("conditions") or ()
            for one in conditions:
                if (one["type"], one["status"]) == ("ReplicaFailure", "True"):
                    return AckinstallError(
                        "pods-not-created",
                        f"no pod of '{self.name}' can be made: {one.get('message', one.get('reason', ''))}",
                        "change the quota or policy that forbids it, or the release's values in the profile; "
                        f"`kubectl get events --namespace {self.namespace}` shows more",
                    )
        return None

    def _pods(self, clients: "Clients") -> list[Manifest]:
        return clients.kube.list("v1", "Pod", self.namespace, f"{INSTANCE}={self.name}")


def is_marked(release: Release) -> bool:
    """Tell whether we made the release."""
    return ROLE_HASH in ((release.values.get("deployment") or {}).get("annotations") or {})


def _interrupted(release: Release, now: datetime) -> tuple[str, str]:
    """Return (busy, broken): a revision is under way, or was left behind by a helm that was killed."""
    if not release.status.startswith(("pending-", "uninstalling")):
        return "", ""
    age = now - release.updated
    if age < ALIVE and release.status != "uninstalling":
        return f"helm left it '{release.status}' {age.seconds} s ago and may be at work still", ""
    return "", f"helm was stopped while it was '{release.status}'"


def _read(clients: "Clients", release: Release) -> dict[Ref, Manifest | None]:
    refs = [_placed(one, release) for one in release.manifest]
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(refs, pool.map(clients.kube.get, refs), strict=True))


def _placed(manifest: Manifest, release: Release) -> Ref:
    ref = ref_of(manifest)
    clustered = ref.kind.startswith("Cluster")
    return ref if ref.namespace or clustered else ref._replace(namespace=release.namespace)


def _drift(release: Release, live: Mapping[Ref, Manifest | None]) -> dict[str, list[str]]:
    drift = {}
    for manifest in release.manifest:
        ref = _placed(manifest, release)
        found = live[ref]
        label = f"{ref.kind}/{ref.name}"
        drift[label] = ["missing"] if found is None else _changed(manifest, found)
    return drift


def _changed(manifest: Manifest, found: Manifest) -> list[str]:
    """Say which fields of a live object are not as Helm sent them; zero values may be left out."""
    sent = {key: value for key, value in manifest.items() if key not in ("metadata", "status")}
    differences = compare(sent, project(sent, found))
    return [
        f"{one.path} is {json.dumps(one.seen)}, Helm sent {json.dumps(one.wanted)}"
        for one in differences
        if one.seen is not None or one.wanted
    ]


def _is_available(deployment: Manifest) -> bool:
    status = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    is_current = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    updated = status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    return bool(
        is_current and updated >= wanted and available >= wanted and status.get("replicas", 0) == updated
    )
