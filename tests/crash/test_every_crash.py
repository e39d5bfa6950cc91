"""A process that is killed at any moment: the same command, run again, ends as if nothing had happened."""

import pytest
from support.suffering import after_every_crash, installed
from support.world import World


@pytest.mark.parametrize("workers", [1, 8])
def test_up_killed_around_every_call_goes_on(world: World, workers: int) -> None:
    """After a kill before or after any call, `up` makes what an undisturbed one makes, and all of it."""
    start = world.save()
    installed(world)
    wanted = world.inventory()
    world.restore(start)
    problems = after_every_crash(
        world, lambda strike: world.up(strike=strike, workers=workers), wanted, world.plan
    )
    assert "\n".join(problems) == ""


@pytest.mark.parametrize("workers", [1, 8])
def test_down_killed_around_every_call_goes_on(world: World, workers: int) -> None:
    """After a kill before or after any call, `down` leaves what was there before `up`."""
    before = world.inventory()
    installed(world)
    problems = after_every_crash(
        world,
        lambda strike: world.down(strike, workers=workers),
        before,
        lambda: world.plan(world.to_remove(), present=False),
    )
    assert "\n".join(problems) == ""
