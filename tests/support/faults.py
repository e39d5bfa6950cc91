"""What goes wrong in a test: the process is killed before or after a call, or the reply of a call is lost."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone. No handler for errors may catch it, as none runs after SIGKILL."""


class Mode(Enum):
    """What happens to a call."""

    KILL_BEFORE = "killed before"
    KILL_AFTER = "killed after"
    LOSE_REPLY = "reply lost"


@dataclass(frozen=True)
class Call:
    """One call, such as `iam:CreateRole NAME`, `kube:apply Namespace/ack-system` or `helm:upgrade NAME`.

    `has_reply` is False for a step inside a program that we started: that answers once, at its end.
    `time` counts the calls of the same name in a run, from 1.
    """

    name: str
    writes: bool
    has_reply: bool = True
    time: int = 0


Strike = Callable[[int, Call], Mode | None]
"""Says what goes wrong at a call, given its number in the run (from 1)."""


def nothing(_number: int, _call: Call) -> None:
    """Let everything go well (a Strike)."""


def at(number: int, mode: Mode) -> Strike:
    """Return the Strike at one call."""
    return lambda this, _: mode if this == number else None


def losing(calls: Collection[Call]) -> Strike:
    """Return the Strike that loses the reply of each of these calls of an earlier run.

    A run that lost a reply looks again, so its calls are not those of the run before; they are recognised by
    name and time.
    """
    lost = {(call.name, call.time) for call in calls}
    return lambda _, call: Mode.LOSE_REPLY if (call.name, call.time) in lost else None


class Faults:
    """Counts the calls of one run, in `calls`, and makes some of them go wrong.

    After a kill every further call, of whatever thread, is killed too; `on_kill` is called at the first.
    `watch`, when set, is called before and after each call, while no other call is under way.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.on_kill: Callable[[], object] = lambda: None
        self.watch: Callable[[str], object] | None = None
        self._strike: Strike = nothing
        self._times: Counter[str] = Counter()
        self._is_dead = False
        self._lock = threading.RLock()

    def begin(self, strike: Strike = nothing) -> None:
        """Start a new run: nothing counted, nobody dead."""
        self.calls = []
        self._strike, self._is_dead = strike, False
        self._times.clear()

    @property
    def writes(self) -> list[str]:
        """The names of the writing calls."""
        return [call.name for call in self.calls if call.writes]

    def named(self, *prefixes: str) -> list[str]:
        """Return the names of the calls that begin so."""
        return [call.name for call in self.calls if call.name.startswith(prefixes)]

    def pass_through(self, call: Call, carry_out: Callable[[], T], lost: Callable[[], Exception]) -> T:
        """Carry `call` out, unless it is to go wrong; `lost` makes the error of a lost reply."""
        mode = self._count(call)
        if mode is Mode.KILL_BEFORE:
            self._kill()
        try:
            with self._watched(call.name):
                result = carry_out()
        finally:
            if mode is Mode.KILL_AFTER:
                self._kill()
        if self._is_dead:
            raise Killed
        if mode is Mode.LOSE_REPLY and call.has_reply:
            raise lost()
        return result

    def _count(self, call: Call) -> Mode | None:
        with self._lock:
            if self._is_dead:
                raise Killed
            self._times[call.name] += 1
            counted = Call(call.name, call.writes, call.has_reply, self._times[call.name])
            self.calls.append(counted)
            return self._strike(len(self.calls), counted)

    @contextmanager
    def _watched(self, name: str) -> Iterator[None]:
        if self.watch is None:
            yield
            return
        with self._lock:
            self.watch(f"before {name}")
            yield
            self.watch(f"after {name}")

    def _kill(self) -> None:
        self._is_dead = True
        self.on_kill()
        raise Killed
