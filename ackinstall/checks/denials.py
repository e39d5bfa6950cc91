"""What controllers were denied, as logs and custom resources tell it, and what allows it to them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ackinstall import web_identity
from ackinstall.checks.context import Context
from ackinstall.denied import IDENTITY, Denial


def remedy(context: Context, denied: Denial) -> str:
    """Return what helps: where the controllers' role lacks an Allow, that is the profile's to give."""
    if denied.action == f"sts:{web_identity.OPERATION}":
        refusal = web_identity.explain("AccessDenied", "")
        return refusal.hint if refusal else ""
    if denied.is_explicit or denied.policy not in ("", IDENTITY):
        return denied.remedy
    execution_role = context.names.execution_role
    instead = f"name the role '{execution_role}', which they may pass on; or " if _passes_role(denied) else ""
    return (
        f"{instead}allow it to the role '{context.names.controller_role}': `{context.choice.again('plan')}` "
        f"shows whether a policy is missing, which `{context.choice.again('up')}` puts back; else add "
        f"{json.dumps(denied.statement)} to a policy of its controller's 'inlinePolicies' in a profile, "
        "and run the same with `--profile FILE`"
    )


def data(denials: Sequence[Denial]) -> list[Mapping[str, Any]]:
    """Return them as they stand in an event."""
    return [
        {
            "action": one.action,
            "resource": one.resource,
            "caller": one.user,
            "policy": one.policy,
            "explicit": one.is_explicit,
            "statement": {} if one.is_explicit else one.statement,
        }
        for one in denials
    ]


def _passes_role(denied: Denial) -> bool:
    return denied.action == "iam:PassRole"
