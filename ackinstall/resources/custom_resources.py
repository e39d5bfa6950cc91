"""Custom resources on a teardown. Each stands for an object in AWS, so none goes unasked.

One class for each way through: `Guarded` refuses while any is alive; `Removed` deletes them in order while
their controllers live; `Retained` lets them go from Kubernetes and keeps what they stand for in AWS;
`Released` does that where no controller is left that could let them go.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from ackinstall import denied
from ackinstall.controllers import Controllers, read
from ackinstall.errors import AckinstallError, is_absent
from ackinstall.kube import Manifest
from ackinstall.resource import Change, Resource, Seen, State
from ackinstall.resources.crds import API, served
from ackinstall.words import some
from ackinstall.workloads import ACK, POLICY, RETAIN, Workload, describe, next_to_go, totals

if TYPE_CHECKING:
    from ackinstall.clients import Clients

WATCHED = 10.0
"""Seconds after which all are looked at again even when nothing seems to have changed."""
STUCK = timedelta(seconds=45)
"""How long a removal may be in trouble before nobody waits for it; controllers try again after 30 s."""
LONGEST_PAUSE = timedelta(seconds=1000)
"""Between two tries of a controller, which doubles its pauses after errors: controller-runtime's default."""
NAME = "ack"


@dataclass(frozen=True, kw_only=True)
class CustomResources(Resource):
    """All custom resources of the kinds that `definitions` define, in all namespaces.

    `controllers` are the controllers that could act on them (see ackinstall.controllers), `cluster` is the
    EKS cluster's name, `began` is when the run did.
    """

    kind: ClassVar[str] = "custom-resources"
    patience: ClassVar[float] = 3600.0

    definitions: tuple[Manifest, ...]
    controllers: Controllers = field(default_factory=Controllers)
    cluster: str = ""
    began: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    def desired(self) -> State:
        """See Resource. An installation makes none and minds none."""
        return {}

    def create(self, clients: "Clients") -> None:
        """See Resource. Users make them."""

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource. Users change them."""

    def wait(self, clients: "Clients", seconds: float, stop: threading.Event) -> None:
        """See Resource. Watches them, then lets `seconds` pass in which more may change."""
        clients.kube.watch([served(one) for one in self.definitions], WATCHED, stop)
        stop.wait(min(seconds, 1.0))

    def alive(self, clients: "Clients") -> list[Workload]:
        """Return all that exist, sorted by kind, namespace and name."""
        with ThreadPoolExecutor(8) as pool:
            pages = pool.map(lambda definition: clients.kube.list(*served(definition)), self.definitions)
            listed = [one for page in pages for one in page]
        others = _other_groups(clients, self._groups) if any(not _service(one) for one in listed) else set()
        found = [one for one in listed if not self._is_of_others(one, others)]
        spaces = clients.kube.list("v1", "Namespace") if found else []
        namespaces = {one["metadata"]["name"]: one for one in spaces}
        described = (describe(one, namespaces, self.controllers.policy(_service(one))) for one in found)
        return sorted(described, key=lambda one: one.label)

    def _is_of_others(self, manifest: Manifest, others: Collection[str]) -> bool:
        """Tell whether an object of a shared kind is for other controllers: it names their API group, or no
        group at all while there are `others`, to which it may matter.

        https://aws-controllers-k8s.github.io/community/docs/user-docs/field-export/
        """
        if _service(manifest):
            return False
        spec = manifest.get("spec") or {}
        source = (spec.get("from") or {}).get("resource") or spec.get("kubernetes") or {}
        return source["group"] not in self._groups if "group" in source else bool(others)

    @property
    def _groups(self) -> frozenset[str]:
        return frozenset(one["spec"]["group"] for one in self.definitions)


@dataclass(frozen=True, kw_only=True)
class Guarded(CustomResources):
    """Nothing passes while one is alive."""

    advice: ClassVar[str] = (
        "add `--workloads delete` to delete them and what they stand for in AWS; or `--workloads retain` to "
        "keep that; or delete them with `kubectl delete`, then run the same command again"
    )

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        alive = self.alive(clients)
        return Seen(state={}, ours=True, locked=summary(alive)) if alive else None

    def delete(self, clients: "Clients") -> None:
        """See Resource. They are never deleted unasked."""


@dataclass(frozen=True, kw_only=True)
class Removed(CustomResources):
    """They are deleted by their controllers, what refers to others first."""

    advice: ClassVar[str] = (
        "add `--repair-controller` to put the controllers back first, or `--workloads retain` to keep what "
        "the custom resources stand for"
    )

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource. Raises AckinstallError in the controllers' words when all that is left is stuck."""
        alive = self.alive(clients)
        if not alive:
            return None
        ready = next_to_go(alive)
        _check_stuck(alive, ready, self.began)
        helpless = self.controllers.helpless(_services(alive))
        return Seen(
            state={},
            ours=True,
            locked=f"{helpless}, so nobody would remove what {counted(alive)} stand for" if helpless else "",
            busy="" if ready else on_their_way(alive),
            stage=f"{counted(ready)} of {len(alive)}",
        )

    def delete(self, clients: "Clients") -> None:
        """See Resource. Asks for those that nothing refers to any more; the rest follows in later rounds."""
        _delete(clients, next_to_go(self.alive(clients)))


@dataclass(frozen=True, kw_only=True)
class Retained(CustomResources):
    """They are let go by their controllers; what they stand for in AWS stays."""

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        alive = self.alive(clients)
        if not alive:
            return None
        ready = [one for one in alive if not one.is_going or one.policy != RETAIN]
        _check_stuck(alive, ready, self.began)
        return Seen(
            state={},
            ours=True,
            busy="" if ready else on_their_way(alive),
            stage=f"{counted(ready)}, kept in AWS",
        )

    def delete(self, clients: "Clients") -> None:
        """See Resource. The annotation that keeps the AWS side is written and seen before anything goes."""
        _retain(clients, self.alive(clients))
        _delete(clients, [one for one in self.alive(clients) if not one.is_going and _is_retained(one)])


@dataclass(frozen=True, kw_only=True)
class Released(CustomResources):
    """They are let go by us: ACK's own finalizers are taken off, once no controller can act any more."""

    advice: ClassVar[str] = (
        "a controller of somebody else could still act on them: remove it, or add `--repair-controller`"
    )

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        alive = self.alive(clients)
        if not alive:
            return None
        acting = read(clients.kube).there(_services(alive))
        managed = _capability(clients, self.cluster)
        ready = [one for one in alive if not one.is_going or any(map(_is_acks, one.finalizers))]
        return Seen(
            state={},
            ours=True,
            locked=managed,
            busy=acting or ("" if ready else f"{counted(alive)} are held by finalizers of others"),
            stage=f"{counted(ready)}, kept in AWS, without their controller",
        )

    def delete(self, clients: "Clients") -> None:
        """See Resource."""
        alive = self.alive(clients)
        _retain(clients, alive)
        _delete(clients, [one for one in alive if not one.is_going])
        _side_by_side(lambda one: _free(clients, one), alive)


def _other_groups(clients: "Clients", own: Collection[str]) -> set[str]:
    """Return the API groups of other ACK controllers that are installed."""
    groups = {one["spec"]["group"] for one in clients.kube.list(*API)}
    return {group for group in groups - set(own) if group.endswith(ACK)}


def summary(alive: Sequence[Workload]) -> str:
    """Return what is alive, by kind and namespace: `Endpoint.sagemaker in 'prod': 'a', 'b'`."""
    places: dict[tuple[str, str], list[str]] = {}
    for one in alive:
        group = one.ref.api_version.split("/")[0].removesuffix(ACK)
        places.setdefault((f"{one.ref.kind}.{group}", one.ref.namespace), []).append(f"'{one.ref.name}'")
    parts = [
        f"{kind} in '{space}': {some(sorted(names), 5)}" for (kind, space), names in sorted(places.items())
    ]
    return f"{len(alive)} custom resources are alive: " + "; ".join(parts)


def counted(workloads: Iterable[Workload]) -> str:
    """Return `1 Endpoint, 2 Model`."""
    return ", ".join(f"{count} {kind}" for kind, count in totals(workloads).items())


def _check_stuck(alive: Sequence[Workload], ready: Sequence[Workload], began: datetime) -> None:
    """Raise AckinstallError when nothing can go on: what is on its way is in trouble, and was tried again."""
    going = [one for one in alive if one.is_going]
    now = datetime.now(UTC)
    if ready or not going or not all(one.is_hopeless and now > _tried_by(one, began) for one in going):
        return
    told = "; ".join(f"'{one.label}': {one.trouble}" for one in going[:5])
    refusal = denied.find(told)
    remedy = refusal.remedy if refusal else "remove the cause"
    raise AckinstallError(
        "custom-resources-stuck",
        f"{counted(going)} of {len(alive)} custom resources cannot be removed: {told}",
        f"{remedy}; then run the same command again: it goes on from here",
    )


def _tried_by(workload: Workload, began: datetime) -> datetime:
    """Return when, at the latest, the controller has tried again in a run that began then: a pause of its is
    about as long as all before it.
    """
    since = _since(workload)
    pause = min(max(began - since, STUCK), LONGEST_PAUSE)
    return max(began, since) + pause


def _since(workload: Workload) -> datetime:
    return datetime.fromisoformat(workload.manifest["metadata"]["deletionTimestamp"])


def on_their_way(alive: Sequence[Workload]) -> str:
    """Return a line for each kind: how many are left, and what the first of them is in trouble with."""
    lines = []
    for kind, count in totals(alive).items():
        of_kind = [one for one in alive if one.ref.kind == kind]
        going = sum(one.is_going for one in of_kind)
        troubles = [f": '{one.label}' {one.trouble}" for one in of_kind if one.is_going and one.trouble]
        rest = f", {count - going} later" if count > going else ""
        lines.append(f"{kind}: {going} on their way{rest}{''.join(troubles[:1])}")
    return "\n".join(lines)


def _delete(clients: "Clients", workloads: Sequence[Workload]) -> None:
    _side_by_side(lambda one: clients.kube.delete(one.ref), workloads)


def _side_by_side(act: Callable[[Workload], None], workloads: Sequence[Workload]) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(act, workloads))


def _retain(clients: "Clients", workloads: Sequence[Workload]) -> None:
    """Tell the controllers to keep what the custom resources stand for."""
    kept = {"metadata": {"annotations": {POLICY: RETAIN}}}
    bare = [one for one in workloads if not _is_retained(one)]
    _side_by_side(lambda one: clients.kube.merge(one.ref, kept), bare)


def _free(clients: "Clients", workload: Workload) -> None:
    """Take ACK's finalizers off one object, never another's; not when it was changed since we looked."""
    found = clients.kube.get(workload.ref)
    if found is None:
        return
    metadata = found["metadata"]
    others = [one for one in metadata.get("finalizers") or () if not _is_acks(one)]
    version = metadata["resourceVersion"]
    clients.kube.merge(workload.ref, {"metadata": {"finalizers": others, "resourceVersion": version}})


def _is_acks(finalizer: str) -> bool:
    """Tell ACK's finalizers by their form: `finalizers.sagemaker.services.k8s.aws/Endpoint`."""
    return finalizer.startswith("finalizers.") and finalizer.split("/", maxsplit=1)[0].endswith(ACK)


def _capability(clients: "Clients", cluster: str) -> str:
    """Say when EKS itself runs ACK for the cluster: https://docs.aws.amazon.com/eks/latest/userguide/ack.html"""
    try:
        listed = clients.aws.client("eks").list_capabilities(clusterName=cluster).get("capabilities", ())
    except Exception as error:
        if is_absent(error):  # the cluster is gone from EKS, and its capabilities with it
            return ""
        raise
    acting = [one["capabilityName"] for one in listed if one.get("type") == "ACK"]
    return f"the EKS capability '{acting[0]}' of the cluster can still act on them" if acting else ""


def _is_retained(workload: Workload) -> bool:
    return bool((workload.manifest["metadata"].get("annotations") or {}).get(POLICY) == RETAIN)


def _services(workloads: Iterable[Workload]) -> frozenset[str]:
    return frozenset(_service(one.manifest) for one in workloads)


def _service(manifest: Manifest) -> str:
    """Return the service whose controller acts on an object; a shared kind's is the empty one."""
    return str(manifest["apiVersion"]).split("/")[0].removesuffix(ACK.removeprefix(".")).removesuffix(".")
