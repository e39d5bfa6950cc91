"""A call that was carried out, but whose answer did not arrive: the same run looks again and converges."""

import pytest
from support.suffering import after_every_lost_reply, installed
from support.world import World


@pytest.mark.parametrize("workers", [1, 8])
def test_up_converges_though_any_reply_is_lost(world: World, workers: int) -> None:
    """Whichever reply is lost, the same `up` ends without a failure and makes what it always makes."""
    start = world.save()
    installed(world)
    wanted = world.inventory()
    world.restore(start)
    problems = after_every_lost_reply(world, lambda strike: world.up(strike=strike, workers=workers), wanted)
    assert "\n".join(problems) == ""


@pytest.mark.parametrize("workers", [1, 8])
def test_down_converges_though_any_reply_is_lost(world: World, workers: int) -> None:
    """Whichever reply is lost, the same `down` ends without a failure and leaves what was before `up`."""
    before = world.inventory()
    installed(world)
    problems = after_every_lost_reply(world, lambda strike: world.down(strike, workers=workers), before)
    assert "\n".join(problems) == ""
