"""AWS as it is on a bad day: slow, throttled, forgetful, lagging behind its own writes, or refusing."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed

SHORT = "6"
"""Seconds of patience where nothing is going to become good."""


def _wrong_subject(iam: Any, names: Mapping[str, str]) -> None:  # noqa: ANN401 (boto3's)
    role = names["OIDC_ROLE_NAME"]
    trust = json.dumps(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    wrong = trust.replace(":ack-sagemaker-controller", ":another-service-account")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=wrong)


def _no_provider(iam: Any, names: Mapping[str, str]) -> None:  # noqa: ANN401 (boto3's)
    arn = f"arn:aws:iam::{names['AWS_ACCOUNT_ID']}:oidc-provider/{names['OIDC_PROVIDER_URL']}"
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


@pytest.mark.parametrize(
    ("spoil", "code", "reference"),
    [
        pytest.param(_wrong_subject, "AccessDenied", "role-not-assumable", id="wrong subject"),
        pytest.param(_no_provider, "InvalidIdentityToken", "invalid-identity-token", id="missing provider"),
    ],
)
def test_role_cannot_be_assumed(
    installed: Sandboxed, spoil: Callable[[Any, Mapping[str, str]], None], code: str, reference: str
) -> None:
    """Where IAM looks well (its reads lag behind) and STS says no, the service account's proof waits; when
    patience ends `up` fails and names it; when IAM's reads are true again, `up` mends it.
    """
    world = installed
    names = json.loads(world.run("outputs", "--format", "json").stdout)
    world.break_aws(stale={"iam": 60})
    assert world.changes() == {}
    spoil(world.aws("iam"), names)

    failed = world.up("--timeout", SHORT, code=1)

    assert "service-account/ack-sagemaker-controller failed" in failed.stderr
    assert f"'{names['IAM_ROLE_ARN_FOR_IRSA']}' cannot be assumed yet ({code})" in failed.stderr
    assert f"'{names['IAM_ROLE_ARN_FOR_IRSA']}' cannot be assumed: " in failed.stderr
    assert f"[{reference}]\n  hint: " in failed.stderr
    world.mend_aws()
    world.up()
    assert world.changes() == {}


def test_controller_crashes(installed: Sandboxed) -> None:
    """A controller that exits is named with what it says last; put right, `up` mends it."""
    world = installed
    wrong = ("--set", "controllers.sagemaker.values.reconcile.resources=[Nothing]")
    failed = world.up(*wrong, "--timeout", "15", code=1)
    assert "[crash-loop-back-off]\n  | " in failed.stderr
    assert "resource kind 'Nothing' is not supported by this controller" in failed.stderr
    assert "`kubectl logs ack-sagemaker-controller-" in failed.stderr
    world.up()
    assert world.changes() == {}


@pytest.mark.parametrize(
    ("wrong", "reference", "told"),
    [
        pytest.param(
            "image.repository=registry.invalid/sagemaker-controller",
            "image-pull-back-off",
            "lookup registry.invalid: no such host",
            id="image",
        ),
        pytest.param(
            "resources={requests: {cpu: '64'}, limits: {cpu: '64'}}",
            "pod-unschedulable",
            "is not scheduled: 0/1 nodes are available: 1 Insufficient cpu.",
            id="node",
        ),
    ],
)
def test_pod_does_not_start(installed: Sandboxed, wrong: str, reference: str, told: str) -> None:
    """A pod whose image cannot be had, or that no node takes, is named with what helps, by `up` and on the
    board; put right, `up` mends it.
    """
    world = installed
    setting = ("--set", f"controllers.sagemaker.values.{wrong}")
    failed = world.up(*setting, "--timeout", "15", code=1)
    assert f"[{reference}]\n  hint: " in failed.stderr
    assert told in failed.stderr
    board = world.run("status", *setting, code=1).stdout
    assert told in board
    world.up()
    assert world.changes() == {}


def test_slow_and_throttled(bare: Sandboxed, empty: Inventory) -> None:
    """Calls that take long and are refused as too many delay `up` and `down`, and do not fail them."""
    throttle = {"iam": 6, "s3": 4, "eks": 2, "sts": 2}
    bare.break_aws(latency={"iam": 0.15, "sts": 0.06, "eks": 0.12, "s3": 0.08}, throttle=throttle)
    bare.up()
    assert set(bare.faults()["throttle"].values()) == {0}
    assert bare.changes() == {}
    bare.break_aws(throttle=throttle)
    bare.down()
    assert inventory(bare) == empty


def test_lost_replies(bare: Sandboxed, empty: Inventory) -> None:
    """A write whose reply is lost is answered by looking: what it made is ours, what it deleted is gone."""
    made = {"iam:CreateRole": 1, "s3:CreateBucket": 1, "iam:CreateOpenIDConnectProvider": 1}
    gone = {"iam:DeleteRole": 1, "s3:DeleteBucket": 1, "iam:DeleteOpenIDConnectProvider": 1}
    bare.break_aws(lose_reply=made)
    bare.up()
    assert bare.faults()["lose_reply"] == dict.fromkeys(made, 0)
    assert bare.changes() == {}
    bare.break_aws(lose_reply=gone)
    bare.down()
    assert bare.faults()["lose_reply"] == dict.fromkeys(made | gone, 0)
    assert inventory(bare) == empty


def test_stale_reads(bare: Sandboxed, empty: Inventory) -> None:
    """IAM's reads that lag three seconds behind its writes make `up` and `down` wait, and nothing else."""
    bare.break_aws(stale={"iam": 3})
    bare.up()
    bare.mend_aws()
    assert bare.changes() == {}
    bare.break_aws(stale={"iam": 3})
    bare.down()
    bare.mend_aws()
    assert inventory(bare) == empty


def test_denied(bare: Sandboxed) -> None:
    """A refused action ends with exit 1 and names the action and the resource; allowed, `up` goes on."""
    bare.break_aws(deny={"iam:CreateRole": "*"})
    refused = bare.up(code=1)
    assert "'iam:CreateRole'" in refused.stderr
    assert f"'arn:aws:iam::123456789012:role/ack-controller-role-{bare.name}'" in refused.stderr
    assert "[access-denied]" in refused.stderr
    assert "Traceback" not in refused.stderr
    bare.mend_aws()
    bare.up()
    assert bare.changes() == {}
