"""Users of the account who administer the sandbox's cluster too."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sandboxed import Sandboxed

ADMINISTRATION = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
POLICY = "rights"


@contextmanager
def as_user(world: Sandboxed, name: str, policy: Mapping[str, Any] = EVERYTHING) -> Iterator[Sandboxed]:
    """Give the sandbox as a new user with the rights of `policy` works with it."""
    iam, eks = world.aws("iam"), world.aws("eks")
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    allow(world, name, policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    eks.create_access_entry(clusterName=world.name, principalArn=arn)
    eks.associate_access_policy(
        clusterName=world.name,
        principalArn=arn,
        policyArn=ADMINISTRATION,
        accessScope={"type": "cluster"},
    )
    yield world.seen_by(name, key)
    eks.delete_access_entry(clusterName=world.name, principalArn=arn)
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user_policy(UserName=name, PolicyName=POLICY)
    iam.delete_user(UserName=name)


def allow(world: Sandboxed, name: str, policy: Mapping[str, Any]) -> None:
    """Let a user have the rights of this policy alone."""
    world.aws("iam").put_user_policy(UserName=name, PolicyName=POLICY, PolicyDocument=json.dumps(policy))
