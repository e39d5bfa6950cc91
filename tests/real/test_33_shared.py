"""What others use too is left to them with their names, and goes once they have gone."""

import json
from collections.abc import Mapping
from typing import Any

import answers
import pytest
from inventory import Inventory, aws_inventory, inventory
from sandboxed import Sandboxed

OTHER = "ackinstall:us-west-2/other"
SCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


@pytest.fixture
def names(bare: Sandboxed) -> Mapping[str, str]:
    """Install, and return the names of what there is."""
    bare.up()
    found: Mapping[str, str] = json.loads(bare.run("outputs", "--format", "json").stdout)
    return found


def test_another_cluster(bare: Sandboxed, empty: Inventory, names: Mapping[str, str]) -> None:
    """`down` keeps the execution role, the bucket and the service-linked role for the other cluster that
    their tags name (the sandbox has one cluster, so the tags stand for it), and takes its own tag off; when
    the other's are gone too, `down` removes them.
    """
    world, iam, s3 = bare, bare.aws("iam"), bare.aws("s3")
    role, bucket = names["SAGEMAKER_EXECUTION_ROLE_NAME"], names["SAGEMAKER_BUCKET"]
    tag = {"Key": OTHER, "Value": "user"}
    for one in (role, SCALING_ROLE):
        iam.tag_role(RoleName=one, Tags=[tag])
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [*tags, tag]})

    left = answers.down(world)

    resources = {f"iam-role/{role}", f"bucket/{bucket}", f"service-linked-role/{SCALING_ROLE}"}
    assert left.keys() == resources
    assert all("us-west-2/other" in why for why in left.values()), left
    there = {address: content["tags"].keys() for address, content in aws_inventory(world).items()}
    assert {address.rpartition("/")[2] for address in there} == {role, bucket, SCALING_ROLE}
    assert all(tags - {"ackinstall"} == {OTHER} for tags in there.values()), there

    for one in (role, SCALING_ROLE):
        iam.untag_role(RoleName=one, TagKeys=[OTHER])
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "ackinstall", "Value": "owned"}]})
    assert answers.down(world) == {}
    assert inventory(world) == empty


def test_foreign_role(bare: Sandboxed, empty: Inventory, names: Mapping[str, str]) -> None:
    """`down` keeps the OIDC provider while a role of somebody else trusts it, and names the role; when that
    role is gone, `down` removes the provider.
    """
    world, iam, issuer = bare, bare.aws("iam"), names["OIDC_PROVIDER_URL"]
    arn = f"arn:aws:iam::{names['AWS_ACCOUNT_ID']}:oidc-provider/{issuer}"
    iam.create_role(RoleName="their-role", AssumeRolePolicyDocument=json.dumps(_trust(arn)))

    left = answers.down(world)

    assert left.keys() == {f"oidc-provider/{issuer}"}
    assert "their-role" in left[f"oidc-provider/{issuer}"]
    assert aws_inventory(world).keys() == {f"aws/provider/{issuer}", "aws/role/their-role"}
    iam.delete_role(RoleName="their-role")
    assert answers.down(world) == {}
    assert inventory(world) == empty


def _trust(provider: str) -> Mapping[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
