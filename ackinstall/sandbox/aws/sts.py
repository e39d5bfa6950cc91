"""STS: callers named truly, and web identities checked before a role is assumed with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jwt
from moto.iam.models import OpenIDConnectProvider, Role

from ackinstall.sandbox.aws import principals, trust
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_language import many

_ALGORITHMS = ["RS256", "ES256"]


@dataclass(frozen=True)
class Issuer:
    """An OIDC issuer whose keys are known: its URL, and its public key as PEM text."""

    url: str
    public_key: str


class Sts:
    """The operations of STS that differ from moto's."""

    def __init__(self, account: Account, issuer: Issuer) -> None:
        self._account = account
        self._issuer = issuer

    def get_caller_identity(self, call: Call) -> Mapping[str, Any]:
        """Name the caller; nobody but a known caller comes as far as here."""
        if call.principal is None:
            raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        caller = call.principal
        return {"UserId": caller.user_id, "Account": self._account.id, "Arn": caller.arn}

    def assume_role_with_web_identity(self, call: Call) -> Mapping[str, Any]:
        """Check token, provider and trust policy in the order of AWS, then hand out temporary keys."""
        role_arn, session = call.parameters["RoleArn"], call.parameters["RoleSessionName"]
        duration = int(call.parameters.get("DurationSeconds", 3600))
        provider, claims = self._validated(call.parameters["WebIdentityToken"])
        role = next((role for role in self._account.iam.get_roles() if role.arn == role_arn), None)
        if role is None or not _trusts(role, provider, claims):
            message = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
            raise AwsError("AccessDenied", message, 403)
        if duration > int(role.max_session_duration or 3600):
            message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise AwsError("ValidationError", message)
        policy = call.parameters.get("Policy", "")
        assumed = self._account.sts.assume_role(call.scope.region, session, role_arn, policy, duration, "")
        who = principals.assumed(assumed)
        return {
            "Credentials": {
                "AccessKeyId": who.access_key_id,
                "SecretAccessKey": who.secret_access_key,
                "SessionToken": who.session_token,
                "Expiration": who.expiration,
            },
            "SubjectFromWebIdentityToken": claims["sub"],
            "AssumedRoleUser": {"AssumedRoleId": who.user_id, "Arn": who.arn},
            "Provider": provider.arn,
            "Audience": min(set(many(claims["aud"])) & set(provider.client_id_list)),
        }

    def _validated(self, token: str) -> tuple[OpenIDConnectProvider, Mapping[str, Any]]:
        try:
            unverified = jwt.decode(token, options={"verify_signature": False})
        except jwt.InvalidTokenError:
            _invalid(
                "The ID Token provided is not a valid JWT. "
                "(You may see this error if you sent an Access Token)"
            )
        issuer = unverified.get("iss")
        provider = next(
            (
                known
                for known in self._account.iam.open_id_providers.values()
                if f"https://{known.url}" == issuer
            ),
            None,
        )
        if provider is None:
            _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
        if issuer != self._issuer.url:
            _invalid(
                "Couldn't retrieve verification key from your identity provider,  please reference "
                "AssumeRoleWithWebIdentity documentation for requirements"
            )
        try:
            claims = jwt.decode(
                token,
                self._issuer.public_key,
                algorithms=_ALGORITHMS,
                audience=provider.client_id_list,
                issuer=issuer,
                options={"require": ["exp", "iat", "sub", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            expiration = unverified["exp"]
            message = f"Token expired: current date/time must be before the expiration date/time {expiration}"
            raise AwsError("ExpiredTokenException", message) from None
        except jwt.InvalidAudienceError:
            _invalid("Incorrect token audience")
        except jwt.InvalidTokenError as error:
            _invalid(f"Provided token could not be validated: {error}")
        return provider, claims


def _trusts(role: Role, provider: OpenIDConnectProvider, claims: Mapping[str, Any]) -> bool:
    audience = min(set(many(claims["aud"])) & set(provider.client_id_list))
    keys = {f"{provider.url}:aud": audience, f"{provider.url}:sub": claims["sub"]}
    return trust.allows(role.assume_role_policy_document, provider.arn, keys)


def _invalid(message: str) -> NoReturn:
    raise AwsError("InvalidIdentityToken", message)
