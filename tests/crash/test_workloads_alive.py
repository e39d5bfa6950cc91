"""A teardown with custom resources alive that is killed at any moment, or loses any reply."""

import pytest
from support.suffering import after_every_crash, after_every_lost_reply, installed
from support.workloads import make_scaled_endpoint
from support.world import World

from ackinstall.kube import Ref

WAYS = ["delete", "retain"]


@pytest.mark.parametrize("way", WAYS)
def test_down_killed_around_every_call_goes_on(world: World, way: str) -> None:
    """After a kill before or after any call, `down` leaves what was there before `up`."""
    before = world.inventory()
    installed(world)
    make_scaled_endpoint(world)
    problems = after_every_crash(
        world,
        lambda strike: world.down(strike, way=way),
        before,
        lambda: world.plan(world.to_remove(way=way), present=False),
    )
    assert "\n".join(problems) == ""


@pytest.mark.parametrize("way", WAYS)
def test_down_converges_though_any_reply_is_lost(world: World, way: str) -> None:
    """Whichever reply is lost, the same `down` ends without a failure and leaves what was before `up`."""
    before = world.inventory()
    installed(world)
    make_scaled_endpoint(world)
    problems = after_every_lost_reply(world, lambda strike: world.down(strike, way=way), before)
    assert "\n".join(problems) == ""


def test_a_rescue_killed_around_every_call_goes_on(world: World) -> None:
    """Without controllers, finalizers are taken off by us: after a kill at any moment, by the next run."""
    before = world.inventory()
    installed(world)
    make_scaled_endpoint(world)
    for one in world.cluster.list("apps/v1", "Deployment", "ack-system"):
        world.cluster.delete(Ref("apps/v1", "Deployment", one["metadata"]["name"], "ack-system"))
    problems = after_every_crash(
        world,
        lambda strike: world.down(strike, way="retain"),
        before,
        lambda: world.plan(world.to_remove(way="retain"), present=False),
    )
    assert "\n".join(problems) == ""
