"""Checks carried out and told: for `check` all of them, for `up` what a run does not find out by itself."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ackinstall.checks import lists, results
from ackinstall.checks.check import Check, Outcome, Result, counts, require, run
from ackinstall.checks.context import Context
from ackinstall.errors import AckinstallError, Interrupted, Locked, cannot_write
from ackinstall.report import Report
from ackinstall.resource import Change

BAD = frozenset({Outcome.FAILED, Outcome.WARNING, Outcome.UNPROVEN})


def examine(
    checks: Sequence[Check], context: Context, report: Report, wait: float, junit: Path | None
) -> list[Result]:
    """Look at all checks, waiting at most `wait` seconds for what may come true, and tell each; with `junit`
    also write that file. Raises UsageError when it cannot be written.
    """
    started = time.monotonic()
    found = _look(checks, context, report, wait)
    seconds = time.monotonic() - started
    for one in found:
        report.event("check", **results.data(one))
    by_outcome = {outcome.value: count for outcome, count in counts(found).items()}
    report.event(
        "checks", ok=not any(one.is_fatal for one in found), counts=by_outcome, seconds=round(seconds, 3)
    )
    encoding = getattr(report.answer, "encoding", None)
    report.say(*results.text(found, encoding), "", f"{results.summary(found)} {report.spent()}")
    if junit:
        _write(junit, results.junit(found))
    _annotate(found, report)
    return found


def prepare(context: Context, changes: Sequence[Change], report: Report) -> None:
    """Look, before the first write, at what a run's plan does not show; tell what does not hold.

    Raises AckinstallError for the first check that fails fatally.
    """
    _tell(lists.for_run(lists.before(), changes), context.knowing(changes), report)


def prepare_removal(context: Context, changes: Sequence[Change], report: Report) -> None:
    """Look, before the first write of a teardown, as `prepare` does."""
    _tell(lists.for_run(lists.before_removal(), changes), context.knowing(changes), report)


def prove(context: Context, report: Report) -> None:
    """Look, after a run, at what the run itself has not waited for; tell and raise as `prepare`."""
    _tell([one for one in lists.after() if not one.in_run], context, report)


@contextmanager
def explained(context: Context, report: Report) -> Iterator[None]:
    """Tell, when the run in the body fails, what the live pods say about it."""
    try:
        yield
    except (Interrupted, Locked):
        raise
    except AckinstallError:
        checks = lists.without(lists.after(), context.choice.skip_check or ())
        found = run([one for one in checks if not one.in_run], context, 0)
        _note([one for one in found if one.outcome in BAD], report)
        raise


def _look(
    checks: Sequence[Check], context: Context, report: Report, wait: float | None = None
) -> list[Result]:
    """Look at all checks but those that are not wanted, and show what takes long; `wait` is as in `run`."""
    chosen = lists.without(checks, context.choice.skip_check or ())
    with report.looking() as show:
        return run(chosen, context, wait, lambda check, why: report.look_waits(check.id, why), show)


def _tell(checks: Sequence[Check], context: Context, report: Report) -> None:
    left_out = context.choice.skip_check or ()
    found = _look(checks, context, report)
    told = [one for one in found if one.outcome in BAD or one.check.id in left_out]
    _note([one for one in told if not one.is_fatal], report)
    _annotate(found, report)
    require(found)


def _note(told: Iterable[Result], report: Report) -> None:
    for one in told:
        report.event("check", **results.data(one))
        for line in results.lines(one, getattr(report.progress, "encoding", None)):
            report.note(line)


def _annotate(found: Sequence[Result], report: Report) -> None:
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in results.annotations(found):
            report.note(line)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(error, "another file with `--junit FILE`") from error
