"""IAM: documents and limits checked as AWS does, and the clients of identity providers."""

import json
import re
from collections.abc import Mapping
from typing import Any

from moto.iam.models import OpenIDConnectProvider

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_language import many

_INLINE_LIMIT = 10_240
# IAM takes the certificate's thumbprint itself when none is given; this one is an example.
_THUMBPRINT = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280"


class Iam:
    """The operations of IAM on roles and identity providers that differ from moto's."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def create_role(self, call: Call) -> Mapping[str, Any]:
        """Make a role with a trust policy that AWS would take."""
        _check_trust(call.parameters["AssumeRolePolicyDocument"])
        self._check_boundary(call)
        return call.moto()

    def update_role(self, call: Call) -> Mapping[str, Any]:
        """Change what is given, and nothing else."""
        role = self._account.iam.get_role(call.parameters["RoleName"])
        role.description = call.parameters.get("Description", role.description)
        role.max_session_duration = call.parameters.get("MaxSessionDuration", role.max_session_duration)
        return {}

    def update_assume_role_policy(self, call: Call) -> Mapping[str, Any]:
        """Replace a role's trust policy by one that AWS would take."""
        _check_trust(call.parameters["PolicyDocument"])
        return call.moto()

    def put_role_permissions_boundary(self, call: Call) -> Mapping[str, Any]:
        """Bound a role by a policy that exists."""
        self._check_boundary(call)
        return call.moto()

    def create_user(self, call: Call) -> Mapping[str, Any]:
        """Make a user, bounded by a policy when one is given."""
        self._check_boundary(call)
        result = call.moto()
        self._bound(call, call.parameters.get("PermissionsBoundary"))
        return result

    def put_user_permissions_boundary(self, call: Call) -> Mapping[str, Any]:
        """Bound a user by a policy that exists."""
        self._check_boundary(call)
        self._bound(call, call.parameters["PermissionsBoundary"])
        return {}

    def delete_user_permissions_boundary(self, call: Call) -> Mapping[str, Any]:
        """Bound a user no more."""
        self._bound(call, None)
        return {}

    def put_role_policy(self, call: Call) -> Mapping[str, Any]:
        """Write an inline policy, as long as all of the role's together stay under the limit."""
        name, policy = call.parameters["RoleName"], call.parameters["PolicyName"]
        role = self._account.iam.get_role(name)
        others = (document for other, document in role.policies.items() if other != policy)
        if sum(map(_size, (call.parameters["PolicyDocument"], *others))) > _INLINE_LIMIT:
            message = f"Maximum policy size of {_INLINE_LIMIT} bytes exceeded for role {name}"
            raise AwsError("LimitExceeded", message, 409)
        return call.moto()

    def delete_role(self, call: Call) -> Mapping[str, Any]:
        """Delete a role that is not a service's own."""
        name = call.parameters["RoleName"]
        role = self._account.role(name)
        if role is not None and role.path.startswith("/aws-service-role/"):
            message = (
                f"Cannot perform the operation on the protected role '{name}' - "
                "this role is only modifiable by AWS"
            )
            raise AwsError("UnmodifiableEntity", message)
        return call.moto()

    def create_open_id_connect_provider(self, call: Call) -> Mapping[str, Any]:
        """Make an identity provider; a thumbprint is filled in when none is given."""
        url = call.parameters["Url"].removeprefix("https://")
        if any(known.url == url for known in self._account.iam.open_id_providers.values()):
            message = f"Provider with url https://{url} already exists."
            raise AwsError("EntityAlreadyExists", message, 409)
        result = call.moto()
        provider = self._account.iam.open_id_providers[result["OpenIDConnectProviderArn"]]
        provider.thumbprint_list = provider.thumbprint_list or [_THUMBPRINT]
        return result

    def add_client_id_to_open_id_connect_provider(self, call: Call) -> Mapping[str, Any]:
        """Add an audience, which may be there already."""
        provider, client_id = self._provider(call), call.parameters["ClientID"]
        if client_id not in provider.client_id_list:
            provider.client_id_list = [*provider.client_id_list, client_id]
        return {}

    def remove_client_id_from_open_id_connect_provider(self, call: Call) -> Mapping[str, Any]:
        """Remove an audience, which may be gone already."""
        provider, client_id = self._provider(call), call.parameters["ClientID"]
        provider.client_id_list = [known for known in provider.client_id_list if known != client_id]
        return {}

    def _provider(self, call: Call) -> OpenIDConnectProvider:
        arn = call.parameters["OpenIDConnectProviderArn"]
        provider: OpenIDConnectProvider | None = self._account.iam.open_id_providers.get(arn)
        if provider is None:
            raise AwsError("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
        return provider

    def _bound(self, call: Call, boundary: str | None) -> None:
        user = self._account.iam.get_user(call.parameters["UserName"])
        user.permissions_boundary_arn = boundary  # moto knows it of roles only

    def _check_boundary(self, call: Call) -> None:
        boundary = call.parameters.get("PermissionsBoundary")
        if boundary and boundary not in self._account.iam.managed_policies:
            message = f"Scope ARN: {boundary} does not exist or is not attachable."
            raise AwsError("NoSuchEntity", message, 404)


def _check_trust(document: str) -> None:
    try:
        policy = json.loads(document)
        statements = [dict(statement) for statement in many(policy["Statement"])]
    except (ValueError, TypeError, KeyError):
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json") from None
    for statement in statements:
        if not statement.get("Principal") and not statement.get("NotPrincipal"):
            raise AwsError("MalformedPolicyDocument", "Missing required field Principal")
        if not statement.get("Action") and not statement.get("NotAction"):
            raise AwsError("MalformedPolicyDocument", "Missing required field Action")
        if "Resource" in statement:
            raise AwsError("MalformedPolicyDocument", "Has prohibited field Resource")


def _size(document: str) -> int:
    """Size of a policy as IAM counts it: without white space."""
    return len(re.sub(r"\s", "", document))
