"""A Helm release of a controller's chart, watched down to its objects and its pods."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

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
                pods = clients.kube.list("v1", "Pod", self.namespace, f"{INSTANCE}={self.name}")
                return next((why for why in map(why_waiting, pods) if why), "its pods are not ready yet")
        return ""


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


def why_waiting(pod: Manifest) -> str:
    """Return why a pod does not run, as far as its status tells."""
    for container in pod.get("status", {}).get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting")
        if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
            message = waiting.get("message", "")
            return f"pod '{pod['metadata']['name']}': {waiting.get('reason')} {message}".strip()
    for condition in pod.get("status", {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"pod '{pod['metadata']['name']}' is not scheduled: {condition.get('message', '')}"
    return ""
