"""What is repeated, slow, in use or undone by others."""

from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.aws import ACCOUNT, InProcessAws
from support.suffering import installed
from support.world import Saved, World

from ackinstall import engine
from ackinstall.clients import Clients
from ackinstall.engine import Options
from ackinstall.kube import Ref
from ackinstall.opening import opening
from ackinstall.resource import Change, Kind
from ackinstall.resources.receipt import Receipt
from ackinstall.target import Choice, Doors

if TYPE_CHECKING:
    from ackinstall.target import Target

BUCKET = f"ack-sagemaker-bucket-{ACCOUNT}"


def doors(world: World, folder: Path) -> Doors:
    """Return the way into a world."""
    return Doors(
        login=lambda *_: world.aws,
        gallery=lambda: nullcontext((world.helm, folder)),
        worlds=lambda *_: nullcontext(world.opened()),
    )


def test_a_second_up_writes_nothing(world: World, tmp_path: Path) -> None:
    """From logging in to the end: no writing call, no new revision, and at most 12 calls of AWS."""
    world.aws.add_clusters()
    way = doors(world, tmp_path)
    options = Options()

    def up(target: "Target") -> None:
        changes = engine.plan(target.resources, target.clients, options)
        assert all(one.error is None for one in engine.run(changes, target.clients, options, lambda _: None))

    with opening(Choice(cluster="demo"), way) as found:
        up(found.target())
    wanted = world.inventory()
    world.faults.begin()
    with opening(Choice(cluster="demo"), way) as found:
        up(found.target())
    assert world.faults.writes == []
    assert len(world.faults.named("eks:", "iam:", "s3:", "sts:")) <= 12
    assert world.inventory() == wanted
    release = world.opened().helm.release("ack-sagemaker-controller", "ack-system")
    assert release is not None
    assert release.revision == 1


@pytest.mark.parametrize("workers", [1, 8])
def test_a_slow_cluster_is_waited_for(in_process_aws: InProcessAws, workers: int) -> None:
    """Definitions, pods and namespaces that take their time change nothing about how `up` and `down` end."""
    in_process_aws.reset()
    quick = World(in_process_aws)
    installed(quick)
    wanted = quick.inventory()
    in_process_aws.reset()
    slow = World(in_process_aws, slow=3)
    before = slow.inventory()
    assert not slow.up(workers=workers).failures
    assert slow.inventory() == wanted
    assert not slow.down(workers=workers).failures
    assert slow.inventory() == before


def test_a_bucket_with_objects_outlives_its_last_cluster(world: World) -> None:
    """`down` takes our mark off a bucket that holds data and leaves it; with `--delete-data` it goes."""
    before = world.inventory()
    installed(world)
    full = put_object(world)
    assert not world.down().failures
    left = world.inventory()["aws"]
    assert left["buckets"][BUCKET]["objects"] == ["model.tar.gz"]
    assert left["roles"] == before["aws"]["roles"]
    assert world.plan(world.to_remove(), present=False) == []
    world.restore(full)
    assert not world.down(delete_data=True).failures
    assert world.inventory() == before


def put_object(world: World) -> Saved:
    """Put an object into the bucket; return the world with it."""
    s3 = world.aws.client("s3")
    s3.delete_bucket_policy(Bucket=BUCKET)  # moto does not read its condition, and would refuse every object
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"a model")
    return world.save()


@dataclass(frozen=True, kw_only=True)
class Contested(Receipt):
    """A receipt that somebody else sets back whenever it was written; writes of it show at once."""

    settles = 0.0

    def update(self, clients: Clients, change: Change) -> None:
        """Write it, in vain."""
        super().update(clients, change)
        spoil(clients)


def spoil(clients: Clients) -> None:
    """Set the receipt back."""
    found = clients.kube.get(Ref("v1", "ConfigMap", "ackinstall", "ack-system"))
    assert found is not None
    clients.kube.apply({**found, "data": {**found["data"], "charts": "spoilt"}}, force=True)


def test_a_write_that_does_not_hold_fails_and_names_the_field(world: World) -> None:
    """The same change in vain twice means that something else undoes it: that fails, saying which field."""
    installed(world)
    resources = world.resources()
    contested = [
        Contested(**{field.name: getattr(one, field.name) for field in fields(one)})
        if isinstance(one, Receipt)
        else one
        for one in resources
    ]
    spoil(world.opened())
    assert [change.kind for change in world.plan(contested)] == [Kind.UPDATE]
    (failed,) = [one for one in world.up(contested).ended if one.error]
    assert failed.error is not None
    assert failed.error.reference == "write-does-not-hold"
    assert "'receipt/ackinstall' does not keep 'data.charts'" in failed.error.message
