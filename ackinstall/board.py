"""The board that `status` shows, on one screen: what the checks that prove an installation found, a line a
category, and below it what is not well.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import tenacity

from ackinstall.checks import lists, results
from ackinstall.checks.check import Outcome, Result, run
from ackinstall.checks.context import Context

WORST = (Outcome.FAILED, Outcome.WARNING, Outcome.UNPROVEN, Outcome.SKIPPED, Outcome.PASSED)
"""Outcomes, the one first that decides how a category stands."""
DRIFT = "drift"
WIDTH = 18


@dataclass(frozen=True, kw_only=True)
class Section:
    """The checks of one category, as they ended."""

    name: str
    results: tuple[Result, ...]

    @property
    def outcome(self) -> Outcome:
        """How the category stands: as its worst check."""
        return min((one.outcome for one in self.results), key=WORST.index)

    @property
    def found(self) -> str:
        """What was found where all is well."""
        told = (one.message for one in self.results if one.outcome is Outcome.PASSED)
        return "; ".join(dict.fromkeys(text for text in told if text))


@dataclass(frozen=True, kw_only=True)
class Board:
    """How an installation stands."""

    cluster: str
    results: tuple[Result, ...]

    @property
    def is_well(self) -> bool:
        """Whether everything is there, works, and is as the profile wants it."""
        return not any(one.is_fatal or (one.check.id == DRIFT and not one.is_met) for one in self.results)

    @property
    def bad(self) -> list[Result]:
        """What is not well, or not known."""
        return [one for one in self.results if one.outcome not in (Outcome.PASSED, Outcome.SKIPPED)]

    def sections(self) -> Iterator[Section]:
        """Yield the categories in the order of the checks."""
        for category, found in groupby(self.results, key=lambda one: one.check.category):
            yield Section(name=category, results=tuple(found))

    def text(self, encoding: str | None) -> list[str]:
        """Return the board as lines for a stream of that encoding."""
        board = [
            f"{results.mark(one.outcome, encoding)} {one.name:<{WIDTH}} {one.found}".rstrip()
            for one in self.sections()
        ]
        below = [line for one in self.bad for line in results.lines(one, encoding)]
        verdict = "all is well" if self.is_well else f"'{self.cluster}' is not well: {self.why}"
        return [*board, "", *below, *([""] if below else []), verdict]

    @property
    def why(self) -> str:
        """What is not well, by the ids of checks."""
        return ", ".join(f"'{one.check.id}'" for one in self.bad)

    def data(self) -> dict[str, Any]:
        """Return the board as it stands in the JSON stream."""
        return {
            "cluster": self.cluster,
            "well": self.is_well,
            "sections": [
                {
                    "name": one.name,
                    "outcome": one.outcome.value,
                    "found": one.found,
                    "checks": [results.data(result) for result in one.results],
                }
                for one in self.sections()
            ],
        }


def read(context: Context) -> Board:
    """Look at everything once."""
    found = run(lists.after(), context, 0)
    return Board(cluster=context.cluster, results=tuple(found))


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
