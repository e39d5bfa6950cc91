"""The contract of a check, and the loop that looks: side by side, as early as what a check needs allows.

A check reads and never writes; a rehearsal that the API server does not store is reading too.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from enum import Enum
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import tenacity

from ackinstall.errors import AckinstallError, Retry, filled, translate
from ackinstall.redaction import cleaned, one_line

if TYPE_CHECKING:
    from ackinstall.checks.context import Context

WORKERS = 24
LATER = 10.0
"""Seconds in which an answer of "later" (throttled, no connection) is asked for again."""
DENIED = frozenset({"access-denied", "kubernetes-forbidden"})


class Outcome(Enum):
    """How a check ended. UNPROVEN: it could not be looked at, so nothing is known."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNPROVEN = "unproven"


AWS = frozenset({"bucket", "iam-role", "oidc-provider", "service-linked-role"})
PODS = frozenset({"helm-release"})
DEFINITIONS = frozenset({"crds", "helm-release"})
IN_CLUSTER = frozenset({"namespace", "receipt", "service-account", "crds", "helm-release"})
"""Kinds of resources, for `about`."""
GOOD = frozenset({Outcome.PASSED, Outcome.WARNING, Outcome.SKIPPED})
"""What a look ends in, when what needs the check can be looked at; it skips what the user leaves out."""


class Severity(Enum):
    """What it means when a check does not hold."""

    FATAL = "fatal"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """What a look found, in one sentence, and what to do; "" leaves the hint to the check.

    `data` is JSON-like and goes with the event. Texts of others may be in all of them: they are told without
    what could be a credential.
    """

    outcome: Outcome
    message: str = ""
    hint: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", one_line(self.message))
        object.__setattr__(self, "hint", one_line(self.hint))
        object.__setattr__(self, "data", cleaned(self.data))


def passed(message: str = "", **data: object) -> Finding:
    """Return that it holds."""
    return Finding(Outcome.PASSED, message, data=data)


def failed(message: str, hint: str = "", **data: object) -> Finding:
    """Return that it does not hold: a warning where the check is one."""
    return Finding(Outcome.FAILED, message, hint, data)


def warned(message: str, hint: str = "", **data: object) -> Finding:
    """Return that something is odd, though what the check says may hold."""
    return Finding(Outcome.WARNING, message, hint, data)


def unproven(message: str, hint: str = "", **data: object) -> Finding:
    """Return that it could not be looked at."""
    return Finding(Outcome.UNPROVEN, message, hint, data)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that has to hold, as `description` says it.

    `id` is kebab-case and stable, and names its section in docs/checks.md. `needs` are the ids of the checks
    that must hold before this one can be looked at; its `hint` may use Context.words. `patience` (s) is how
    long it may take to come true by itself; 0 for what is looked at once. `opens`: without it nothing behind
    it can be looked at, so that being denied it is a failure; being denied another look leaves it unproven.

    For `up`, which runs checks too: `in_run` says that a run finds it out by itself, as it opens the target,
    plans, asks for its rights or waits for the end. `about` are the kinds of resources that have to be among
    a plan's changes for the check to matter; none: it matters always.
    """

    id: str
    category: str
    description: str
    severity: Severity
    hint: str
    look: "Callable[[Context], Finding]"
    needs: tuple[str, ...] = ()
    patience: float = 0.0
    opens: bool = False
    in_run: bool = False
    about: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Result:
    """How one check ended; `hint` is "" where nothing is to be done.

    `is_met`: what needs it can be looked at. `error` is what the look raised.
    """

    check: Check
    outcome: Outcome
    message: str = ""
    hint: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    is_met: bool = False
    error: AckinstallError | None = None

    @property
    def is_fatal(self) -> bool:
        """Whether nothing may go on."""
        return self.outcome is Outcome.FAILED


def left_out(check: Check) -> Check:
    """Return the check as one that the user wants left out: it is not looked at, and what needs it is."""
    return replace(check, look=lambda _: Finding(Outcome.SKIPPED, "left out by `--skip-check`"))


def run(
    checks: Sequence[Check],
    context: "Context",
    wait_for: float | None = None,
    tell: Callable[[Check, str], None] = lambda *_: None,
    show: Callable[[Mapping[str, tuple[float, str]]], None] = lambda _: None,
) -> list[Result]:
    """Look at all checks; return how each ended, in the order given.

    `wait_for` (s) stands for the patience of every check that has one; None leaves it to each. `tell` is
    called, from several threads, with what is waited for; `show` several times a second with what is being
    looked at, by its description: for how long (s), and what it waits for. A need that is not among `checks`
    is taken as met.
    """
    by_id = {one.id: one for one in checks}
    graph = {one.id: [need for need in one.needs if need in by_id] for one in checks}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ended: dict[str, Result] = {}
    running: dict[Future[Result], str] = {}
    began: dict[str, float] = {}
    waits: dict[str, str] = {}

    def heard(check: Check, why: str) -> None:
        waits[check.id] = why
        tell(check, why)

    with ThreadPoolExecutor(WORKERS) as pool:
        while sorter.is_active():
            for key in sorter.get_ready():
                began[key] = time.monotonic()
                unmet = next((need for need in graph[key] if not ended[need].is_met), None)
                if unmet:
                    ended[key] = Result(by_id[key], Outcome.SKIPPED, f"'{unmet}' has to hold first")
                    sorter.done(key)
                else:
                    running[pool.submit(_patiently, by_id[key], context, wait_for, heard)] = key
            # Python handles a signal that comes just before a wait only after it, so no wait is endless.
            for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                key = running.pop(future)
                ended[key] = future.result()
                sorter.done(key)
            now = time.monotonic()
            at_work = {key: (now - began[key], waits.get(key, "")) for key in running.values()}
            show({by_id[key].description: stand for key, stand in at_work.items()})
    return [ended[one.id] for one in checks]


def require(results: Iterable[Result]) -> None:
    """Raise AckinstallError for the first check that failed fatally; the look's own error where it raised."""
    failures = [one for one in results if one.is_fatal]
    if failures:
        first = failures[0]
        raise first.error or AckinstallError(first.check.id, first.message, first.hint)


def counts(results: Iterable[Result]) -> dict[Outcome, int]:
    """Return how many ended each way."""
    found = Counter(one.outcome for one in results)
    return {outcome: found[outcome] for outcome in Outcome}


def _patiently(
    check: Check, context: "Context", wait_for: float | None, tell: Callable[[Check, str], None]
) -> Result:
    """Look until the check holds or patience ends."""
    started = time.monotonic()
    patience = check.patience if wait_for is None or not check.patience else wait_for

    def is_early(result: Result) -> bool:
        is_later = isinstance(result.error, Retry) and time.monotonic() - started < LATER
        may_come = not result.is_met and result.outcome is not Outcome.UNPROVEN
        return is_later or (may_come and time.monotonic() - started < patience)

    def before_pause(state: tenacity.RetryCallState) -> None:
        if state.outcome and check.patience:
            tell(check, state.outcome.result().message)

    looking = tenacity.Retrying(
        retry=tenacity.retry_if_result(is_early),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
        before_sleep=before_pause,
    )
    result: Result = looking(_look, check, context)
    return replace(result, seconds=time.monotonic() - started)


def _look(check: Check, context: "Context") -> Result:
    error = None
    try:
        finding = check.look(context)
    except Exception as raised:  # noqa: BLE001 (one check's failure, of whatever sort, must not end the others)
        error = translate(raised)
        is_unseen = error.reference in DENIED and not check.opens
        finding = Finding(Outcome.UNPROVEN if is_unseen else Outcome.FAILED, error.message, error.hint)
    outcome, is_met = finding.outcome, finding.outcome in GOOD
    if outcome is Outcome.FAILED and check.severity is Severity.WARNING:
        outcome = Outcome.WARNING
    words = context.words
    told = filled(finding.hint, words.get("cluster", "NAME")) or check.hint.format(**words)
    hint = "" if outcome in (Outcome.PASSED, Outcome.SKIPPED) else told
    return Result(check, outcome, finding.message, hint, finding.data, is_met=is_met, error=error)
