"""How steps and plans are told, where the commands' own tests do not reach."""

import io
import json

import pytest
from tables import cases
from things import Thing, World

from ackinstall.engine import Progress, Status
from ackinstall.errors import AckinstallError, Interrupted, Locked, Refused, UsageError
from ackinstall.report import Report, differences_text, progress_text
from ackinstall.resource import Change, Difference, Kind

ONE = Thing(name="one", world=World())
STEPS = [
    ("begun", Progress(ONE, Status.STARTED), ""),
    (
        "waiting",
        Progress(ONE, Status.WAITING, detail="is busy", seconds=2.4),
        "  . thing/one waits: is busy (2 s)",
    ),
    (
        "made",
        Progress(ONE, Status.DONE, Change(Kind.CREATE, ONE), seconds=1.26),
        "  + thing/one created (1.3 s)",
    ),
    (
        "kept",
        Progress(ONE, Status.DONE, Change(Kind.LEAVE, ONE), "holds objects", seconds=1),
        "  = thing/one left alone (1.0 s): holds objects",
    ),
    ("done without a plan", Progress(ONE, Status.DONE), "    thing/one done (0.0 s)"),
    ("unchanged", Progress(ONE, Status.UNCHANGED), ""),
    ("failed", Progress(ONE, Status.FAILED, detail="oh"), "  x thing/one failed: oh"),
    (
        "skipped",
        Progress(ONE, Status.SKIPPED, detail="stopped before it"),
        "  / thing/one skipped: stopped before it",
    ),
]


@pytest.mark.parametrize(("step", "line"), cases(STEPS))
def test_a_step_is_a_line(step: Progress, line: str) -> None:
    """Each step is one line at most."""
    assert progress_text(step) == line


def test_a_wait_is_told_once_for_each_reason() -> None:
    """A wait is told after a second, and again only with another reason."""
    report = Report(progress=io.StringIO(), answer=io.StringIO())
    for seconds, why in ((0.2, "a"), (1.5, "a"), (2.5, "a"), (3.5, "b"), (4.5, "a")):
        report.step(Progress(ONE, Status.WAITING, detail=why, seconds=seconds))
    assert isinstance(report.progress, io.StringIO)
    assert [line.split("waits: ")[1][0] for line in report.progress.getvalue().splitlines()] == [
        "a",
        "b",
        "a",
    ]


def test_many_and_long_differences_are_cut() -> None:
    """A plan shows a dozen differences of a resource, each of a line's length."""
    lines = differences_text([Difference(f"f{index}", None, "x" * 500) for index in range(20)])
    assert lines[-1] == "and 8 more"
    assert len(lines) == 13
    assert max(len(line) for line in lines) < 130


def test_an_error_is_an_event_too() -> None:
    """Where the output is JSON an error is an event on stdout, and told on stderr all the same."""
    report = Report("json", answer=io.StringIO(), progress=io.StringIO())
    report.error(AckinstallError("a-reference", "it failed", details=["a line of a log"]))
    assert isinstance(report.answer, io.StringIO)
    assert isinstance(report.progress, io.StringIO)
    event = {"event": "error", "reference": "a-reference", "message": "it failed", "hint": ""}
    assert json.loads(report.answer.getvalue()) == {**event, "details": ["a line of a log"]}
    assert report.progress.getvalue() == "error: it failed [a-reference]\n  | a line of a log\n"


EXITS = [
    ("a mistake", UsageError("a-reference", "it failed"), 2, 1),
    ("a decision", Refused("a-reference", "it failed"), 3, 1),
    ("a failure", AckinstallError("a-reference", "it failed"), 1, 1),
    ("another run", Locked("a-reference", "it failed"), 5, 5),
    ("a signal", Interrupted(), 130, 130),
]


@pytest.mark.parametrize(("error", "before", "after"), cases(EXITS))
def test_an_exit_code_never_says_that_nothing_was_changed_when_something_was(
    error: AckinstallError, before: int, after: int
) -> None:
    """Codes 2 and 3 do; once a write was begun a failure is 1."""
    report = Report(answer=io.StringIO(), progress=io.StringIO())
    assert report.exit_code(error) == before
    report.step(Progress(ONE, Status.STARTED))
    assert report.exit_code(error) == after
