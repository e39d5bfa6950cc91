"""Who has the rights that `iam-policy` prints, and no others, can do everything; who lacks one, in AWS or on
the cluster, is told which and how to get it, before anything is changed. Each action is taken away once.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fnmatch import fnmatchcase
from queue import SimpleQueue
from typing import Any

import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed, told
from users import ADMINISTRATION, POLICY, allow, as_user

USER = "least"
BOUNDARY = "arn:aws:iam::aws:policy/AdministratorAccess"
OTHER = {"Key": "ackinstall:us-west-2/other", "Value": "user"}
"""The mark of another cluster that shares an object."""
RETAINED, MODEL = "least-rights-retained", "least-rights-model"
NOT_NEEDED_HERE = {
    "eks:ListClusters",  # asked for when the named cluster is not there
    "application-autoscaling:DescribeScalingPolicies",  # asked of scaling policies that are retained
    "s3:PutEncryptionConfiguration",  # a bucket without encryption can be had neither here nor in AWS today
    "iam:ListRoleTags",  # asked for where all roles may not be read at once
    "eks:DescribeFargateProfile",  # asked for where all nodes are Fargate's
    "eks:ListFargateProfiles",  # same
}
"""Rights that what `test_least_policy` does never asks for."""
TOLD = {"eks:ListCapabilities", "iam:SimulatePrincipalPolicy"}
"""Rights without which `up` does not prove something, says so and goes on."""
SPARED = "iam:GetAccountAuthorizationDetails"
"""The right without which there are more calls, and nothing is said."""
MENDING = {
    "iam:AddClientIDToOpenIDConnectProvider",
    "iam:UpdateAssumeRolePolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
}
"""Rights of `up` that only something that differs needs."""
LEAVING = {"iam:UntagRole", "s3:PutBucketTagging"}
"""Rights of `down` that only something that other clusters share needs."""
SIDE_BY_SIDE = 3


@pytest.fixture
def least(bare: Sandboxed) -> Iterator[Sandboxed]:
    """Give the sandbox as a user sees it who has the least policy and administers the cluster."""
    with as_user(bare, USER, _policy(bare)) as user:
        yield user


def _policy(world: Sandboxed, *options: str) -> Mapping[str, Any]:
    """Return the least policy for the sandbox's cluster alone."""
    found: Mapping[str, Any] = json.loads(world.run("iam-policy", *options).stdout)
    return found


def _allow(world: Sandboxed, policy: Mapping[str, Any]) -> None:
    allow(world, USER, policy)


def test_least_policy(bare: Sandboxed, least: Sandboxed, empty: Inventory) -> None:
    """`up`, `status`, `plan` and `down` pass, of what is new, drifted, shared and full; what the policy
    allows is used, all of it.
    """
    other = least.shell(sys.executable, "-m", "ackinstall", "status", "--cluster", "other")
    assert (
        "may not call 'eks:DescribeCluster' on 'arn:aws:eks:us-west-2:123456789012:cluster/other'"
        in other.stderr
    )
    bare.forget_calls()
    least.up()
    assert "all is well" in least.run("status").stdout
    assert least.changes() == {}
    names = json.loads(least.run("outputs", "--format", "json").stdout)

    _spoil(bare, names)
    bounded = ("--set", f"controllerRole.permissionsBoundary={BOUNDARY}")
    _allow(bare, _policy(bare, *bounded))
    least.up(*bounded)
    _allow(bare, _policy(bare))
    least.up()
    assert least.changes() == {}

    _share(bare, names)
    _make_custom_resource(bare, names)
    bare.shell("helm", "uninstall", "--namespace", "ack-system", "ack-sagemaker-controller")
    least.down("--workloads", "retain")
    bare.aws("sagemaker").delete_model(ModelName=RETAINED)
    least.up()
    _share_no_more(bare, names)

    _fill(bare, names)
    least.down("--delete-data")
    bare.aws("sagemaker").delete_model(ModelName=MODEL)
    assert inventory(bare) == empty

    used = {need["action"] for call in least.calls() for need in call["needs"]}
    assert [call for call in least.calls() if call["status"] == 403] == []
    assert {right for right in _rights(bare) if not _is_used(right, used)} == NOT_NEEDED_HERE


def _no_inline_policy(world: Sandboxed, names: Mapping[str, str]) -> None:
    world.aws("iam").delete_role_policy(RoleName=names["OIDC_ROLE_NAME"], PolicyName="SagemakerStudioAccess")


def _no_change(_world: Sandboxed, _names: Mapping[str, str]) -> None:
    """Leave everything as it is."""


DENIED: tuple[tuple[str, tuple[str, ...], Callable[[Sandboxed, Mapping[str, str]], None]], ...] = (
    ("s3:GetBucketPolicy", ("plan",), _no_change),
    ("iam:ListRoles", ("plan", "--down"), _no_change),
    ("iam:PutRolePolicy", ("up", "--yes"), _no_inline_policy),
    ("iam:DeleteRole", ("down", "--yes"), _no_change),
)


def test_one_right_is_missing(bare: Sandboxed, least: Sandboxed, empty: Inventory) -> None:
    """The command that needs it names it, the resource, the user and the statement; with it, it goes on."""
    bare.up()
    names = json.loads(bare.run("outputs", "--format", "json").stdout)
    whole = _policy(bare)
    for action, command, spoil in DENIED:
        spoil(bare, names)
        _allow(bare, _without(whole, action, "iam:SimulatePrincipalPolicy"))
        denied = least.run(*command, code=1)
        assert f"'arn:aws:iam::123456789012:user/{USER}' may not call '{action}' on '" in denied.stderr
        assert (
            f'allow it in the policies of the user \'{USER}\': {{"Effect": "Allow", "Action": "{action}"'
            in (denied.stderr)
        )
        _allow(bare, whole)
        least.run(*command)
    assert inventory(bare) == empty


Run = tuple[str, subprocess.CompletedProcess[str]]
"""An action that was taken away, and how a command went without it."""


class Crew:
    """Users who run commands side by side, each without another action of one policy."""

    def __init__(self, bare: Sandboxed, stack: ExitStack) -> None:
        self._bare = bare
        self._idle: SimpleQueue[Sandboxed] = SimpleQueue()
        self._users = [stack.enter_context(as_user(bare, f"crew-{one}")) for one in range(SIDE_BY_SIDE)]
        for one in self._users:
            self._idle.put(one)

    def without(self, policy: Mapping[str, Any], actions: Iterable[str], *command: str) -> list[Run]:
        """Run a command once without each of the actions; nothing may be written."""

        def run(action: str) -> Run:
            user = self._idle.get()
            try:
                allow(self._bare, user.caller.removeprefix("user/"), _without(policy, action))
                return action, user.shell(*user.command(*command))
            finally:
                self._idle.put(user)

        self._bare.forget_calls()
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            runs = list(pool.map(run, sorted(actions)))
        assert [call for user in self._users for call in user.writes()] == []
        return runs


def _unnamed(runs: Iterable[Run], code: int = 1) -> list[str]:
    """Return the runs that did not end with the code, or did not name their action."""
    return [
        told(done)
        for action, done in runs
        if done.returncode != code or action.rstrip("*") not in done.stdout + done.stderr
    ]


def test_each_right_of_up_is_missing_once(bare: Sandboxed, empty: Inventory) -> None:
    """`check --pre` names it before anything is made, and before anything that differs is mended."""
    policy = _policy(bare, "--for", "up")
    bounded = ("--set", f"controllerRole.permissionsBoundary={BOUNDARY}")
    pre = ("check", "--pre", "--output", "json")
    later = {*MENDING, *TOLD, *NOT_NEEDED_HERE, SPARED}
    with ExitStack() as stack:
        crew = Crew(bare, stack)
        assert _unnamed(crew.without(policy, _actions(policy) - later, *pre)) == []
        assert _unnamed(crew.without(policy, TOLD, *pre), code=0) == []
        ((_, spared),) = crew.without(policy, [SPARED], *pre)
        assert spared.returncode == 0, told(spared)
        nowhere = _policy(bare, "--for", "up", "--cluster", "nowhere")
        assert _unnamed(crew.without(nowhere, ["eks:ListClusters"], *pre, "--cluster", "nowhere")) == []
        assert inventory(bare) == empty

        bare.up()
        names = json.loads(bare.run("outputs", "--format", "json").stdout)
        _spoil(bare, names)
        _unmark(bare, names)
        before = inventory(bare)
        assert _unnamed(crew.without(policy, MENDING, *pre)) == []
        more = _policy(bare, "--for", "up", *bounded)
        assert _unnamed(crew.without(more, ["iam:PutRolePermissionsBoundary"], *pre, *bounded)) == []
        assert inventory(bare) == before
        bare.up()
        bare.down()
    assert inventory(bare) == empty


def test_each_right_of_down_is_missing_once(bare: Sandboxed, empty: Inventory) -> None:
    """`down` names it before anything is removed."""
    policy = _policy(bare, "--for", "down")
    bare.up()
    names = json.loads(bare.run("outputs", "--format", "json").stdout)
    _fill(bare, names)
    before = inventory(bare)
    down = ("down", "--yes", "--delete-data")
    # Who else may act is asked only where a controller of ours is not there.
    elsewhere = {*LEAVING, *NOT_NEEDED_HERE, *TOLD, SPARED}
    with ExitStack() as stack:
        crew = Crew(bare, stack)
        assert _unnamed(crew.without(policy, _actions(policy) - elsewhere, *down)) == []
        alone = _without(policy, SPARED)
        assert _unnamed(crew.without(alone, ["iam:ListRoleTags"], *down)) == []
        _share(bare, names)
        assert _unnamed(crew.without(policy, LEAVING, *down)) == []
        _share_no_more(bare, names)
    assert inventory(bare) == before
    bare.down("--delete-data")
    bare.aws("sagemaker").delete_model(ModelName=MODEL)
    assert inventory(bare) == empty


def test_one_right_is_missing_and_iam_tells(bare: Sandboxed, least: Sandboxed, empty: Inventory) -> None:
    """Who may ask IAM is told before anything is made, with the statement; who may not, goes on."""
    bare.forget_calls()
    _allow(bare, _without(_policy(bare), "iam:CreateServiceLinkedRole"))
    denied = least.up(code=1)
    assert "may not call iam:CreateServiceLinkedRole on 'arn:aws:iam::123456789012:role/" in denied.stderr
    assert (
        '"Action": ["iam:CreateServiceLinkedRole"], "Resource": "arn:aws:iam::123456789012:role/'
        in denied.stderr
    )
    assert least.writes() == []
    _allow(bare, _without(_policy(bare), "iam:SimulatePrincipalPolicy", SPARED))
    for command in (least.up, least.down):
        assert "allow it `iam:SimulatePrincipalPolicy` on itself" in command().stderr
    assert inventory(bare) == empty


def test_a_right_on_the_cluster_is_missing(bare: Sandboxed, least: Sandboxed) -> None:
    """Who may only look at the cluster is named as it knows them, with the rules that they lack."""
    eks, user = bare.aws("eks"), f"arn:aws:iam::123456789012:user/{USER}"
    eks.disassociate_access_policy(clusterName=bare.name, principalArn=user, policyArn=ADMINISTRATION)
    denied = least.up(code=1)
    assert f"error: '{user}' may not get 'namespaces' on the cluster (3 rights are missing)" in denied.stderr
    assert (
        f"hint: bind '{user}' to a ClusterRole with the rules: [{{apiGroups: [\"\"], resources: "
        in denied.stderr
    )
    assert 'and to a Role in \'ack-system\' with the rules: [{apiGroups: [""], resources: ["secrets"]' in (
        denied.stderr
    )


def _without(policy: Mapping[str, Any], *actions: str) -> Mapping[str, Any]:
    statements = [
        {**one, "Action": [each for each in _listed(one["Action"]) if each not in actions]}
        for one in policy["Statement"]
    ]
    return {**policy, "Statement": [one for one in statements if one["Action"]]}


def _actions(policy: Mapping[str, Any]) -> set[str]:
    return {action for one in policy["Statement"] for action in _listed(one["Action"])}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _spoil(world: Sandboxed, names: dict[str, str]) -> None:
    """Change what can be changed behind the installer's back."""
    iam, s3 = world.aws("iam"), world.aws("s3")
    role, bucket = names["OIDC_ROLE_NAME"], names["SAGEMAKER_BUCKET"]
    trust = json.dumps(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    wrong = trust.replace(":ack-sagemaker-controller", ":another-service-account")
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=wrong)
    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    iam.remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=provider["Arn"], ClientID="sts.amazonaws.com"
    )
    s3.delete_public_access_block(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)


def _unmark(world: Sandboxed, names: dict[str, str]) -> None:
    """Let the bucket's tags not tell any more that the cluster uses it."""
    s3, bucket = world.aws("s3"), names["SAGEMAKER_BUCKET"]
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    kept = [tag for tag in tags if not tag["Key"].endswith(f"/{world.name}")]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": kept})


def _shared_roles(world: Sandboxed, names: dict[str, str]) -> list[str]:
    listed = world.aws("iam").list_roles(PathPrefix="/aws-service-role/")["Roles"]
    return [names["SAGEMAKER_EXECUTION_ROLE_NAME"], *(role["RoleName"] for role in listed)]


def _share(world: Sandboxed, names: dict[str, str]) -> None:
    iam, s3, bucket = world.aws("iam"), world.aws("s3"), names["SAGEMAKER_BUCKET"]
    for role in _shared_roles(world, names):
        iam.tag_role(RoleName=role, Tags=[OTHER])
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [*tags, OTHER]})


def _share_no_more(world: Sandboxed, names: dict[str, str]) -> None:
    iam, s3, bucket = world.aws("iam"), world.aws("s3"), names["SAGEMAKER_BUCKET"]
    for role in _shared_roles(world, names):
        iam.untag_role(RoleName=role, TagKeys=[OTHER["Key"]])
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [tag for tag in tags if tag != OTHER]})


def _make_custom_resource(world: Sandboxed, names: dict[str, str]) -> None:
    spec = {
        "modelName": RETAINED,
        "executionRoleARN": names["SAGEMAKER_EXECUTION_ROLE_ARN"],
        "primaryContainer": {"image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/image:1"},
    }
    model: dict[str, Any] = {
        "apiVersion": "sagemaker.services.k8s.aws/v1alpha1",
        "kind": "Model",
        "metadata": {"name": RETAINED, "namespace": "default"},
        "spec": spec,
    }
    world.kubectl("apply", "-f", "-", text=json.dumps(model))
    world.kubectl("wait", "--for=condition=Ready", "--timeout=60s", "-n", "default", f"model/{RETAINED}")


def _fill(world: Sandboxed, names: dict[str, str]) -> None:
    """Put data into the bucket, and a model with another role into the account."""
    s3, bucket = world.aws("s3"), names["SAGEMAKER_BUCKET"]
    s3.put_object(Bucket=bucket, Key="data/train.csv", Body=b"1,2\n")
    s3.create_multipart_upload(Bucket=bucket, Key="data/half.csv")
    world.aws("sagemaker").create_model(
        ModelName=MODEL,
        ExecutionRoleArn="arn:aws:iam::123456789012:role/another",
        PrimaryContainer={"Image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/image:1"},
    )


def _rights(world: Sandboxed) -> set[str]:
    return _actions(world.aws("iam").get_user_policy(UserName=USER, PolicyName=POLICY)["PolicyDocument"])


def _is_used(right: str, used: set[str]) -> bool:
    return any(fnmatchcase(action, right) for action in used)
