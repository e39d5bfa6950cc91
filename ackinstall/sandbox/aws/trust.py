"""Whether a role's trust policy lets the bearer of a web identity assume the role.

Source: "Available keys for OIDC federation" in the IAM user guide.
"""

import json
from collections.abc import Mapping
from typing import Any

from ackinstall.sandbox.aws.errors import UnsupportedError
from ackinstall.sandbox.aws.policy_language import Keys, holds, many, matches

_ACTION = "sts:assumerolewithwebidentity"


def allows(trust_policy: str, provider_arn: str, keys: Mapping[str, str]) -> bool:
    """Evaluate a trust policy (JSON text) for a federated caller with these condition keys.

    UnsupportedError when the policy has a condition operator or element that is not evaluated here.
    """
    lowered = {key.lower(): (value,) for key, value in keys.items()}
    effects = {
        statement["Effect"]
        for statement in many(json.loads(trust_policy).get("Statement", []))
        if _applies(statement, provider_arn, lowered)
    }
    return effects == {"Allow"}


def _applies(statement: Mapping[str, Any], provider_arn: str, keys: Keys) -> bool:
    if unknown := {"NotAction", "NotPrincipal"} & statement.keys():
        raise UnsupportedError(f"'{min(unknown)}' in a trust policy")
    principal = statement.get("Principal", {})
    federated = [] if isinstance(principal, str) else many(principal.get("Federated", []))
    named = principal == "*" or provider_arn in federated or "*" in federated
    actions = many(statement.get("Action", []))
    return (
        named
        and any(matches(_ACTION, action.lower()) for action in actions)
        and holds(statement.get("Condition", {}), keys)
    )
