"""Progress on stderr: a line an event, and a sign of life while something long runs."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_EVERY_LINE = 15.0  # seconds between two signs of life where each is a line of its own
_EVERY_TICK = 1.0  # the same, on a terminal, in place


@dataclass
class Progress:
    """Tells what happens and how many seconds it took."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, file=self.stream, flush=True)

    def took(self, text: str, since: float) -> None:
        """Print one line with the seconds since `since`, a time of time.monotonic()."""
        self.say(f"{text} ({time.monotonic() - since:.1f} s)")

    def watch(self, child: subprocess.Popen[bytes], describe: Callable[[], str]) -> int:
        """Wait for a child's end, telling from time to time how it stands; return its exit code."""
        since, live = time.monotonic(), self.stream.isatty()
        try:
            while True:
                try:
                    return child.wait(_EVERY_TICK if live else _EVERY_LINE)
                except subprocess.TimeoutExpired:
                    line = f"  {describe()}, {time.monotonic() - since:.0f} s"
                    print(
                        f"\r\033[K{line}" if live else line,
                        end="" if live else "\n",
                        file=self.stream,
                        flush=True,
                    )
        finally:
            if live:
                print("\r\033[K", end="", file=self.stream, flush=True)
