"""Live progress on a terminal: a line for each resource that is being worked on, what it waits for and how
long; what has ended scrolls away above it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

import rich.live
from rich.console import Console
from rich.text import Text

from ackinstall.engine import Progress, Status

REFRESHED = 4
"""Times a second."""


class Live:
    """What is being worked on, at the end of a terminal. Safe to use from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._began: dict[str, float] = {}
        self._waits: dict[str, str] = {}

    def above(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(Text.from_ansi(line))

    def note(self, step: Progress) -> None:
        """Take in a step of the work on one resource."""
        key = step.resource.id
        with self._lock:
            if step.status in (Status.STARTED, Status.WAITING):
                self._began.setdefault(key, time.monotonic())
                self._waits[key] = step.detail
            else:
                self._began.pop(key, None)

    def lines(self) -> list[str]:
        """Return a line for each resource at work, and below it those of what it waits for."""
        now, found = time.monotonic(), []
        with self._lock:
            running = [(key, now - began, self._waits[key]) for key, began in self._began.items()]
        for key, seconds, waits in running:
            first, *more = waits.splitlines() or [""]
            found += [f"  . {key} ({seconds:.0f} s) {first}".rstrip(), *(f"      {line}" for line in more)]
        return found

    def __rich__(self) -> Text:
        """Return what is shown now; see rich's protocol."""
        return Text("\n".join(self.lines()), no_wrap=True, overflow="ellipsis")


@contextmanager
def shown(stream: TextIO) -> Iterator[Live]:
    """Show what is being worked on at the end of the terminal `stream` while the body runs."""
    console = Console(file=stream, highlight=False, soft_wrap=True)
    live = Live(console)
    with rich.live.Live(live, console=console, refresh_per_second=REFRESHED, transient=True):
        yield live


@contextmanager
def redrawn(stream: TextIO) -> Iterator[Callable[[Sequence[str]], None]]:
    """Give what draws lines at the end of the terminal `stream`, in the place of those drawn before."""
    console = Console(file=stream, highlight=False)
    with rich.live.Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda lines: live.update(Text.from_ansi("\n".join(lines)), refresh=True)
