"""The phases of a job, by the time that has passed."""

from datetime import UTC, datetime, timedelta

import pytest

from ackinstall.sandbox.aws.lifecycle import Phase, history

PHASES = (Phase("Starting", 1), Phase("Training", 2), Phase("Completed", 0))
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return CREATED + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "statuses"),
    [
        (0, ["Starting"]),
        (0.9, ["Starting"]),
        (1, ["Starting", "Training"]),
        (3, ["Starting", "Training", "Completed"]),
        (99, ["Starting", "Training", "Completed"]),
    ],
)
def test_a_job_goes_on(seconds: float, statuses: list[str]) -> None:
    passed = history(PHASES, CREATED, None, at(seconds))
    assert [step.phase.status for step in passed] == statuses
    assert all(step.end is not None for step in passed[:-1])
    assert (passed[-1].end is None) == (statuses[-1] != "Completed")


def test_a_stopped_job_ends_the_phase_it_was_in() -> None:
    passed = history(PHASES, CREATED, at(1.5), at(2))
    assert [(step.phase.status, step.end) for step in passed] == [
        ("Starting", at(1)),
        ("Training", at(1.5)),
        ("Stopping", None),
    ]
    assert history(PHASES, CREATED, at(1.5), at(9))[-1].phase.status == "Stopped"
