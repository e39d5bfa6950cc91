"""What goes wrong in a test: the process is killed before or after a call, or the reply of a call is lost."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone. No handler for errors may catch it, as none runs after SIGKILL."""


class Mode(Enum):
    """What happens at the chosen call."""

    KILL_BEFORE = "killed before"
    KILL_AFTER = "killed after"
    LOSE_REPLY = "reply lost"


@dataclass(frozen=True)
class Call:
    """One call: `name` as in `iam:CreateRole`, `kube:apply Namespace/ack-system` or `helm:upgrade NAME`."""

    name: str
    writes: bool
    has_reply: bool = True
    """False for a step inside a program that we started: such a program can be killed, but answers once."""


@dataclass
class Faults:
    """Counts the calls of one run and makes the chosen one go wrong.

    `calls` are the calls in the order in which they began. After a kill every further call, of whatever
    thread, is killed too; `on_kill` is called once, at the first.
    """

    calls: list[Call] = field(default_factory=list)
    on_kill: Callable[[], object] = lambda: None
    _mode: Mode | None = None
    _at: int = 0
    _is_dead: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def begin(self, mode: Mode | None = None, at: int = 0) -> None:
        """Start a new run, nothing counted and nobody dead, whose call `at` (from 1) goes wrong as `mode` says."""
        self.calls = []
        self._mode, self._at, self._is_dead = mode, at, False

    @property
    def writes(self) -> list[str]:
        """The names of the writing calls."""
        return [call.name for call in self.calls if call.writes]

    def named(self, prefix: str) -> list[str]:
        """Return the names of the calls that begin so."""
        return [call.name for call in self.calls if call.name.startswith(prefix)]

    @property
    def struck(self) -> str:
        """The name of the call that went wrong, "" when the run ended before it."""
        return self.calls[self._at - 1].name if 0 < self._at <= len(self.calls) else ""

    def pass_through(self, call: Call, carry_out: Callable[[], T], lost: Callable[[], Exception]) -> T:
        """Carry `call` out, unless it is the one that goes wrong; `lost` makes the error of a lost reply."""
        with self._lock:
            self._check()
            self.calls.append(call)
            mode = self._mode if len(self.calls) == self._at else None
            if mode is Mode.KILL_BEFORE:
                self._kill()
        try:
            result = carry_out()
        finally:
            if mode is Mode.KILL_AFTER:
                self._kill()
        with self._lock:
            self._check()
        if mode is Mode.LOSE_REPLY and call.has_reply:
            raise lost()
        return result

    def _check(self) -> None:
        if self._is_dead:
            raise Killed

    def _kill(self) -> None:
        with self._lock:
            self._is_dead = True
        self.on_kill()
        raise Killed
