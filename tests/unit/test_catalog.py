"""From a profile and facts to the list of resources."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.world import World

from ackinstall import catalog, profile
from ackinstall.controllers import Controllers
from ackinstall.errors import UsageError
from ackinstall.facts import Facts
from ackinstall.resources.bucket import Bucket
from ackinstall.resources.custom_resources import CustomResources
from ackinstall.resources.iam_role import IamRole
from ackinstall.resources.oidc_provider import OidcProvider
from ackinstall.resources.receipt import Receipt


@pytest.fixture
def facts(world: World) -> Facts:
    """The facts of the cluster `demo`."""
    return world.facts()


def test_every_need_is_in_the_list(facts: Facts) -> None:
    """Each resource has a name of its own, and needs only what stands before it in the list."""
    resources = catalog.build(profile.load("default"), facts)
    ids = [one.id for one in resources]
    assert len(set(ids)) == len(ids)
    for index, one in enumerate(resources):
        assert set(one.needs) <= set(ids[:index])


def test_pods_come_last(facts: Facts) -> None:
    """A release needs its definitions and its service account, and that needs role and provider."""
    found = {one.id: one for one in catalog.build(profile.load("default"), facts)}
    release = found["helm-release/ack-sagemaker-controller"]
    assert {
        "crds/sagemaker.services.k8s.aws",
        "crds/fieldexports.services.k8s.aws",
        "crds/iamroleselectors.services.k8s.aws",
        "service-account/ack-sagemaker-controller",
    } <= set(release.needs)
    assert "crds/applicationautoscaling.services.k8s.aws" not in release.needs
    account = found["service-account/ack-sagemaker-controller"]
    assert {"iam-role/ack-controller-role-demo"} < set(account.needs)


def test_a_teardown_begins_with_the_guard(facts: Facts) -> None:
    """What must not be alive comes first, what was made last comes next."""
    resources = catalog.build(profile.load("default"), facts)
    guarded = catalog.teardown(resources, [], facts, Controllers(), "refuse")
    assert isinstance(guarded[0], CustomResources)
    assert set(guarded[0].needs) == {one.id for one in resources}
    assert guarded[1:] == resources[::-1]


def test_optional_parts_are_left_out(facts: Facts, tmp_path: Path) -> None:
    """Without execution role, bucket and service-linked role in the profile none is made."""
    path = tmp_path / "small.yaml"
    path.write_text("version: 1\ncontrollers: {sagemaker: }")
    kinds = {one.kind for one in catalog.build(profile.load(str(path)), facts)}
    assert kinds == {
        "namespace",
        "receipt",
        "oidc-provider",
        "iam-role",
        "crds",
        "service-account",
        "helm-release",
    }
    assert catalog.names(profile.load(str(path)), facts).execution_role_arn == ""


def test_settings_reach_every_object(facts: Facts) -> None:
    """Names, path, boundary and tags of the profile are those of the objects; a policy may be an ARN."""
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    own = "arn:aws:iam::123456789012:policy/own"
    chosen = profile.load(
        "default",
        [
            "controllerRole={name: 'r-{{ cluster }}', path: /ml/, permissionsBoundary: '" + boundary + "'}",
            "tags={team: ml}",
            "namespace=ml",
            f"controllers.sagemaker.managedPolicies=[AmazonSageMakerFullAccess, '{own}']",
            "controllers.sagemaker.values.serviceAccount.name=mine",
        ],
    )
    resources = catalog.build(chosen, facts, delete_data=True)
    role = next(one for one in resources if isinstance(one, IamRole) and one.name == "r-demo")
    assert (role.path, role.boundary, role.tags) == ("/ml/", boundary, {"team": "ml"})
    assert role.managed == ("arn:aws:iam::aws:policy/AmazonSageMakerFullAccess", own)
    assert "system:serviceaccount:ml:mine" in json.dumps(role.trust)
    assert catalog.names(chosen, facts).controller_role_arn == "arn:aws:iam::123456789012:role/ml/r-demo"
    assert [one.tags for one in resources if isinstance(one, OidcProvider)] == [{"team": "ml"}]
    assert [one.delete_data for one in resources if isinstance(one, Bucket)] == [True]
    receipt = next(one for one in resources if isinstance(one, Receipt))
    assert receipt.namespace == "ml"
    assert json.loads(receipt.data["profile"]) == chosen.source


def test_policies_that_are_too_long_are_refused(facts: Facts, tmp_path: Path) -> None:
    """What IAM allows one role in inline policies is counted before anything is made."""
    statement = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{i:0100d}" for i in range(100)],
    }
    (tmp_path / "long.json.j2").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    path = tmp_path / "own.yaml"
    path.write_text("version: 1\ncontrollers: {sagemaker: {inlinePolicies: {long: long.json.j2}}}")
    with pytest.raises(UsageError, match="the inline policies of 'ack-controller-role-demo' have ") as caught:
        catalog.build(profile.load(str(path)), facts)
    assert caught.value.reference == "policies-too-long"


def test_a_chart_of_shared_definitions_alone(facts: Facts) -> None:
    """A controller whose chart has no definitions of its own makes none, and still needs the shared ones."""
    chart = facts.charts["sagemaker"]
    shared = tuple(one for one in chart.crds if one["spec"]["group"] == "services.k8s.aws")
    facts = replace(facts, charts={**facts.charts, "sagemaker": replace(chart, crds=shared)})
    ids = {one.id for one in catalog.build(profile.load("sagemaker-only"), facts)}
    assert "crds/sagemaker.services.k8s.aws" not in ids
    assert "crds/fieldexports.services.k8s.aws" in ids
