"""Two clusters of one account: what they share goes with the last of them, and nothing goes before."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.suffering import after_every_crash, installed
from support.world import World

from ackinstall.resource import USERS, Kind

SHARED = {"iam-role", "service-linked-role", "bucket"}


@pytest.fixture
def other(world: World) -> World:
    """Let a second cluster have an installation already."""
    found = World(world.aws, "other")
    installed(found)
    return found


def test_the_second_cluster_marks_what_it_shares(world: World, other: World) -> None:
    """The second `up` makes its own objects and changes on the shared ones only who uses them."""
    shared = [change for change in world.plan() if change.kind is Kind.UPDATE]
    assert {change.resource.kind for change in shared} == SHARED
    for change in shared:
        assert [difference.path for difference in change.differences] == [USERS]
    installed(world)
    assert world.plan() == []
    assert other.plan() == []


def test_shared_objects_go_with_the_last_cluster(world: World, other: World) -> None:
    """The first `down` takes its mark away, the second one the objects."""
    only_other = world.inventory()
    installed(world)
    assert not world.down().failures
    assert world.inventory() == only_other
    assert other.plan() == []
    assert not other.down().failures
    world.aws.faults.begin()
    assert not world.aws.inventory()["roles"]
    assert not world.aws.inventory()["buckets"]
    assert not world.aws.inventory()["providers"]


def test_two_teardowns_at_once_leave_nothing(world: World, other: World) -> None:
    """Both see the other's mark at first; whoever looks last removes what they shared."""
    installed(world)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(World.down, (world, other)))
    assert [outcome.failures for outcome in outcomes] == [{}, {}]
    left = world.aws.inventory()
    assert (left["roles"], left["buckets"], left["providers"]) == ({}, {}, {})


@pytest.mark.usefixtures("other")
def test_down_killed_around_every_call_spares_the_other_cluster(world: World) -> None:
    """After a kill before or after any call, `down` leaves what the other cluster has, and nothing more."""
    only_other = world.inventory()
    installed(world)
    problems = after_every_crash(
        world, world.down, only_other, lambda: world.plan(world.to_remove(), present=False)
    )
    assert "\n".join(problems) == ""


@pytest.mark.usefixtures("other")
def test_up_killed_around_every_call_shares_with_the_other_cluster(world: World) -> None:
    """After a kill before or after any call, `up` makes what an undisturbed one makes beside the other."""
    start = world.save()
    installed(world)
    wanted = world.inventory()
    world.restore(start)
    problems = after_every_crash(world, lambda strike: world.up(strike=strike), wanted, world.plan)
    assert "\n".join(problems) == ""
