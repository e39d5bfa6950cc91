"""Small resources in memory, for tests of what decides and of what runs."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

from ackinstall.clients import Clients
from ackinstall.resource import USERS, Change, Resource, Seen, State

NO_CLIENTS = cast("Clients", None)
"""Things live in a World of their own and ask no client."""


@dataclass(eq=False)
class World:
    """What there is, by name, and every write, in order. `before` runs ahead of a verb on a thing: it may
    wait, raise, or change the world; its key is `VERB NAME`.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, name: str, size: int = 1, **about: Any) -> None:  # noqa: ANN401 (fields of Seen)
        """Make a thing exist that is ours, unless told otherwise."""
        self.seen[name] = Seen(state={"size": size}, **{"ours": True, **about})

    def call(self, verb: str, name: str) -> None:
        """Run what is to happen before a verb."""
        self.before.get(f"{verb} {name}", lambda: None)()

    def wrote(self, verb: str, name: str) -> None:
        """Note a write."""
        with self.lock:
            self.writes.append(f"{verb} {name}")


@dataclass(frozen=True, kw_only=True)
class Thing(Resource):
    """A thing of one field, `size`, that is 1 when it is as wanted."""

    kind: ClassVar[str] = "thing"
    patience: ClassVar[float] = 20.0
    settles: ClassVar[float] = 0.05

    world: World
    wanted: Mapping[str, Any] = field(default_factory=lambda: {"size": 1})

    def desired(self) -> State:
        """See Resource."""
        return self.wanted

    def observe(self, clients: Clients) -> Seen | None:  # noqa: ARG002 (the world is in memory)
        """See Resource."""
        with self.world.lock:
            self.world.looks[self.name] = self.world.looks.get(self.name, 0) + 1
        self.world.call("observe", self.name)
        return self.world.seen.get(self.name)

    def loses(self, clients: Clients) -> str:  # noqa: ARG002 (same)
        """See Resource."""
        self.world.call("loses", self.name)
        return self.world.seen[self.name].keep

    def create(self, clients: Clients) -> None:  # noqa: ARG002 (same)
        """See Resource."""
        self.world.call("create", self.name)
        users = frozenset({self.user} if self.user else ())
        self.world.seen[self.name] = Seen(state=self.wanted, ours=True, users=users)
        self.world.wrote("create", self.name)

    def update(self, clients: Clients, change: Change) -> None:  # noqa: ARG002 (same)
        """See Resource."""
        self.world.call("update", self.name)
        found = self.world.seen[self.name]
        users = next((frozenset(d.wanted) for d in change.differences if d.path == USERS), found.users)
        state = self.wanted if change.paths - {USERS} else found.state
        self.world.seen[self.name] = replace(found, state=state, ours=True, users=users)
        self.world.wrote("update", self.name)

    def delete(self, clients: Clients) -> None:  # noqa: ARG002 (same)
        """See Resource."""
        self.world.call("delete", self.name)
        self.world.seen.pop(self.name, None)
        self.world.wrote("delete", self.name)


def needs(*names: str) -> tuple[str, ...]:
    """Return the ids of things."""
    return tuple(f"thing/{name}" for name in names)
