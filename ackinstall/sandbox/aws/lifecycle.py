"""What a job goes through from its creation to its end, as a pure function of the time that has passed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Phase:
    """A status of a job, the seconds that it lasts, and what AWS says of it; the last one of a job stays."""

    status: str
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Passed:
    """A phase that a job has reached; `end` is None while it is in it."""

    phase: Phase
    start: datetime
    end: datetime | None


STOPPING = Phase("Stopping", 1, "Stopping the job")
STOPPED = Phase("Stopped", 0, "Job stopped")


def history(
    phases: Sequence[Phase], created: datetime, stopped: datetime | None, now: datetime
) -> list[Passed]:
    """Tell which phases a job has reached, in order; `stopped` is when somebody asked it to stop."""
    reached = _reached(phases, created, min(now, stopped or now))
    if stopped is None:
        return reached
    before = [Passed(passed.phase, passed.start, passed.end or stopped) for passed in reached]
    return before + _reached((STOPPING, STOPPED), stopped, now)


def _reached(phases: Sequence[Phase], start: datetime, now: datetime) -> list[Passed]:
    passed: list[Passed] = []
    for phase in phases[:-1]:
        end = start + timedelta(seconds=phase.seconds)
        if now < end:
            return [*passed, Passed(phase, start, None)]
        passed.append(Passed(phase, start, end))
        start = end
    return [*passed, Passed(phases[-1], start, start)]
