"""The contract between the engine and everything it installs, and the one place where is decided.

A resource describes: how it should look (`desired`), how it looks (`observe`), and how to get from one to
the other (`create`, `update`, `delete`). It never decides. `decide` does, for every type alike: it is pure,
so a plan is a list of its answers and can be shown, compared and tested without a world.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from ackinstall.errors import AckinstallError
from ackinstall.redaction import redact

if TYPE_CHECKING:
    from ackinstall.clients import Clients

State = Mapping[str, Any]
"""How an object looks: JSON-like values under the keys that its type's `desired` gives."""


class Kind(Enum):
    """What has to happen to one resource; the value is the mark that a plan shows."""

    NOTHING = " "
    CREATE = "+"
    UPDATE = "~"
    REPLACE = "!"
    DELETE = "-"
    WAIT = "."
    LEAVE = "="
    REFUSE = "x"


WRITES = frozenset({Kind.CREATE, Kind.UPDATE, Kind.REPLACE, Kind.DELETE})
SETTLED = frozenset({Kind.NOTHING, Kind.LEAVE})


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How an object was found.

    `ours`: it carries our mark. `users`: the clusters that its mark names, for objects that clusters share.
    `busy`: why it cannot be changed right now. `unready`: why it cannot be used yet although it is as wanted.
    `broken`: why only making it anew helps. `locked`: why a change or a removal needs a person; `fixed`: why
    a change needs one. `keep`: what a removal would lose. `takes`: what others put into it, which goes with
    it. `stage`: what comes next of a removal in several steps.
    """

    state: State
    ours: bool
    users: frozenset[str] = frozenset()
    busy: str = ""
    unready: str = ""
    broken: str = ""
    locked: str = ""
    fixed: str = ""
    keep: str = ""
    takes: State = field(default_factory=dict)
    stage: str = ""


@dataclass(frozen=True)
class Difference:
    """One field that is not as wanted: its dotted path, the value found, the value wanted."""

    path: str
    seen: Any
    wanted: Any

    @property
    def key(self) -> str:
        """The top-level key of `desired` that the path lies in."""
        return self.path.split(".", 1)[0].split("[", 1)[0]


@dataclass(frozen=True)
class Change:
    """What has to happen to `resource`, and why: in others' words too, without what could be a credential."""

    kind: Kind
    resource: "Resource"
    differences: tuple[Difference, ...] = ()
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", redact(self.reason))

    @property
    def paths(self) -> frozenset[str]:
        """The top-level keys that differ."""
        return frozenset(difference.key for difference in self.differences)

    @property
    def is_leaving(self) -> bool:
        """Whether our cluster's mark is to be taken away from an object that stays for others."""
        return any(one.path == USERS and self.resource.user not in one.wanted for one in self.differences)


TAKEN_OVER = "taken over"
"""The reason of a change that makes an object ours that was not."""
NOT_OURS = "is not ours"
"""The reason of a removal that does not happen because somebody else made the object."""
USERS = "users"
"""The path of the difference that says that our cluster's mark is missing, or to be taken away."""


@dataclass(frozen=True, kw_only=True)
class Resource(ABC):
    """One object of the installation: a frozen description with three verbs.

    Rules for an author of a type:
    1. `observe` returns the keys of `desired`, normalised (documents parsed, defaults filled, lists sorted).
       A difference that never goes away is a bug.
    2. `observe` never writes.
    3. Any verb may be called again after any crash; half-made things must be visible to `observe`.
    4. The mark of ownership is in the creating call.
    5. Raise Retry for "look again", Refused for "a person must decide", Kept for "left on purpose";
       anything else stops this resource and what needs it.

    `needs` are the ids of the resources that must stand before this one. `user` is this cluster's name among
    the users of a shared object, "" for an object of one cluster alone.
    """

    kind: ClassVar[str]
    patience: ClassVar[float] = 180.0
    """Seconds until converging gives up."""
    settles: ClassVar[float] = 15.0
    """Seconds in which a write must have become visible."""
    cosmetic: ClassVar[frozenset[str]] = frozenset({"tags"})
    """Keys in which an object that is not ours may differ without being refused."""
    advice: ClassVar[str] = "look at the differences in the plan; `--adopt` takes over what can be changed"
    """What a person can do when a change is refused."""

    name: str
    needs: tuple[str, ...] = ()
    user: str = ""

    @property
    def id(self) -> str:
        """The name that plans, progress and `needs` use."""
        return f"{self.kind}/{self.name}"

    @abstractmethod
    def desired(self) -> State:
        """Return how the object should look."""

    @abstractmethod
    def observe(self, clients: "Clients") -> Seen | None:
        """Return how the object looks, in the keys of `desired`; None when there is none. Writes nothing."""

    def loses(self, clients: "Clients") -> str:  # noqa: ARG002 (most types lose nothing)
        """Return what a removal would take from somebody, so that the object is kept; "" when nothing.

        Asked on a teardown only, before each removal. Writes nothing.
        """
        return ""

    def takes(self, clients: "Clients") -> State:  # noqa: ARG002 (with most types nothing else goes)
        """Return what others put into the object, which goes with it: shown before a removal, by name.

        Asked on a teardown only. Writes nothing.
        """
        return {}

    @abstractmethod
    def create(self, clients: "Clients") -> None:
        """Make the object, marked as ours in the creating call."""

    @abstractmethod
    def update(self, clients: "Clients", change: Change) -> None:
        """Make the differences of `change` go away."""

    @abstractmethod
    def delete(self, clients: "Clients") -> Iterable[str] | None:
        """Remove the object; removing what is gone already is no error.

        A removal that takes long is a generator of how far it is: it can be stopped at each step.
        """

    def diagnosis(self, clients: "Clients") -> AckinstallError | None:  # noqa: ARG002 (most types say all at once)
        """Return why the object does not become ready, looked into deeper than at every look: a reference of
        its own, and what helps; None when there is no more to say.

        Asked once, when patience has run out. Writes nothing.
        """
        return None

    def wait(self, clients: "Clients", seconds: float, stop: threading.Event) -> None:  # noqa: ARG002 (few types can be watched)
        """Wait until it makes sense to look again: for some `seconds`, or until `stop` is set."""
        stop.wait(seconds)


def decide(resource: Resource, seen: Seen | None, *, present: bool = True, adopt: bool = False) -> Change:
    """Say what has to happen to `resource`, found as `seen`.

    `present`: whether it should exist. `adopt`: whether an object that is not ours, and differs, is taken
    over. Pure: no clock, no network.
    """
    if seen is None:
        return Change(Kind.CREATE if present else Kind.NOTHING, resource)
    return _decide_present(resource, seen, adopt=adopt) if present else _decide_absent(resource, seen)


def _decide_present(resource: Resource, seen: Seen, *, adopt: bool) -> Change:
    if seen.busy:
        return Change(Kind.WAIT, resource, reason=seen.busy)
    differences = compare(resource.desired(), seen.state)
    locked = seen.locked or seen.fixed
    if not seen.ours:
        differences = tuple(d for d in differences if d.key not in resource.cosmetic)
        if not differences and not seen.broken:
            return Change(Kind.LEAVE, resource, reason="exists, is not ours, and fits")
        if not adopt or locked:
            return Change(Kind.REFUSE, resource, differences, locked or "exists and is not ours")
        kind = Kind.REPLACE if seen.broken else Kind.UPDATE
        return Change(kind, resource, _with_user(resource, seen, differences), TAKEN_OVER)
    differences = _with_user(resource, seen, differences)
    if locked and differences:
        return Change(Kind.REFUSE, resource, differences, locked)
    if seen.broken:
        return Change(Kind.REPLACE, resource, reason=seen.broken)
    if differences:
        return Change(Kind.UPDATE, resource, differences)
    if seen.unready:
        return Change(Kind.WAIT, resource, reason=seen.unready)
    return Change(Kind.NOTHING, resource)


def _with_user(resource: Resource, seen: Seen, differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
    if not resource.user or resource.user in seen.users:
        return differences
    return (*differences, Difference(USERS, sorted(seen.users), sorted(seen.users | {resource.user})))


def _decide_absent(resource: Resource, seen: Seen) -> Change:
    if not seen.ours:
        return Change(Kind.LEAVE, resource, reason=NOT_OURS)
    others = seen.users - {resource.user}
    stays = f"still used by {', '.join(sorted(others))}" if others else seen.keep
    if stays and resource.user in seen.users:
        gone = Difference(USERS, sorted(seen.users), sorted(others))
        return Change(Kind.UPDATE, resource, (gone,), stays)
    if stays:
        return Change(Kind.LEAVE, resource, reason=stays)
    if seen.locked:
        return Change(Kind.REFUSE, resource, reason=seen.locked)
    if seen.busy:
        return Change(Kind.WAIT, resource, reason=seen.busy)
    others_too = tuple(Difference(name, content, None) for name, content in seen.takes.items())
    return Change(Kind.DELETE, resource, others_too, seen.stage)


def compare(wanted: Any, seen: Any, path: str = "") -> tuple[Difference, ...]:  # noqa: ANN401 (JSON-like)
    """Return where `seen` is not as `wanted`: mappings key by key, lists of equal length item by item."""
    if isinstance(wanted, Mapping) and isinstance(seen, Mapping):
        keys = [*wanted, *(key for key in seen if key not in wanted)]
        return tuple(
            difference
            for key in keys
            for difference in compare(wanted.get(key), seen.get(key), f"{path}.{key}" if path else str(key))
        )
    if _are_lists(wanted, seen) and len(wanted) == len(seen):
        return tuple(
            difference
            for index, (one, other) in enumerate(zip(wanted, seen, strict=True))
            for difference in compare(one, other, f"{path}[{index}]")
        )
    return () if wanted == seen else (Difference(path, seen, wanted),)


def _are_lists(wanted: object, seen: object) -> bool:
    return isinstance(wanted, (list, tuple)) and isinstance(seen, (list, tuple))
