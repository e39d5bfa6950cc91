"""The guard before a teardown: custom resources that are alive stand for objects in AWS."""

import pytest
from contract_case import converge, planned
from contract_cases import CASES
from support.world import World

from ackinstall.errors import Refused
from ackinstall.resource import Kind, Resource

GUARD = CASES["custom-resources"]


@pytest.fixture
def guard(world: World) -> Resource:
    """Let the definitions be there."""
    GUARD.prepare(world)
    return GUARD.resource


def alive(world: World, kind: str, name: str) -> None:
    """Make a custom resource."""
    metadata = {"name": name, "namespace": "default"}
    world.cluster.create(
        {"apiVersion": "sagemaker.services.k8s.aws/v1alpha1", "kind": kind, "metadata": metadata}
    )


def test_nothing_alive_lets_a_teardown_pass(world: World, guard: Resource) -> None:
    """Without custom resources there is nothing to do."""
    assert planned(world, guard, present=False).kind is Kind.NOTHING


def test_custom_resources_that_are_alive_stop_a_teardown(world: World, guard: Resource) -> None:
    """`down` is refused, with what is alive by kind and namespace, and deletes none of them."""
    alive(world, "Model", "churn")
    alive(world, "App", "studio")
    change = planned(world, guard, present=False)
    assert change.kind is Kind.REFUSE
    assert change.reason == (
        "2 custom resources are alive: App.sagemaker in 'default': 'studio'; "
        "Model.sagemaker in 'default': 'churn'"
    )
    before = world.inventory()
    with pytest.raises(Refused):
        converge(world, guard, present=False)
    assert world.inventory() == before


def test_the_guard_touches_nothing(world: World, guard: Resource) -> None:
    """None of its verbs changes anything: users make and remove custom resources."""
    alive(world, "Model", "churn")
    before = world.inventory()
    guard.create(world.opened())
    guard.update(world.opened(), planned(world, guard))
    guard.delete(world.opened())
    assert world.inventory() == before


def test_definitions_with_custom_resources_are_not_removed(world: World) -> None:
    """Deleting a definition would delete its objects, and with them those in AWS: it is refused."""
    case = CASES["crds"]
    converge(world, case.resource)
    alive(world, "Model", "churn")
    before = world.inventory()
    with pytest.raises(Refused, match=r"custom resources of 'models\.sagemaker\S+' are alive"):
        converge(world, case.resource, present=False)
    assert world.inventory() == before
