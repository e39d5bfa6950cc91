"""The board that `status` shows, on one screen: identity, controllers, AWS objects, custom resources, drift
and what is newer, each row as the checks that prove an installation found it; below it what is not well.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import tenacity

from ackinstall.checks import lists, results
from ackinstall.checks.check import AWS, Outcome, Result, run
from ackinstall.checks.context import Context
from ackinstall.errors import AckinstallError
from ackinstall.resource import SETTLED, Change, Kind
from ackinstall.words import some

WORST = (Outcome.FAILED, Outcome.WARNING, Outcome.UNPROVEN, Outcome.SKIPPED, Outcome.PASSED)
"""Outcomes, the one first that decides how several together stand."""
DRIFT = "drift"
WIDTH = 24
FIELDS = 3
"""How many of the fields that differ are named in a row."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing on the board: how it stands, what it is, and what is known of it."""

    outcome: Outcome
    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """Rows under one heading."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """How an installation stands."""

    cluster: str
    sections: tuple[Section, ...] = ()
    results: tuple[Result, ...]

    @property
    def bad(self) -> list[str]:
        """The ids of the checks because of which it is not well: failures, and drift."""
        return [one.check.id for one in self.results if one.is_fatal or _drifts(one)]

    @property
    def unknown(self) -> list[str]:
        """The ids of the checks that could not be looked at, where nothing else is wrong."""
        unseen = (Outcome.UNPROVEN, Outcome.SKIPPED)
        return [] if self.bad else [one.check.id for one in self.results if one.outcome in unseen]

    @property
    def is_well(self) -> bool:
        """Whether nothing is known to be missing, broken, or other than the profile wants it."""
        return not self.bad

    @property
    def verdict(self) -> str:
        """How it stands as a whole, in one sentence."""
        if self.bad:
            return f"'{self.cluster}' is not well: {_quoted(self.bad)}"
        if self.unknown:
            return f"nothing is known to be wrong; not proven: {_quoted(self.unknown)}"
        return "all is well"

    def rows(self, encoding: str | None) -> list[str]:
        """Return the rows as lines for a stream of that encoding."""
        lines: list[str] = []
        for section in self.sections:
            lines.append(section.name)
            lines += [
                f"  {results.mark(one.outcome, encoding)} {one.name:<{WIDTH}} {one.text}".rstrip()
                for one in section.rows
            ]
        return [*lines, ""]

    def text(self, encoding: str | None) -> list[str]:
        """Return the rows, and below them all that is not well or not known, with what to do."""
        told = [one for one in self.results if one.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]
        below = [line for one in told for line in results.lines(one, encoding)]
        return [*self.rows(encoding), *below, *([""] if below else [])]

    def data(self) -> dict[str, Any]:
        """Return the board as it stands in the JSON stream."""
        return {
            "cluster": self.cluster,
            "well": self.is_well,
            "verdict": self.verdict,
            "sections": [
                {
                    "name": section.name,
                    "rows": [
                        {"name": one.name, "outcome": one.outcome.value, "text": one.text}
                        for one in section.rows
                    ],
                }
                for section in self.sections
            ],
            "checks": [results.data(one) for one in self.results],
        }


def read(context: Context) -> Board:
    """Look at everything once."""
    found = tuple(run(lists.after(), context, 0))
    by_id = {one.check.id: one for one in found}
    sections = (
        Section(name="identity", rows=tuple(_identity(context, by_id))),
        Section(name="controllers", rows=tuple(_controllers(context, by_id))),
        Section(name="aws objects", rows=tuple(_aws_objects(context))),
        Section(name="custom resources", rows=tuple(_custom_resources(by_id["custom-resources"]))),
        Section(name="profile", rows=(_row(by_id[DRIFT]), _row(by_id["newer-versions"]))),
    )
    return Board(cluster=context.cluster, sections=sections, results=found)


def watch(look: Callable[[], Board], timeout: float, show: Callable[[Board], None]) -> Board:
    """Look until all is well, or until `timeout` seconds are over; `show` gets every board but the last."""
    looking = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda board: not board.is_well),
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=5),
        stop=tenacity.stop_after_delay(timeout),
        before_sleep=lambda state: show(state.outcome.result()) if state.outcome else None,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    board: Board = looking(look)
    return board


def _identity(context: Context, by_id: Mapping[str, Result]) -> Iterator[Row]:
    known, api = context.opening.known, by_id["api-server"]
    there = f"{context.cluster} in {known.region}"
    version = f", Kubernetes {api.message}" if api.outcome is Outcome.PASSED else ""
    opened = _worst(by_id[one].outcome for one in ("cluster-active", "api-server", "cluster-login"))
    yield Row(outcome=opened, name="cluster", text=f"{there}{version}")
    yield Row(
        outcome=by_id["aws-account"].outcome, name="account", text=f"{known.account}, as {known.caller}"
    )


def _controllers(context: Context, by_id: Mapping[str, Result]) -> Iterator[Row]:
    """Yield of each controller the version that is deployed, whether it is ready, and has proven its role."""
    deployed, ready, proof = (by_id[one] for one in ("releases-deployed", "pods-ready", "identity-proof"))
    for one in context.profile.controllers:
        chart, pods, identity = (
            result.data.get(key, {}).get(one.release)
            for result, key in ((deployed, "charts"), (ready, "ready"), (proof, "identities"))
        )
        version = str(chart).rpartition("-")[2]
        role = str(identity).split("/")[1:2]
        stands = (
            _part(deployed, chart, version, "is not deployed"),
            _part(ready, pods, f"{pods} ready", "is not ready"),
            _part(proof, identity, f"acts as '{''.join(role)}'", "has not proven its role"),
        )
        outcome = _worst(outcome for outcome, _ in stands)
        yield Row(outcome=outcome, name=one.service, text=", ".join(told for _, told in stands))


def _part(result: Result, found: object, good: str, bad: str) -> tuple[Outcome, str]:
    """Return how one check sees one controller, and in which words."""
    if found:
        return Outcome.PASSED, good
    return (result.outcome if result.outcome is not Outcome.PASSED else Outcome.UNPROVEN), bad


def _aws_objects(context: Context) -> Iterator[Row]:
    for key, look in _looks(context).items():
        kind, _, name = key.partition("/")
        if kind in AWS:
            outcome, why = _stands(look)
            yield Row(outcome=outcome, name=kind, text=f"{name}: {why}" if why else name)


def _looks(context: Context) -> Mapping[str, Change | AckinstallError]:
    """Return what the plan says of each resource, or of those that it knows without the charts."""
    try:
        return context.looks
    except AckinstallError:
        return context.early_looks


def _stands(look: Change | AckinstallError) -> tuple[Outcome, str]:
    """Return how an object stands, and what is wrong with it."""
    if isinstance(look, AckinstallError):
        return Outcome.UNPROVEN, look.message
    if look.kind in SETTLED:
        return Outcome.PASSED, ""
    if look.kind is Kind.CREATE:
        return Outcome.FAILED, "is missing"
    paths = some(sorted(f"'{one}'" for one in look.paths), FIELDS)
    return Outcome.WARNING, f"differs in {paths}" if paths else look.reason


def _custom_resources(result: Result) -> Iterator[Row]:
    counts: Mapping[str, Mapping[str, int]] = result.data.get("counts", {})
    for kind, states in counts.items():
        is_bad = result.outcome is not Outcome.PASSED and "terminal" in states
        told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        yield Row(outcome=result.outcome if is_bad else Outcome.PASSED, name=kind, text=told)
    if not counts:
        yield Row(outcome=result.outcome, name="all kinds", text=result.message)


def _row(result: Result) -> Row:
    return Row(outcome=result.outcome, name=result.check.id, text=result.message)


def _drifts(result: Result) -> bool:
    return result.check.id == DRIFT and result.outcome is Outcome.WARNING


def _worst(outcomes: Iterator[Outcome]) -> Outcome:
    return min(outcomes, key=WORST.index)


def _quoted(ids: list[str]) -> str:
    return ", ".join(f"'{one}'" for one in ids)
