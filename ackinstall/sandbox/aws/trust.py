"""Whether a role's trust policy lets the bearer of a web identity assume the role.

Source: "IAM JSON policy elements: Condition operators" and "Available keys for OIDC federation" in the IAM
user guide.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ackinstall.sandbox.aws.errors import UnsupportedError

_ACTION = "sts:AssumeRoleWithWebIdentity"


def matches(value: str, pattern: str) -> bool:
    """Whether an IAM pattern with * and ? matches a value; brackets stand for themselves."""
    return fnmatchcase(value, pattern.replace("[", "[[]"))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": matches,
}
_NEGATED: Mapping[str, Callable[[str, str], bool]] = {
    "StringNotEquals": lambda value, unwanted: value != unwanted,
    "StringNotLike": lambda value, unwanted: not matches(value, unwanted),
}


def allows(trust_policy: str, provider_arn: str, keys: Mapping[str, str]) -> bool:
    """Evaluate a trust policy (JSON text) for a federated caller with these condition keys.

    UnsupportedError when the policy has a condition operator or element that is not evaluated here.
    """
    effects = {
        statement["Effect"]
        for statement in many(json.loads(trust_policy).get("Statement", []))
        if _applies(statement, provider_arn, keys)
    }
    return effects == {"Allow"}


def many(value: Any) -> list[Any]:  # noqa: ANN401 - policy elements are one value or a list of them
    """One value or a list of values, as a list."""
    return value if isinstance(value, list) else [value]


def _applies(statement: Mapping[str, Any], provider_arn: str, keys: Mapping[str, str]) -> bool:
    if unknown := {"NotAction", "NotPrincipal"} & statement.keys():
        raise UnsupportedError(f"'{min(unknown)}' in a trust policy")
    principal = statement.get("Principal", {})
    federated = [] if isinstance(principal, str) else many(principal.get("Federated", []))
    named = principal == "*" or provider_arn in federated or "*" in federated
    actions = many(statement.get("Action", []))
    return (
        named
        and any(matches(_ACTION.lower(), action.lower()) for action in actions)
        and all(
            _holds(operator, key, many(wanted), keys)
            for operator, condition in statement.get("Condition", {}).items()
            for key, wanted in condition.items()
        )
    )


def _holds(operator: str, key: str, wanted: Iterable[str], keys: Mapping[str, str]) -> bool:
    name = operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:").removesuffix("IfExists")
    value = {known.lower(): value for known, value in keys.items()}.get(key.lower())
    if name == "Null":
        return any((value is None) == (str(want).lower() == "true") for want in wanted)
    if name not in _OPERATORS and name not in _NEGATED:
        raise UnsupportedError(f"the condition operator '{operator}' in a trust policy")
    if value is None:
        return name in _NEGATED or operator.endswith("IfExists") or operator.startswith("ForAllValues:")
    if name in _NEGATED:
        return all(_NEGATED[name](value, want) for want in wanted)
    return any(_OPERATORS[name](value, want) for want in wanted)
