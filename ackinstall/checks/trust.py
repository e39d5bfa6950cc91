"""Why a role's trust policy does not believe a service account's token. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from ackinstall.policies import Document, canonical

ACTION = "sts:assumerolewithwebidentity"


def distrust(trust: Document, claims: Mapping[str, Any], provider: str) -> str:
    """Return why the policy `trust` does not let somebody in with a token that claims `iss`, `aud` and `sub`;
    "" when it does. `provider` is the ARN of the issuer's provider in IAM.
    """
    statements = [
        one
        for one in canonical(trust)["Statement"]
        if one.get("Effect") == "Allow" and ACTION in one.get("Action", ())
    ]
    if not statements:
        return "lets no web identity in"
    reasons = [_reason(one, claims, provider) for one in statements]
    return "" if "" in reasons else reasons[0]


def _reason(statement: Mapping[str, Any], claims: Mapping[str, Any], provider: str) -> str:
    named = (statement.get("Principal") or {}).get("Federated", [])
    issuer = str(claims["iss"]).removeprefix("https://")
    if provider not in named:
        former = ", ".join(one.partition("oidc-provider/")[2] for one in named)
        return f"believes the issuer '{former}', the token is of '{issuer}'"
    said = {
        "aud": [claims["aud"]] if isinstance(claims["aud"], str) else list(claims["aud"]),
        "sub": [str(claims["sub"])],
    }
    for key, values in _conditions(statement):
        host, _, claim = key.rpartition(":")
        if claim not in said:
            continue
        if host != issuer.lower():
            return f"asks for claims of the issuer '{host}', the token is of '{issuer}'"
        if not set(said[claim]) & set(values):
            told, wanted = "', '".join(said[claim]), "', '".join(values)
            return f"wants {_WORDS[claim]} '{wanted}', the token has '{told}'"
    return ""


_WORDS = {"aud": "the audience", "sub": "the subject"}


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys, in lower case, and values that have to be equal; patterns are left to AWS."""
    for operator, keys in (statement.get("Condition") or {}).items():
        if operator == "stringequals":
            yield from keys.items()
