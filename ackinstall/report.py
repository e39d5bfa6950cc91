"""Everything that is printed: plans, progress, errors and summaries, as text or as lines of JSON.

stdout carries the answer, stderr the progress. With `--output json` stdout carries one stream of events, a
JSON object a line, and nothing else; the same stream can be written to a file beside the text. Its schema is
schemas/events.json.
"""

import json
import os
import re
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ackinstall.engine import Progress, Status
from ackinstall.errors import AckinstallError, Refused, UsageError, filled
from ackinstall.redaction import redact
from ackinstall.resource import Change, Difference, Kind

if TYPE_CHECKING:
    from ackinstall.live import Live

WORDS = {
    Kind.NOTHING: "as wanted",
    Kind.CREATE: "to create",
    Kind.UPDATE: "to change",
    Kind.REPLACE: "to make anew",
    Kind.DELETE: "to delete",
    Kind.WAIT: "to wait for",
    Kind.LEAVE: "left alone",
    Kind.REFUSE: "refused",
}
DONE = {
    Kind.CREATE: "created",
    Kind.UPDATE: "changed",
    Kind.REPLACE: "made anew",
    Kind.DELETE: "deleted",
    Kind.WAIT: "ready",
    Kind.LEAVE: "left alone",
}
COLOURS = {"+": 32, "~": 33, "!": 35, "-": 31, "x": 31, ".": 36, "=": 2, "√": 32, "‼": 33, "?": 33}
"""The colours of marks, as codes of ANSI."""
SHOWN_DIFFERENCES = 12
WIDTH = 100
LONG = 1.0
"""Seconds after which a terminal shows what is being looked at."""
_MARKED = re.compile("^(?P<before> *)(?P<mark>[-+~!x.=√‼\N{MULTIPLICATION SIGN}?](?= )|error:)")


SCHEMA = "ackinstall.events/1"
"""The version of the stream: a change that a reader could trip over gets another number."""


@dataclass
class Report:
    """Where a command's words go. `output` is "text" or "json"; `events` takes the stream too; `plain` text
    has no colours on a terminal either. Hints name the `cluster` and the `region` that the command line does.
    Safe to use from several threads.
    """

    output: str = "text"
    plain: bool = False
    answer: TextIO = field(default_factory=lambda: sys.stdout)
    progress: TextIO = field(default_factory=lambda: sys.stderr)
    events: TextIO | None = None
    aws_calls: Callable[[], int] = lambda: 0
    cluster: str = ""
    region: str | None = None
    _began: float = field(default_factory=time.monotonic)
    _done: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)
    _live: "Live | None" = None
    _has_written: bool = False

    @property
    def is_json(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.output == "json"

    @contextmanager
    def redrawing(self) -> Iterator[Callable[[Sequence[str], str], None]]:
        """Give what shows lines in the place of those before, on a terminal, and else, once, a reason."""
        if self.is_json or not is_animated(self.progress):
            yield lambda _, why: self.wait(why)
            return
        from ackinstall.live import redrawn  # noqa: PLC0415 (rich costs 0.1 s)

        with redrawn(self.progress) as draw:
            yield lambda lines, _: draw([self._coloured(self.progress, line) for line in lines])

    @contextmanager
    def looking(self) -> Iterator[Callable[[Mapping[str, tuple[float, str]]], None]]:
        """Give what shows, on a terminal and only once it takes long, what is being looked at, for how long
        (s), and what it waits for.
        """
        with ExitStack() as drawing:
            draw: Callable[[Sequence[str]], None] | None = None

            def show(at_work: Mapping[str, tuple[float, str]]) -> None:
                nonlocal draw
                late = [(what, *stand) for what, stand in at_work.items() if stand[0] > LONG]
                if late and not draw and is_animated(self.progress):
                    from ackinstall.live import redrawn  # noqa: PLC0415 (rich costs 0.1 s)

                    draw = drawing.enter_context(redrawn(self.progress))
                if draw:
                    draw([f"  . {what} ({seconds:.0f} s) {why}".rstrip() for what, seconds, why in late])

            yield show

    def look_waits(self, what: str, why: str) -> None:
        """Print what a look waits for, where no terminal shows it."""
        if not is_animated(self.progress):
            self.note(f"  . {what} waits: {why}")

    def event(self, name: str, /, **content: object) -> None:
        """Put one event on the stream."""
        line = json.dumps({"event": name, **content}, default=str, allow_nan=False)
        for stream in (self.answer if self.is_json else None, self.events):
            if stream:
                self._write(stream, line)

    def start(self, command: str, version: str) -> None:
        """Begin the stream; `version` is the program's."""
        self.event("start", schema=SCHEMA, command=command, version=version)

    def sum_up_work(self) -> None:
        """Sum up a run that failed, if it had begun."""
        if self._done:
            self.sum_up()

    def sum_up(self) -> None:
        """Print what was done in this run, how long it took, and how many calls of AWS."""
        done = ", ".join(f"{count} {word}" for word, count in self._done.items())
        self.say("", f"{done or 'nothing changed'} {self.spent()}")

    def spent(self) -> str:
        """Return how long this run has taken, and how many calls of AWS."""
        return f"in {self._seconds():.1f} s, with {self.aws_calls()} AWS calls"

    def end(self, exit_code: int) -> None:
        """End the stream."""
        counts = dict(self._done)
        self.event("end", exit=exit_code, counts=counts, seconds=self._seconds(), awsCalls=self.aws_calls())

    def exit_code(self, error: AckinstallError) -> int:
        """Return the exit code for an error: once a write was begun, none says that nothing was changed."""
        says_unchanged = isinstance(error, (Refused, UsageError))
        return AckinstallError.exit_code if self._has_written and says_unchanged else error.exit_code

    def _seconds(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def say(self, *lines: str) -> None:
        """Print lines of the answer; nothing where the output is JSON."""
        if not self.is_json:
            self._write(self.answer, "\n".join(self._coloured(self.answer, line) for line in lines))

    def note(self, line: str) -> None:
        """Print a line of progress."""
        text = self._coloured(self.progress, line)
        if self._live:
            self._live.above(text)
        else:
            self._write(self.progress, text)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Show live what is being worked on while the body runs, on a terminal; else do nothing."""
        if not is_animated(self.progress):
            yield
            return
        from ackinstall.live import shown  # noqa: PLC0415 (rich costs 0.1 s)

        with shown(self.progress) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def wait(self, why: str) -> None:
        """Print once why a run does not begin yet."""
        if self._told.get("", ("", 0.0))[0] != why:
            self._told[""] = (why, time.monotonic())
            self.event("waiting", reason=why)
            self.note(why)

    def plan(self, changes: Sequence[Change], about: Mapping[str, str]) -> None:
        """Show a plan; `about` says for what."""
        self.event("plan", **about, changes=[change_data(change) for change in changes])
        self.say(*plan_text(changes, about))

    def step(self, progress: Progress) -> None:
        """Show one step of one resource (see engine.Tell); a wait is told once for every reason."""
        self._has_written |= progress.status is Status.STARTED
        if self._live:
            self._live.note(progress)
        if not self._is_news(progress):
            return
        if progress.status is Status.DONE and progress.change:
            self._done[DONE.get(progress.change.kind, "done")] += 1
        if progress.status in (Status.FAILED, Status.SKIPPED):
            self._done[progress.status.value] += 1
        hint = self._filled(progress.error.hint) if progress.error else None
        self.event("progress", **progress_data(progress), hint=hint)
        line = progress_text(progress)
        if line and not (self._live and progress.status is Status.WAITING):
            self.note(line)

    def error(self, error: AckinstallError) -> None:
        """Show what went wrong and what to do."""
        hint = self._filled(error.hint)
        self.event(
            "error", reference=error.reference, message=error.message, hint=hint, details=error.details
        )
        self.note(f"error: {error.message} [{error.reference}]")
        for line in error.details:
            self.note(f"  | {line}")
        if hint:
            self.note(f"  hint: {hint}")

    def _filled(self, hint: str) -> str:
        return filled(hint, self.cluster, self.region) if self.cluster else hint

    def traceback(self, error: BaseException) -> None:
        """Show where an error came from, for whoever looks for its cause; without credentials."""
        for line in redact("".join(traceback.format_exception(error))).splitlines():
            self.note(line)

    def _is_news(self, progress: Progress) -> bool:
        if progress.status is not Status.WAITING:
            return progress.status is not Status.STARTED
        why, when = self._told.get(progress.resource.id, ("", 0.0))
        if progress.seconds < 1 or (why == progress.detail and time.monotonic() - when < 10):  # noqa: PLR2004 (s)
            return False
        self._told[progress.resource.id] = (progress.detail, time.monotonic())
        return True

    def _coloured(self, stream: TextIO, line: str) -> str:
        is_dumb = not stream.isatty() or os.environ.get("TERM") == "dumb"
        if self.plain or is_dumb or "NO_COLOR" in os.environ:
            return line
        return coloured(line)

    def _write(self, stream: TextIO, text: str) -> None:
        with self._lock:
            try:
                stream.write(text + "\n")
                stream.flush()
            except BrokenPipeError:
                # Nobody reads any more, as behind `| head`; what was begun goes on to its end all the same.
                # https://docs.python.org/3/library/signal.html#note-on-sigpipe
                with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
                    os.dup2(nowhere.fileno(), stream.fileno())


def is_animated(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that somebody looks at: nothing moves in CI."""
    return stream.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def coloured(line: str) -> str:
    """Return a line with the colour of its mark, or of an error's first word."""
    match = _MARKED.match(line)
    if not match:
        return line
    colour = COLOURS.get(match["mark"], COLOURS["x"])
    return f"{match['before']}\033[{colour}m{match['mark']}\033[0m{line[match.end() :]}"


def plan_text(changes: Sequence[Change], about: Mapping[str, str]) -> list[str]:
    """Return the plan as lines: a mark and a name for each resource with work, below it what differs."""
    heading = "plan for " + ", ".join(f"{key} '{value}'" for key, value in about.items())
    shown = [change for change in changes if change.kind is not Kind.NOTHING]
    if not shown:
        return [heading, "", f"no changes: all {len(changes)} objects are as wanted"]
    lines = [heading, ""]
    for change in shown:
        reason = f"  ({change.reason})" if change.reason else ""
        lines.append(f"  {change.kind.value} {change.resource.id}{reason}".rstrip())
        tell = going_text if change.kind is Kind.DELETE else differences_text
        lines += [f"      {line}" for line in tell(change.differences)]
    return [*lines, "", summary_text(changes)]


def differences_text(differences: Sequence[Difference]) -> list[str]:
    """Return a line for each difference, the longest cut and the last of many counted."""
    shown = [_difference(one) for one in differences[:SHOWN_DIFFERENCES]]
    more = len(differences) - len(shown)
    return [*shown, *([f"and {more} more"] if more > 0 else [])]


def going_text(differences: Sequence[Difference]) -> list[str]:
    """Return what others put into an object that goes, whole: it is nowhere else."""
    return [f"goes with it, not ours: {one.path} {json.dumps(one.seen, default=str)}" for one in differences]


def _difference(one: Difference) -> str:
    return f"{one.path}: {_value(one.seen)} -> {_value(one.wanted)}"


def _value(value: object) -> str:
    if value is None:
        return "(none)"
    text = json.dumps(value, default=str)
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."


def summary_text(changes: Iterable[Change]) -> str:
    """Return the counts of a plan in one line."""
    counts = Counter(change.kind for change in changes)
    parts = [f"{counts[kind]} {WORDS[kind]}" for kind in WORDS if counts[kind]]
    return ", ".join(parts) or "nothing at all"


def progress_text(progress: Progress) -> str:
    """Return one line for a step, or "" where nothing needs to be said."""
    name, seconds = progress.resource.id, f"{progress.seconds:.1f} s"
    match progress.status:
        case Status.WAITING:
            lines = progress.detail.splitlines()
            if len(lines) > 1:
                return "\n      ".join([f"  . {name} waits ({progress.seconds:.0f} s):", *lines])
            return f"  . {name} waits: {progress.detail} ({progress.seconds:.0f} s)"
        case Status.DONE:
            kind = progress.change.kind if progress.change else Kind.NOTHING
            reason = f": {progress.detail}" if progress.detail else ""
            return f"  {kind.value} {name} {DONE.get(kind, 'done')} ({seconds}){reason}"
        case Status.FAILED:
            return f"  x {name} failed: {progress.detail}"
        case Status.SKIPPED:
            return f"  / {name} skipped: {progress.detail}"
    return ""


def change_data(change: Change) -> dict[str, Any]:
    """Return a change as it stands in the JSON stream."""
    return {
        "resource": change.resource.id,
        "kind": change.kind.name.lower(),
        "reason": change.reason,
        "differences": [
            {"path": one.path, "seen": one.seen, "wanted": one.wanted} for one in change.differences
        ],
    }


def progress_data(progress: Progress) -> dict[str, Any]:
    """Return a step as it stands in the JSON stream."""
    error = progress.error
    return {
        "resource": progress.resource.id,
        "status": progress.status.value,
        "kind": progress.change.kind.name.lower() if progress.change else None,
        "detail": progress.detail,
        "seconds": round(progress.seconds, 3),
        "error": error.reference if error else None,
    }
