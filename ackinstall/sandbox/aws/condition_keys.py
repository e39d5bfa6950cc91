"""The condition keys of a call: what a policy's conditions and variables can ask of it.

Sources: "AWS global condition context keys" in the IAM user guide, and the condition keys of each service in
the Service Authorization Reference.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ackinstall.sandbox.aws import identities
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.policy_language import Keys
from ackinstall.sandbox.aws.principals import Principal

# Operations of IAM that can be made to depend on the boundary that a user or a role has; to make one, or to
# set its boundary, on the one that is given.
_BOUNDED = re.compile(r"(Attach|Delete|Detach|Put)(Role|User)(PermissionsBoundary|Policy)")
# Parameters that are condition keys as they are, by service.
_PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "application-autoscaling": {
        "ScalableDimension": "application-autoscaling:scalable-dimension",
        "ServiceNamespace": "application-autoscaling:service-namespace",
    },
    "iam": {
        "AWSServiceName": "iam:awsservicename",
        "PermissionsBoundary": "iam:permissionsboundary",
        "PolicyArn": "iam:policyarn",
    },
    "s3": {"Delimiter": "s3:delimiter", "Prefix": "s3:prefix"},
    "sts": {"ExternalId": "sts:externalid", "RoleSessionName": "sts:rolesessionname"},
}


def of(account: Account, call: Call, principal: Principal) -> Keys:
    """Return the keys of a call; those of its resource's tags are not among them."""
    given, tags = call.parameters, request_tags(call.parameters)
    tag_keys = [*tags, *given.get("TagKeys", given.get("tagKeys", ()))]
    return {
        **of_principal(account, principal),
        "aws:requestedregion": (call.scope.region,),
        "aws:resourceaccount": (account.id,),
        "aws:securetransport": ("true",),  # plain HTTP stands for AWS's TLS here
        "aws:sourceip": ("127.0.0.1",),
        "aws:viaawsservice": ("false",),
        **({"aws:tagkeys": tag_keys} if tag_keys else {}),
        **_boundary(account, call),
        **{f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()},
        **{
            key: (str(given[parameter]),)
            for parameter, key in _PARAMETERS.get(call.service, {}).items()
            if parameter in given
        },
    }


def _boundary(account: Account, call: Call) -> Keys:
    """Return the boundary of the user or role whose policies a call changes."""
    if call.service != "iam" or not _BOUNDED.fullmatch(call.operation):
        return {}
    role, user = call.parameters.get("RoleName"), call.parameters.get("UserName")
    bounded = account.role(role) if role else account.iam.users.get(user)
    boundary = getattr(bounded, "permissions_boundary_arn", None)
    return {"iam:permissionsboundary": (boundary,)} if boundary else {}


def of_principal(account: Account, principal: Principal) -> Keys:
    """Return the keys that tell who calls."""
    entity = principal.role_arn or principal.arn
    name = {} if principal.role_arn else {"aws:username": (entity.rpartition("/")[2],)}
    return {
        "aws:principalaccount": (account.id,),
        "aws:principalarn": (entity,),
        "aws:principaltype": ("AssumedRole" if principal.role_arn else "User",),
        "aws:userid": (principal.user_id,),
        **name,
        **_tag_keys("aws:principaltag", tags_of(account, entity)),
    }


def of_resource(account: Account, arn: str) -> Keys:
    """Return the keys of the tags of a resource of IAM or of a cluster; those of others are not known."""
    tags = tags_of(account, arn)
    service = arn.split(":")[2] if arn.startswith("arn:") else ""
    own = _tag_keys("iam:resourcetag", tags) if service == "iam" else {}
    return {**_tag_keys("aws:resourcetag", tags), **own}


def tags_of(account: Account, arn: str) -> Mapping[str, str]:
    """Return the tags of a user, a role, an identity provider or a cluster."""
    if provider := account.iam.open_id_providers.get(arn):
        return _mapping(provider.get_tags())
    kind, _, name = arn.rpartition(":")[2].partition("/")
    match kind:
        case "role" if role := identities.find(account, arn):
            return _mapping(role.tags)
        case "user":
            return _mapping(account.iam.tagger.list_tags_for_resource(arn)["Tags"])
        case "cluster" if cluster := account.eks(arn.split(":")[3]).clusters.get(name):
            return dict(cluster.tags)
        case _:
            return {}


def request_tags(given: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the tags in a call's parameters, which every service has in a place of its own."""
    inner = given.get("Tagging", given.get("CreateBucketConfiguration", given))
    if not isinstance(inner, Mapping):  # objects have them in a header, as text
        return {}
    tags = next((inner[key] for key in ("Tags", "tags", "TagSet") if key in inner), ())
    return dict(tags) if isinstance(tags, Mapping) else _mapping(tags)


def _mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _tag_keys(prefix: str, tags: Mapping[str, str]) -> Keys:
    return {f"{prefix}/{key.lower()}": (value,) for key, value in tags.items()}
