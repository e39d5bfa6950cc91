"""What a call of AWS asks for, as IAM names it: S3, EKS and a bare 403 deny without a word of it.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

# Operations of S3 that IAM knows under another action, of those that are called here.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
_ACTIONS = {
    "s3:DeleteObjects": "s3:DeleteObjectVersion",  # each is named with its version
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
# How the ARN of what a parameter names ends, by the service and the parameter.
_NAMED = {
    ("eks", "name"): "cluster/",
    ("eks", "clusterName"): "cluster/",
    ("iam", "RoleName"): "role/",
}
_ARNS = ("OpenIDConnectProviderArn", "PolicySourceArn", "RoleArn", "ResourceARN")


class Request(NamedTuple):
    """The IAM action, the ARN of the resource ("" where it is not one alone), the ARN of who called ("" while
    nobody has asked).
    """

    action: str
    resource: str = ""
    caller: str = ""


def request(
    service: str, operation: str, parameters: Mapping[str, Any], region: str, caller: str = ""
) -> Request:
    """Return what a call asks for; `service` is as in IAM, `parameters` as in the service's API reference."""
    action = f"{service}:{operation}"
    return Request(_ACTIONS.get(action, action), _resource(service, parameters, region, caller), caller)


def _resource(service: str, parameters: Mapping[str, Any], region: str, caller: str) -> str:
    _, partition, _, _, account, *_ = (caller or "arn:aws::::").split(":")
    if bucket := parameters.get("Bucket"):
        key = parameters.get("Key")
        return f"arn:{partition}:s3:::{bucket}" + (f"/{key}" if key else "")
    if arn := next((parameters[one] for one in _ARNS if one in parameters), ""):
        return str(arn)
    for (owner, name), kind in _NAMED.items():
        if account and owner == service and name in parameters:
            place = "" if service == "iam" else region
            return f"arn:{partition}:{service}:{place}:{account}:{kind}{parameters[name]}"
    return ""
