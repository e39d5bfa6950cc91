"""Worlds that somebody left half made: `up` sees what is missing, says it, and makes it whole."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.aws import ACCOUNT, InProcessAws, issuer_of
from support.chart import variant
from support.helm import CHARTS
from support.suffering import after_every_crash, installed
from support.world import World

from ackinstall.errors import Refused
from ackinstall.kube import Ref
from ackinstall.resource import Change, Kind

ROLE = "ack-controller-role-demo"
BUCKET = f"ack-sagemaker-bucket-{ACCOUNT}"
RELEASE, SPACE = "ack-sagemaker-controller", "ack-system"


def healed(world: World, harm: Callable[[], object]) -> Change:
    """Do harm to an installation, see that `up` makes it good, and return the one change that it planned."""
    installed(world)
    wanted = world.inventory()
    harm()
    assert world.inventory() != wanted
    (change,) = world.plan()
    assert not world.up().failures
    assert world.inventory() == wanted
    assert world.plan() == []
    return change


def test_a_role_without_its_policies_gets_them(world: World) -> None:
    """A role that a killed run has made, but given no policy yet, is shown as lacking them and gets them."""
    iam = world.aws.client("iam")

    def strip() -> None:
        for policy in iam.list_role_policies(RoleName=ROLE)["PolicyNames"]:
            iam.delete_role_policy(RoleName=ROLE, PolicyName=policy)
        for policy in iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=ROLE, PolicyArn=policy["PolicyArn"])

    change = healed(world, strip)
    assert change.kind is Kind.UPDATE
    assert change.paths == {"managedPolicies", "inlinePolicies"}


def test_a_bucket_without_its_public_access_block_gets_it(world: World) -> None:
    """A bucket that is not closed to the public is shown so, and is closed."""
    change = healed(world, lambda: world.aws.client("s3").delete_public_access_block(Bucket=BUCKET))
    assert change.kind is Kind.UPDATE
    assert change.paths == {"publicAccessBlock"}


def test_a_stale_trust_policy_is_shown_and_repaired(world: World) -> None:
    """A role that trusts the issuer of an earlier cluster of the same name trusts this one's after `up`."""
    iam = world.aws.client("iam")

    def trust_the_old_cluster() -> None:
        trust = json.dumps(iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])
        old = trust.replace(issuer_of("demo").rpartition("/")[2], "OLD")
        iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=old)

    installed(world)
    wanted = world.inventory()
    trust_the_old_cluster()
    plan = {change.resource.name: change for change in world.plan()}
    assert plan[ROLE].kind is Kind.UPDATE
    assert plan[ROLE].paths == {"trust"}
    assert any("OLD" in str(one.seen) and "DEMO" in str(one.wanted) for one in plan[ROLE].differences)
    assert not world.up().failures
    assert world.inventory() == wanted


@pytest.mark.parametrize("status", ["pending-install", "pending-upgrade", "pending-rollback"])
def test_a_release_that_a_killed_helm_left_pending_is_replaced(world: World, status: str) -> None:
    """Older than a helm can be at work, it is replaced."""
    age = timedelta(seconds=25)
    change = healed(world, lambda: world.helm.leave(RELEASE, SPACE, status=status, age=age))
    assert change.kind is Kind.REPLACE
    assert status in change.reason


def test_replacing_a_release_killed_around_every_call_goes_on(world: World) -> None:
    """Also a run that replaces what a killed helm left can be killed at any moment."""
    installed(world)
    wanted = world.inventory()
    world.helm.leave(RELEASE, SPACE, status="pending-install", age=timedelta(seconds=25))
    problems = after_every_crash(world, lambda strike: world.up(strike=strike), wanted, world.plan)
    assert "\n".join(problems) == ""


def test_a_release_that_was_left_uninstalling_is_replaced(world: World) -> None:
    """A helm that was killed while it removed the release is no reason to wait."""
    change = healed(world, lambda: world.helm.leave(RELEASE, SPACE, status="uninstalling"))
    assert change.kind is Kind.REPLACE


def test_a_release_that_a_helm_may_be_working_on_is_waited_for(world: World) -> None:
    """A young pending revision is nobody's to replace: the run waits, and says for what when it gives up."""
    installed(world)
    world.helm.leave(RELEASE, SPACE, status="pending-upgrade", age=timedelta(seconds=3))
    (change,) = world.plan()
    assert change.kind is Kind.WAIT
    before = world.inventory()
    outcome = world.up(timeout=0.3)
    assert list(outcome.failures) == [f"helm-release/{RELEASE}"]
    assert "'pending-upgrade'" in outcome.failures[f"helm-release/{RELEASE}"]
    assert world.inventory() == before


def test_a_namespace_that_is_terminating_is_waited_for(in_process_aws: InProcessAws) -> None:
    """`up` waits until an earlier namespace is gone, and makes it anew."""
    in_process_aws.reset()
    quick = World(in_process_aws)
    installed(quick)
    wanted = quick.inventory()
    in_process_aws.reset()
    world = World(in_process_aws, slow=4)
    ref = Ref("v1", "Namespace", SPACE)
    world.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    world.cluster.delete(ref)
    plan = {change.resource.id: change for change in world.plan()}
    assert plan["namespace/ack-system"].kind is Kind.WAIT
    assert "Terminating" in plan["namespace/ack-system"].reason
    assert not world.up().failures
    assert world.inventory() == wanted


def test_a_namespace_that_never_ends_fails_with_what_it_waits_for(world: World) -> None:
    """When patience ends the failure says what remains in the namespace; nothing that needs it was begun."""
    held = {"name": "held", "namespace": SPACE, "finalizers": ["example.com/keep"]}
    world.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    world.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": held})
    world.cluster.delete(Ref("v1", "Namespace", SPACE))
    before = world.inventory()
    outcome = world.up(timeout=0.3)
    assert len(outcome.failures) == len(outcome.changes)
    assert "still Terminating: Some resources are remaining" in outcome.failures["namespace/ack-system"]
    assert world.inventory() == before


def test_definitions_of_an_older_chart_are_upgraded(world: World, tmp_path: Path) -> None:
    """With a newer chart the definitions change with it, in the cluster that has the older ones."""
    installed(world)
    world.gallery.publish(variant(CHARTS / "sagemaker-chart", tmp_path, "1.9.0", with_field("added")))
    newer = world.resources(sagemaker="1.9.0")
    kinds = {change.resource.id: change.kind for change in world.plan(newer)}
    assert kinds["crds/sagemaker.services.k8s.aws"] is Kind.UPDATE
    assert kinds[f"helm-release/{RELEASE}"] is Kind.UPDATE
    assert not world.up(newer).failures
    assert world.plan(newer) == []
    live = world.cluster.get(Ref(*DEFINITION, "models.sagemaker.services.k8s.aws"))
    assert live is not None
    assert "added" in fields(live)
    release = world.opened().helm.release(RELEASE, SPACE)
    assert release is not None
    assert (release.chart, release.revision) == ("sagemaker-chart-1.9.0", 2)


def test_a_downgrade_that_would_drop_a_stored_version_is_refused(world: World, tmp_path: Path) -> None:
    """Objects stored in a version that the older chart does not know could not be read any more."""
    world.gallery.publish(variant(CHARTS / "sagemaker-chart", tmp_path, "1.9.0", with_version("v1")))
    assert not world.up(world.resources(sagemaker="1.9.0")).failures
    before = world.inventory()
    older = world.resources(sagemaker="1.8.2")
    with pytest.raises(Refused, match="has objects stored as v1, which this chart does not know"):
        world.up(older)
    with pytest.raises(Refused, match="stored as v1"):
        world.up(older, adopt=True)
    assert world.inventory() == before


DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def fields(definition: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that a definition knows."""
    found: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return found


def with_field(name: str) -> Callable[[dict[str, Any]], object]:
    """Return what adds a field to a definition of the service's own group."""

    def edit(definition: dict[str, Any]) -> None:
        if definition["spec"]["group"] != "services.k8s.aws":
            fields(definition)[name] = {"type": "string"}

    return edit


def with_version(name: str) -> Callable[[dict[str, Any]], object]:
    """Return what makes a definition of the service's own group store its objects in another version."""

    def edit(definition: dict[str, Any]) -> None:
        if definition["spec"]["group"] != "services.k8s.aws":
            (first,) = definition["spec"]["versions"]
            definition["spec"]["versions"] = [{**first, "storage": False}, {**first, "name": name}]

    return edit
