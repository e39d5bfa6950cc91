"""Custom resources on a teardown: taken back in order by their controllers, or let go and kept in AWS."""

import pytest
from support.workloads import SAGEMAKER, make, make_scaled_endpoint
from support.world import World

from ackinstall.engine import Status
from ackinstall.errors import Refused
from ackinstall.kube import Manifest, Ref
from ackinstall.resources.custom_resources import CustomResources
from ackinstall.workloads import POLICY, RETAIN


@pytest.fixture
def alive(world: World) -> list[Ref]:
    """Give an installation with a model and a scaled endpoint's policy and target."""
    world.up()
    return make_scaled_endpoint(world)


def deletions(world: World) -> list[str]:
    """Return the custom resources in the order in which their deletion was asked for."""
    said = [call.what for call in world.faults.calls if call.what.startswith("kube:delete ")]
    kinds = ("Model", "ScalableTarget", "ScalingPolicy")
    return [one.split()[1].split("/")[0] for one in said if one.split()[1].startswith(kinds)]


def test_delete_takes_them_back_before_anything_else(world: World, alive: list[Ref]) -> None:
    """What refers to others goes first, and then all that was installed; nothing is left."""
    outcome = world.down(way="delete")
    assert all(one.status is not Status.FAILED for one in outcome.ended)
    assert all(world.cluster.get(ref) is None for ref in alive)
    assert world.plan(world.to_remove(way="delete"), present=False) == []


def test_delete_is_refused_without_a_controller(world: World, alive: list[Ref]) -> None:
    """Nobody would remove what they stand for, so nothing is touched and the plan says why."""
    for found in world.cluster.list("apps/v1", "Deployment", "ack-system"):
        world.cluster.delete(Ref("apps/v1", "Deployment", found["metadata"]["name"], "ack-system"))
    (first, *_) = world.plan(world.to_remove(way="delete"), present=False)
    assert "the controller of 'sagemaker' is gone" in first.reason
    with pytest.raises(Refused):
        world.down(way="delete")
    assert all("deletionTimestamp" not in live(world, ref)["metadata"] for ref in alive)


def test_retain_writes_its_annotation_before_it_deletes(world: World, alive: list[Ref]) -> None:
    """A controller that sees the deletion sees the annotation too, so the AWS side stays."""
    model = make(world, SAGEMAKER, "TrainingJob", "held", {"trainingJobName": "held"}, "example.com/mine")
    outcome = world.down(way="retain", timeout=3)
    left = live(world, model)
    assert left["metadata"]["annotations"][POLICY] == RETAIN
    assert left["metadata"]["finalizers"] == ["example.com/mine"]
    assert all(world.cluster.get(ref) is None for ref in alive)
    assert [one.resource.kind for one in outcome.ended if one.status is Status.FAILED] == ["custom-resources"]


def test_retain_without_controllers_takes_off_only_acks_finalizers(world: World, alive: list[Ref]) -> None:
    """Once no controller is left, we let them go; another's finalizer stays, and so does its object."""
    for release in ("ack-sagemaker-controller", "ack-applicationautoscaling-controller"):
        world.helm.uninstall(release, "ack-system")
    held = make(world, SAGEMAKER, "TrainingJob", "held", {"trainingJobName": "held"}, "example.com/mine")
    world.down(way="retain", timeout=3)
    assert all(world.cluster.get(ref) is None for ref in alive)
    assert live(world, held)["metadata"]["finalizers"] == ["example.com/mine"]
    world.cluster.change(held, lambda found: found["metadata"].update(finalizers=[]))
    world.down(way="retain")
    assert world.plan(world.to_remove(way="retain"), present=False) == []


def test_retain_waits_for_a_sick_controller_to_be_gone(world: World, alive: list[Ref]) -> None:
    """With its controller not available, the release goes before the custom resources are let go."""
    for found in world.cluster.list("apps/v1", "Deployment", "ack-system"):
        ref = Ref("apps/v1", "Deployment", found["metadata"]["name"], "ack-system")
        world.cluster.change(ref, lambda one: one["status"].update(availableReplicas=0))
    outcome = world.down(way="retain")
    assert all(one.status is not Status.FAILED for one in outcome.ended)
    assert all(world.cluster.get(ref) is None for ref in alive)


def test_a_controller_of_others_stops_the_release_of_finalizers(world: World, alive: list[Ref]) -> None:
    """While any Deployment of the controller is there it could still act, so finalizers stay."""
    for release in ("ack-sagemaker-controller", "ack-applicationautoscaling-controller"):
        world.helm.uninstall(release, "ack-system")
    world.cluster.create(sleeping("sagemaker"))
    outcome = world.down(way="retain", timeout=3)
    (failed,) = [one for one in outcome.ended if one.status is Status.FAILED]
    assert "is still there" in failed.detail
    assert live(world, alive[0])["metadata"]["finalizers"] == [f"finalizers.{SAGEMAKER}/Model"]


def sleeping(service: str) -> Manifest:
    """Return a Deployment of a controller, scaled down."""
    containers = [{"name": "controller", "image": f"registry.example/{service}-controller:1"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "by-hand", "namespace": "default"},
        "spec": {"replicas": 0, "template": {"spec": {"containers": containers}}},
    }


def live(world: World, ref: Ref) -> Manifest:
    """Return the object, which has to be there."""
    found = world.cluster.get(ref)
    assert found is not None
    return found


def test_what_speaks_of_another_controllers_objects_is_left_alone(world: World) -> None:
    """Of the shared kinds, an export of another controller's field does not hold a teardown up, nor does a
    selector that names no group while another controller is there.
    """
    world.up()
    shared = "services.k8s.aws"
    theirs = {"from": {"path": ".spec.name", "resource": {"group": "iam.services.k8s.aws", "kind": "Role"}}}
    ours = {"from": {"path": ".spec.name", "resource": {"group": SAGEMAKER, "kind": "Model"}}}
    make(world, shared, "FieldExport", "theirs", theirs)
    selector = make(world, shared, "IAMRoleSelector", "anyones", {"arn": "arn:aws:iam::123456789012:role/r"})
    assert alive_names(world) == ["IAMRoleSelector/anyones"]
    version = {"name": "v1alpha1", "served": True, "storage": True}
    spec = {
        "group": "iam.services.k8s.aws",
        "names": {"kind": "Role", "plural": "roles"},
        "versions": [version],
    }
    metadata = {"name": "roles.iam.services.k8s.aws"}
    api = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    world.cluster.create({**api, "metadata": metadata, "spec": spec})
    assert alive_names(world) == []
    make(world, shared, "FieldExport", "ours", ours)
    assert alive_names(world) == ["FieldExport/ours"]
    assert not world.down(way="delete", timeout=20).failures
    assert world.cluster.get(selector) is not None


def alive_names(world: World) -> list[str]:
    """Return what a teardown sees alive."""
    (guard, *_) = world.to_remove()
    assert isinstance(guard, CustomResources)
    return [f"{one.ref.kind}/{one.ref.name}" for one in guard.alive(world.opened())]
