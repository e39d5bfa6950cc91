"""Whole runs under every crash and every lost reply, each compared with the run that nothing disturbed."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ackinstall.resource import Change, compare
from support.faults import Strike, losing, nothing
from support.world import Outcome, Saved, World

Run = Callable[[Strike], Outcome]
GROUPS = 12
"""Into how many runs the lost replies are spread: so few in one run that a type rarely loses two."""


def after_every_crash(
    world: World, run: Run, wanted: Mapping[str, Any], still_to_do: Callable[[], list[Change]]
) -> Iterator[str]:
    """Kill `run` before and after each of its calls, run it again, and yield what is not as `wanted` then.

    `still_to_do` is a further plan, which has to be empty.
    """
    for moment, left in world.moments(lambda: run(nothing)).items():
        world.restore(left)
        world.let_time_pass()
        yield from _told(moment, world, run(nothing), wanted)
        yield from (f"{moment}: '{change.resource.id}' has still work to do" for change in still_to_do())


def after_every_lost_reply(world: World, run: Run, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Lose the reply of each call of `run` in one run or another; yield what is not as `wanted` then."""
    start = world.save()
    run(nothing)
    calls = [call for call in world.faults.calls if call.has_reply]
    for group in range(GROUPS):
        world.restore(start)
        lost = calls[group::GROUPS]
        outcome = run(losing(lost))
        yield from _told(f"lost {[call.name for call in lost]}", world, outcome, wanted)


def _told(about: str, world: World, outcome: Outcome, wanted: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{about}: '{name}' failed: {why}" for name, why in outcome.failures.items())
    for one in compare(wanted, world.inventory()):
        yield f"{about}: '{one.path}' is {one.seen!r} instead of {one.wanted!r}"


def installed(world: World) -> Saved:
    """Run `up` undisturbed; return the world after it."""
    outcome = world.up()
    assert not outcome.failures
    return world.save()
