"""The ARN of the resource that a call is about, from its parameters.

Sources: "Actions, resources, and condition keys" of each service in the Service Authorization Reference; only
the resources that this project's callers name are known, all others are "*".
"""

import re
from collections.abc import Mapping
from typing import Any

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.service_linked_roles import role_name

_SAGEMAKER_VERBS = re.compile(r"^(Create|Delete|Describe|Start|Stop|Update)")
# Objects of SageMaker whose names are unique in a domain only.
_IN_A_DOMAIN = {
    "App": ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName"),
    "Domain": ("DomainId",),
    "Space": ("DomainId", "SpaceName"),
    "UserProfile": ("DomainId", "UserProfileName"),
}
# Objects of EKS that have an ARN of their own, which ends with an id that nobody chooses.
_IN_A_CLUSTER = {
    "addonName": "addon",
    "capabilityName": "capability",
    "fargateProfileName": "fargateprofile",
    "nodegroupName": "nodegroup",
}


def resource_arn(account: Account, call: Call) -> str:
    """Name the resource that a call is about; "*" when it has none, or none is known."""
    given = call.parameters
    prefix = f"arn:{account.partition}:{call.service}:{call.scope.region}:{account.id}"
    match call.service:
        case "iam":
            return _iam_arn(account, call)
        case "eks":
            return _eks_arn(prefix, call)
        case "sagemaker":
            return _sagemaker_arn(prefix, call)
        case "s3" if "Bucket" in given:
            return bucket_arn(account, given["Bucket"], given.get("Key", ""))
        case "ecr-public" if "repositoryName" in given:
            return f"arn:{account.partition}:ecr-public::{account.id}:repository/{given['repositoryName']}"
        case _:
            return _other_arn(prefix, call)


def _other_arn(prefix: str, call: Call) -> str:
    match call.service, call.parameters:
        case ("sts", {"RoleArn": arn}) | ("application-autoscaling", {"ResourceARN": arn}):
            return str(arn)
        case "application-autoscaling", _ if call.writes:
            return f"{prefix}:scalable-target/*"
        case ("cloudwatch", {"AlarmName": alarm}) | ("cloudwatch", {"AlarmNames": [alarm, *_]}):
            return f"{prefix}:alarm:{alarm}"
        case "cloudwatch", _ if "Alarms" in call.operation:
            return f"{prefix}:alarm:*"
        case "logs", {"logGroupName": group, "logStreamName": stream}:
            return f"{prefix}:log-group:{group}:log-stream:{stream}"
        case "logs", {"logGroupName": group}:
            return f"{prefix}:log-group:{group}:*"
        case _:
            return "*"


def bucket_arn(account: Account, bucket: str, key: str = "") -> str:
    """Return the ARN of a bucket, or of an object in it."""
    return f"arn:{account.partition}:s3:::{bucket}{'/' if key else ''}{key}"


def _iam_arn(account: Account, call: Call) -> str:
    prefix = f"arn:{account.partition}:iam::{account.id}"
    given = call.parameters
    match given:
        case {"RoleName": name}:
            role = account.role(name)
            return str(role.arn) if role else f"{prefix}:role{given.get('Path', '/')}{name}"
        case {"GroupName": name}:
            group = account.iam.groups.get(name)
            return str(group.arn) if group else f"{prefix}:group{given.get('Path', '/')}{name}"
        case {"UserName": name}:
            user = account.iam.users.get(name)
            return str(user.arn) if user else f"{prefix}:user{given.get('Path', '/')}{name}"
        case {"AWSServiceName": service}:
            return f"{prefix}:role/aws-service-role/{service}/{role_name(service)}"
        case {"DeletionTaskId": task}:
            return f"{prefix}:role/{task.removeprefix('task/').rpartition('/')[0]}"
        case {"OpenIDConnectProviderArn": arn} | {"PolicyArn": arn} | {"PolicySourceArn": arn}:
            return str(arn)
        case {"PolicyName": name}:
            return f"{prefix}:policy{given.get('Path', '/')}{name}"
        case {"Url": url}:
            return f"{prefix}:oidc-provider/{url.removeprefix('https://')}"
        case _:
            return _own_arn(call)


def _own_arn(call: Call) -> str:
    """Name the calling user, whom an operation on a user is about when it names none."""
    shape, caller = call.model.input_shape, call.principal
    about_a_user = shape is not None and "UserName" in shape.members
    return caller.arn if about_a_user and caller is not None and not caller.role_arn else "*"


def _eks_arn(prefix: str, call: Call) -> str:
    given = call.parameters
    cluster = given.get("clusterName") or given.get("name")
    if "resourceArn" in given or not cluster:
        return str(given.get("resourceArn", "*"))
    if call.operation.startswith(("Create", "List")) and call.operation != "ListAssociatedAccessPolicies":
        return f"{prefix}:cluster/{cluster}"
    if "principalArn" in given:
        *_, owner, principal = given["principalArn"].split(":")
        kind, _, name = principal.partition("/")
        return f"{prefix}:access-entry/{cluster}/{kind}/{owner}/{name.rpartition('/')[2]}/*"
    for parameter, kind in _IN_A_CLUSTER.items():
        if parameter in given:
            return f"{prefix}:{kind}/{cluster}/{given[parameter]}/*"
    return f"{prefix}:cluster/{cluster}"


def _sagemaker_arn(prefix: str, call: Call) -> str:
    given = call.parameters
    if "ResourceArn" in given:
        return str(given["ResourceArn"])
    if not _SAGEMAKER_VERBS.match(call.operation):
        return "*"
    about = _SAGEMAKER_VERBS.sub("", call.operation)
    if about in _IN_A_DOMAIN:
        parts = [str(given[name]) for name in _IN_A_DOMAIN[about] if name in given]
        return f"{prefix}:{_kebab(about)}/{'/'.join(parts) or '*'}"
    if "JobDefinitionName" in given:
        return f"{prefix}:{_kebab(about)}/{given['JobDefinitionName']}"
    named = sagemaker_names(given)
    nouns = sorted((noun for noun in named if about.startswith(noun)), key=len)
    return f"{prefix}:{_kebab(nouns[-1])}/{named[nouns[-1]]}" if nouns else str(given.get(f"{about}Arn", "*"))


def sagemaker_names(given: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the names in a call's parameters by the noun that they are of: {"EndpointConfig": "c"}."""
    return {
        key.removesuffix("Name"): value.rpartition("/")[2]
        for key, value in given.items()
        if key.endswith("Name") and isinstance(value, str)
    }


def _kebab(noun: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", noun).lower()
