"""What a terminal shows that a pipe does not: colours, and the work as it goes."""

import io
import re

import pytest
from things import Thing, World

from ackinstall.engine import Progress, Status
from ackinstall.report import Report, coloured
from ackinstall.resource import Change, Kind

ONE, TWO = (Thing(name=name, world=World()) for name in ("one", "two"))


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing in the environment speak about terminals."""
    for name in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def work(report: Report) -> None:
    """Let one thing end while another waits."""
    with report.working():
        report.step(Progress(ONE, Status.STARTED))
        report.step(
            Progress(TWO, Status.WAITING, detail="Endpoint: 1 on their way\nModel: 2 later", seconds=1.5)
        )
        report.step(Progress(ONE, Status.DONE, Change(Kind.CREATE, ONE), seconds=0.1))


def seen(text: str) -> list[str]:
    """Return what somebody reads, line by line, without what moves the cursor."""
    return [
        line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n").splitlines()
    ]


def test_a_terminal_shows_what_is_at_work() -> None:
    """What waits has a line with its reason and time; what ended has a line above that stays."""
    terminal = Terminal()
    work(Report(progress=terminal))
    lines = seen(terminal.getvalue())
    assert "  + thing/one created (0.1 s)" in lines
    assert "  . thing/two (0 s) Endpoint: 1 on their way" in lines
    assert "      Model: 2 later" in lines


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_nothing_moves_in_ci(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """There a wait is a line of its own, and no cursor is moved."""
    monkeypatch.setenv(name, value)
    terminal = Terminal()
    work(Report(progress=terminal, plain=True))
    assert terminal.getvalue() == (
        "  . thing/two waits (2 s):\n      Endpoint: 1 on their way\n      Model: 2 later\n"
        "  + thing/one created (0.1 s)\n"
    )


def looked(report: Report) -> None:
    """Look at two things, one of which takes long and waits."""
    with report.looking() as show:
        report.look_waits("two", "no answer yet")
        show({"one holds": (0.1, ""), "two holds": (0.2, "")})
        show({"two holds": (3.2, "no answer yet")})


def test_a_terminal_shows_what_is_looked_at_for_long() -> None:
    """A look that takes long has a line with its time and reason, a short one has none."""
    terminal = Terminal()
    looked(Report(progress=terminal))
    lines = seen(terminal.getvalue())
    assert "  . two holds (3 s) no answer yet" in lines
    assert not any("one holds" in line or "(0 s)" in line for line in lines)


def test_a_pipe_is_told_what_a_look_waits_for() -> None:
    """Elsewhere a reason is a line of its own."""
    pipe = io.StringIO()
    looked(Report(progress=pipe))
    assert pipe.getvalue() == "  . two waits: no answer yet\n"


def test_a_pipe_gets_plain_text() -> None:
    """Neither colours nor movements go into a file."""
    pipe = io.StringIO()
    work(Report(progress=pipe))
    assert "\x1b" not in pipe.getvalue()


LINES = [
    ("  + role/one", "  \x1b[32m+\x1b[0m role/one"),
    ("error: it failed [failed]", "\x1b[31merror:\x1b[0m it failed [failed]"),
    ("15 to create", "15 to create"),
    ("  -x is no mark", "  -x is no mark"),
]


@pytest.mark.parametrize(("line", "shown"), LINES)
def test_marks_have_colours(line: str, shown: str) -> None:
    """Only the mark is coloured."""
    assert coloured(line) == shown


@pytest.mark.parametrize("way", ["option", "NO_COLOR", "TERM"])
def test_colours_can_be_had_without(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """`--no-color` and NO_COLOR take the colours away, https://no-color.org/; a dumb terminal has none."""
    if way != "option":
        monkeypatch.setenv(way, "dumb")
    terminal = Terminal()
    Report(answer=terminal, plain=way == "option").say("  + role/one")
    assert terminal.getvalue() == "  + role/one\n"
