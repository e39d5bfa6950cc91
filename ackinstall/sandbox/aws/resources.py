"""The ARN of the resource that a call is about, from its parameters.

Sources: "Actions, resources, and condition keys" of each service in the Service Authorization Reference; only
the resources that this project's callers name are known, all others are "*".
"""

import re
from collections.abc import Mapping
from typing import Any

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call

# Operations of S3 that IAM knows under another action.
S3_ACTIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "HeadObject": "GetObject",
    "DeleteObjects": "DeleteObject",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketTagging": "PutBucketTagging",
}


def iam_action(call: Call) -> str:
    """Name the IAM action that allows a call: s3:ListBucket for HeadBucket."""
    return f"s3:{S3_ACTIONS.get(call.operation, call.operation)}" if call.service == "s3" else call.action


def resource_arn(account: Account, call: Call) -> str:
    """Name the resource that a call is about; "*" when it has none, or none is known."""
    given = call.parameters
    prefix = f"arn:{account.partition}:{call.service}:{call.scope.region}:{account.id}"
    match call.service:
        case "iam":
            return _iam_arn(account, given)
        case "sts" if "RoleArn" in given:
            return str(given["RoleArn"])
        case "eks" if name := given.get("clusterName") or given.get("name"):
            return f"{prefix}:cluster/{name}"
        case "s3" if "Bucket" in given:
            key = f"/{given['Key']}" if "Key" in given else ""
            return f"arn:{account.partition}:s3:::{given['Bucket']}{key}"
        case "sagemaker":
            noun = re.sub(r"^(Create|Describe|Delete|Update|Stop)", "", call.operation)
            kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", noun).lower()
            name = given.get(f"{noun}Name")
            return f"{prefix}:{kind}/{name}" if name else str(given.get("ResourceArn", "*"))
        case "application-autoscaling" if call.writes:
            return f"{prefix}:scalable-target/*"
        case _:
            return "*"


def _iam_arn(account: Account, given: Mapping[str, Any]) -> str:
    prefix = f"arn:{account.partition}:iam::{account.id}"
    match given:
        case {"RoleName": name}:
            role = account.role(name)
            return str(role.arn) if role else f"{prefix}:role{given.get('Path', '/')}{name}"
        case {"AWSServiceName": service}:
            return f"{prefix}:role/aws-service-role/{service}/*"
        case {"OpenIDConnectProviderArn": arn} | {"PolicyArn": arn}:
            return str(arn)
        case {"Url": url}:
            return f"{prefix}:oidc-provider/{url.removeprefix('https://')}"
        case {"UserName": name}:
            return f"{prefix}:user/{name}"
        case _:
            return "*"
