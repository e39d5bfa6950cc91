"""Who has the rights that `render --installer-policy` prints, and no others, can do everything."""

import json
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed

USER = "least"
ADMINISTRATION = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
BOUNDARY = "arn:aws:iam::aws:policy/AdministratorAccess"
OTHER = {"Key": "ackinstall:us-west-2/other", "Value": "user"}
"""The mark of another cluster that shares an object."""
RETAINED, MODEL = "least-rights-retained", "least-rights-model"
NOT_NEEDED_HERE = {
    "application-autoscaling:DescribeScalingPolicies",  # asked of scaling policies that are retained
    "s3:PutEncryptionConfiguration",  # a bucket without encryption can be had neither here nor in AWS today
}
"""Rights that what this test does never asks for."""


@pytest.fixture
def least(bare: Sandboxed) -> Iterator[Sandboxed]:
    """Give the sandbox as a user sees it who has the installer's policy and administers the cluster."""
    iam, eks = bare.aws("iam"), bare.aws("eks")
    user = iam.create_user(UserName=USER)["User"]["Arn"]
    policy = bare.run("render", "--installer-policy").stdout
    iam.put_user_policy(UserName=USER, PolicyName="installer", PolicyDocument=policy)
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    eks.create_access_entry(clusterName=bare.name, principalArn=user)
    eks.associate_access_policy(
        clusterName=bare.name,
        principalArn=user,
        policyArn=ADMINISTRATION,
        accessScope={"type": "cluster"},
    )
    yield bare.seen_by(USER, key)
    eks.delete_access_entry(clusterName=bare.name, principalArn=user)
    iam.delete_access_key(UserName=USER, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=USER, PolicyName="installer")
    iam.delete_user(UserName=USER)


def test_installer_policy(bare: Sandboxed, least: Sandboxed, empty: Inventory) -> None:
    """`up`, `status`, `plan` and `down` pass, of what is new, drifted, shared and full; what the policy
    allows is used, all of it.
    """
    bare.forget_calls()
    unknown = least.shell(sys.executable, "-m", "ackinstall", "status", "--cluster", "nope")
    assert f"there are '{bare.name}'" in unknown.stderr

    least.up()
    assert "all is well" in least.run("status").stdout
    assert least.changes() == {}
    names = json.loads(least.run("outputs", "--format", "json").stdout)

    _spoil(bare, names)
    least.up("--set", f"controllerRole.permissionsBoundary={BOUNDARY}")
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
    document = world.aws("iam").get_user_policy(UserName=USER, PolicyName="installer")["PolicyDocument"]
    actions = (statement["Action"] for statement in document["Statement"])
    return {one for action in actions for one in ([action] if isinstance(action, str) else action)}


def _is_used(right: str, used: set[str]) -> bool:
    return any(fnmatchcase(action, right) for action in used)
