"""The board that `status` shows: identity, AWS objects, controllers, custom resources, on one screen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tenacity

from ackinstall.resource import SETTLED, Change, Kind
from ackinstall.resources.crds import Crds
from ackinstall.resources.custom_resources import NAME as CUSTOM_RESOURCES
from ackinstall.resources.custom_resources import Guarded
from ackinstall.resources.helm_release import HelmRelease

if TYPE_CHECKING:
    from ackinstall.target import Target

MARKS = {
    Kind.NOTHING: "ok",
    Kind.LEAVE: "ok",
    Kind.CREATE: "missing",
    Kind.WAIT: "waits",
    Kind.REFUSE: "foreign",
}


@dataclass(frozen=True, kw_only=True)
class Board:
    """How an installation stands; `alive` sums up the custom resources, "" when there are none."""

    cluster: str
    region: str
    account: str
    caller: str
    kubernetes: str
    changes: tuple[Change, ...]
    alive: str

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing, differs or is still waited for."""
        return all(change.kind in SETTLED for change in self.changes)

    def text(self) -> list[str]:
        """Return the board as lines."""
        lines = [
            f"cluster   {self.cluster} in {self.region}, Kubernetes {self.kubernetes}",
            f"account   {self.account} as {self.caller}",
            "",
            *(f"{MARKS.get(one.kind, 'differs'):<8} {one.resource.id}{_about(one)}" for one in self.changes),
            "",
            self.alive or "no custom resources are alive",
        ]
        bad = [one for one in self.changes if one.kind not in SETTLED]
        verdict = f"{len(bad)} of {len(self.changes)} are not as wanted" if bad else "all is well"
        return [*lines, verdict]

    def data(self) -> dict[str, Any]:
        """Return the board as it stands in the JSON stream."""
        return {
            "cluster": self.cluster,
            "region": self.region,
            "account": self.account,
            "caller": self.caller,
            "kubernetes": self.kubernetes,
            "well": self.is_well,
            "resources": [
                {"resource": one.resource.id, "state": MARKS.get(one.kind, "differs"), "reason": one.reason}
                for one in self.changes
            ],
            "customResources": self.alive,
        }


def read(target: "Target", changes: Sequence[Change]) -> Board:
    """Return the board for a target and what its plan says."""
    crds = [one for one in target.resources if isinstance(one, Crds)]
    guard = Guarded(name=CUSTOM_RESOURCES, definitions=tuple(m for one in crds for m in one.manifests))
    alive = guard.observe(target.clients)
    return Board(
        cluster=target.facts.cluster.name,
        region=target.facts.region,
        account=target.facts.account,
        caller=target.facts.caller,
        kubernetes=target.facts.cluster.version,
        changes=tuple(changes),
        alive=alive.locked if alive else "",
    )


def watch(look: Callable[[], Board], timeout: float) -> Board:
    """Return the board once all is well on it, or the last one when `timeout` seconds are over."""
    looking = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda board: not board.is_well),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_delay(timeout),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    board: Board = looking(look)
    return board


def _about(change: Change) -> str:
    parts = []
    if isinstance(change.resource, HelmRelease):
        parts.append(change.resource.version)
    if change.differences:
        parts.append(", ".join(sorted(change.paths)) + " differ")
    if change.reason:
        parts.append(change.reason)
    return f"  ({'; '.join(parts)})" if parts else ""
