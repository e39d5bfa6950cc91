"""Why STS does not give a role's credentials for a service account's token, and what helps.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html, under "Errors".
"""

from typing import NamedTuple

OPERATION = "AssumeRoleWithWebIdentity"
_INVALID = "invalid-identity-token"


class Refusal(NamedTuple):
    """A reference, one sentence, a hint."""

    reference: str
    message: str
    hint: str


_COMPARE = (
    "compare the issuer, `aws eks describe-cluster --name NAME --query cluster.identity.oidc.issuer`, with "
    "IAM's providers, `aws iam list-open-id-connect-providers`"
)
# By a part of what STS says of an InvalidIdentityToken.
_TOKENS = {
    "no openidconnect provider": (
        "IAM has no OIDC provider for the cluster's issuer: `ackinstall plan --cluster NAME` shows it, "
        "`ackinstall up --cluster NAME` makes it"
    ),
    "audience": (
        "the OIDC provider has to accept the audience: `ackinstall up --cluster NAME` adds it, with "
        "`--adopt` to a provider of somebody else too"
    ),
    "verification key": f"AWS has to reach the issuer's keys, which it cannot of another issuer: {_COMPARE}",
}


def explain(code: str, text: str) -> Refusal | None:
    """Return what STS's error `code` and `text` mean; None for an error that is not about the identity."""
    said = f"({code}: {text})" if text and text != code else f"({code})"
    match code:
        case "AccessDenied":
            return Refusal(
                "role-not-assumable",
                f"the role does not let the service account in {said}",
                "its trust policy has to name the cluster's OIDC provider, the service account and the "
                "audience: `ackinstall plan --cluster NAME` shows what differs, `ackinstall up --cluster "
                f"NAME` mends it; where nothing differs, a service control policy denies 'sts:{OPERATION}'",
            )
        case "InvalidIdentityToken":
            hint = next((one for words, one in _TOKENS.items() if words in text.lower()), _COMPARE)
            return Refusal(_INVALID, f"STS does not accept the service account's token {said}", hint)
        case "ExpiredToken" | "ExpiredTokenException":
            return Refusal(
                _INVALID,
                f"STS takes a fresh token of the service account for an old one {said}",
                "the clock that the cluster signs by is behind AWS's: compare the `iat` of "
                "`kubectl create token default` with `date +%s`",
            )
        case "IDPCommunicationError":
            return Refusal(
                "issuer-unreachable", f"STS does not reach the cluster's OIDC issuer {said}", _COMPARE
            )
    return None
