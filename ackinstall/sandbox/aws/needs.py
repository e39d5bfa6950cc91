"""What a caller has to be allowed to do for one call to be answered: its own action, and what goes with it.

Sources: "Actions, resources, and condition keys" of each service in the Service Authorization Reference, and
for S3 "Required permissions for Amazon S3 API operations" in its user guide.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ackinstall.sandbox.aws import condition_keys
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.policy_evaluation import Request
from ackinstall.sandbox.aws.policy_language import Keys
from ackinstall.sandbox.aws.principals import Principal
from ackinstall.sandbox.aws.resources import bucket_arn, resource_arn, sagemaker_names
from ackinstall.sandbox.aws.service_linked_roles import SAGEMAKER_SCALING, role_name

# Operations of S3 that IAM knows under another action.
S3_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
}
_OF_VERSIONS = frozenset({"DeleteObject", "GetObject"})
# Names of services in IAM that are not those in botocore.
_PREFIXES = {"resourcegroupstaggingapi": "tag"}
# What may be done with a tag in the creating call, where that is an action of its own.
_TAGGING = {
    "application-autoscaling:RegisterScalableTarget": "application-autoscaling:TagResource",
    "eks:CreateAccessEntry": "eks:TagResource",
    "eks:CreateCluster": "eks:TagResource",
    "iam:CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "iam:CreatePolicy": "iam:TagPolicy",
    "iam:CreateRole": "iam:TagRole",
    "iam:CreateUser": "iam:TagUser",
    "s3:CreateBucket": "s3:TagResource",
    "sts:AssumeRole": "sts:TagSession",
}
_ROLE_PARAMETERS = frozenset({"executionrole", "executionrolearn", "role", "rolearn"})
# Both take a role in order to act as it, not to pass it on.
_TAKE_NO_ROLE = frozenset({"iam", "sts"})
# Whoever has keys may call these, whatever the policies say.
_FREE = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken"})

FOR_MANY = frozenset({"s3:DeleteObjects"})
"""Calls that are answered even when all of their objects are refused: each has a refusal of its own.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""

OTHER_ACTIONS = frozenset({*(f"s3:{action}" for action in S3_ACTIONS.values()), *_TAGGING.values()}) | {
    "iam:PassRole",
    "s3:DeleteObjectVersion",
    "s3:GetObjectVersion",
    "sagemaker:AddTags",
    "sts:GetServiceBearerToken",
}
"""Actions that are asked for here and are not, or not always, an operation of their service."""


def needs(account: Account, call: Call, principal: Principal) -> Iterator[Request]:
    """Yield all that the caller has to be allowed, the call's own action first."""
    if call.action in _FREE:
        return
    keys = condition_keys.of(account, call, principal)
    for action, resource, more in _needs(account, call):
        yield Request(action, resource, {**keys, **condition_keys.of_resource(account, resource), **more})


def _needs(account: Account, call: Call) -> Iterator[tuple[str, str, Keys]]:
    resource = resource_arn(account, call)
    yield from _own(account, call, resource)
    if tagging := _tagging(call):
        yield tagging, resource, {"sagemaker:taggingaction": (call.operation,)}
    if call.service not in _TAKE_NO_ROLE:
        service = f"{call.service}.amazonaws.com"
        for role in sorted(set(_roles(call.parameters))):
            yield "iam:PassRole", role, {"iam:passedtoservice": (service,)}
    match call.action:
        case "sagemaker:CreateEndpoint" | "sagemaker:UpdateEndpoint":
            config = sagemaker_names(call.parameters)["EndpointConfig"]
            yield call.action, f"{resource.rpartition(':')[0]}:endpoint-config/{config}", {}
        case "application-autoscaling:RegisterScalableTarget" if _makes_its_role(account, call):
            role = f"role/aws-service-role/{SAGEMAKER_SCALING}/{role_name(SAGEMAKER_SCALING)}"
            arn = f"arn:{account.partition}:iam::{account.id}:{role}"
            yield "iam:CreateServiceLinkedRole", arn, {"iam:awsservicename": (SAGEMAKER_SCALING,)}
        case "ecr-public:GetAuthorizationToken":
            yield "sts:GetServiceBearerToken", "*", {"sts:awsservicename": ("ecr-public.amazonaws.com",)}


def _makes_its_role(account: Account, call: Call) -> bool:
    is_ours = call.parameters["ServiceNamespace"] == "sagemaker"
    return is_ours and account.role(role_name(SAGEMAKER_SCALING)) is None


def _own(account: Account, call: Call, resource: str) -> Iterator[tuple[str, str, Keys]]:
    given = call.parameters
    if call.service != "s3":
        yield f"{_PREFIXES.get(call.service, call.service)}:{call.operation}", resource, {}
    elif call.operation == "DeleteObjects":
        for one in given["Delete"]["Objects"]:
            arn = bucket_arn(account, given["Bucket"], one["Key"])
            yield "s3:DeleteObject", arn, {}  # asked for in any case, says DeleteObjects
            if "VersionId" in one:
                yield "s3:DeleteObjectVersion", arn, {}
    else:
        version = "Version" if "VersionId" in given and call.operation in _OF_VERSIONS else ""
        yield f"s3:{S3_ACTIONS.get(call.operation, call.operation)}{version}", resource, {}


def _tagging(call: Call) -> str:
    if not condition_keys.request_tags(call.parameters):
        return ""
    if call.service == "sagemaker" and call.operation.startswith("Create"):
        return "sagemaker:AddTags"
    return _TAGGING.get(call.action, "")


def _roles(given: Any) -> Iterator[str]:  # noqa: ANN401 - parameters, or a part of them
    """Find the ARNs of roles that a call passes on, wherever they stand in its parameters."""
    if isinstance(given, list):
        for one in given:
            yield from _roles(one)
    elif isinstance(given, Mapping):
        for key, value in given.items():
            if isinstance(value, str) and key.lower() in _ROLE_PARAMETERS:
                yield value
            else:
                yield from _roles(value)
