"""What policies say to a request: allowed, not allowed by any, or denied.

Source: "Policy evaluation logic" in the IAM user guide.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from ackinstall.sandbox.aws.policy_language import Keys, arn_matches, holds, many, matches

IDENTITY, BOUNDARY, SESSION = "an identity-based policy", "a permissions boundary", "a session policy"

Policies = Mapping[str, Sequence[str]]
"""By layer (IDENTITY, BOUNDARY, SESSION) the policies that are in force, as JSON text. Every layer that is
there has to allow a request."""


@dataclass(frozen=True)
class Request:
    """An action (iam:GetRole) on a resource (its ARN, or "*" when the action has none)."""

    action: str
    resource: str
    keys: Keys


class Verdict(Enum):
    """What the policies say together; the values are those of SimulatePrincipalPolicy's EvalDecision."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "implicitDeny"
    DENIED = "explicitDeny"


@dataclass(frozen=True)
class Decision:
    """A verdict, and how AWS words its reason: "because no identity-based policy allows the ... action"."""

    verdict: Verdict
    reason: str = ""


def decide(policies: Policies, request: Request) -> Decision:
    """Evaluate a request; UnsupportedError when a statement about it has a condition not evaluated here."""
    verdicts = {layer: _verdict(documents, request) for layer, documents in policies.items()}
    for layer, verdict in verdicts.items():
        if verdict is Verdict.DENIED:
            return Decision(verdict, f"with an explicit deny in {layer}")
    for layer, verdict in verdicts.items():
        if verdict is Verdict.NOT_ALLOWED:
            noun = layer.split(" ", 1)[1]
            return Decision(verdict, f"because no {noun} allows the {request.action} action")
    return Decision(Verdict.ALLOWED)


def missing(policies: Policies, request: Request) -> list[str]:
    """Return the condition keys that statements about a request's action and resource ask for, as they write
    them, and that it does not have.
    """
    asked = {
        key
        for documents in policies.values()
        for document in documents
        for statement in _statements(document)
        if _names_action(statement, request.action.lower()) and _names_resource(statement, request)
        for keys in statement.get("Condition", {}).values()
        for key in keys
    }
    return sorted(key for key in asked if key.lower() not in request.keys)


def has(document: str, effect: str, request: Request) -> bool:
    """Tell whether a policy has a statement of this effect that a request meets."""
    return any(one["Effect"] == effect and _concerns(one, request) for one in _statements(document))


def _verdict(documents: Iterable[str], request: Request) -> Verdict:
    effects = {
        statement["Effect"]
        for document in documents
        for statement in _statements(document)
        if _concerns(statement, request)
    }
    if "Deny" in effects:
        return Verdict.DENIED
    return Verdict.ALLOWED if effects else Verdict.NOT_ALLOWED


def _concerns(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        _names_action(statement, request.action.lower())
        and _names_resource(statement, request)
        and holds(statement.get("Condition", {}), request.keys)
    )


def _names_action(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(matches(action, pattern.lower()) for pattern in many(statement["NotAction"]))
    return any(matches(action, pattern.lower()) for pattern in many(statement["Action"]))


def _names_resource(statement: Mapping[str, Any], request: Request) -> bool:
    patterns = many(statement.get("NotResource", statement.get("Resource")))
    named = any(arn_matches(request.resource, pattern, request.keys) for pattern in patterns)
    return named != ("NotResource" in statement)


@lru_cache(maxsize=1000)
def _statements(document: str) -> tuple[Mapping[str, Any], ...]:
    """Parse a policy; the text itself is the key, so that a changed policy is another one."""
    return tuple(many(json.loads(document)["Statement"]))
