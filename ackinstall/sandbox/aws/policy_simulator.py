"""IAM's policy simulator: what the policies of a user, a group or a role would say to a call."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ackinstall.sandbox.aws import identities
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_evaluation import (
    BOUNDARY,
    IDENTITY,
    Policies,
    Request,
    Verdict,
    decide,
    has,
    missing,
)
from ackinstall.sandbox.aws.policy_language import Keys

_EVERYTHING = "*"
# Which actions IAM does not judge together on given resources it documents nowhere: newer ones are seen to
# stand apart from the older ones of their service.
_APART = frozenset({"s3:TagResource", "s3:UntagResource", "s3:ListTagsForResource", "iam:PassRole"})
_SEVEREST = (Verdict.DENIED, Verdict.NOT_ALLOWED, Verdict.ALLOWED)


@dataclass(frozen=True)
class _Asked:
    """Who is asked about: all policies in force, those of the identity by name, and the keys of the calls."""

    policies: Policies
    named: Mapping[str, str]
    keys: Keys


class PolicySimulator:
    """SimulatePrincipalPolicy, answered by the evaluation that real calls are judged by.

    A real call has more condition keys: those of who calls, of the resource, of the request. Here, as in IAM,
    only those that are given are known.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def simulate_principal_policy(self, call: Call) -> Mapping[str, Any]:
        """Judge each action: on the whole, and on each of the resources that are given."""
        given = call.parameters
        actions, resources = given["ActionNames"], given.get("ResourceArns", ())
        if resources:
            _check_together(actions)
        asked = self._asked(given)
        return {
            "EvaluationResults": [_judged(asked, action, resources) for action in actions],
            "IsTruncated": False,
        }

    def _asked(self, given: Mapping[str, Any]) -> _Asked:
        arn = given["PolicySourceArn"]
        identity = identities.find(self._account, arn)
        if identity is None:
            raise AwsError("NoSuchEntity", f"Entity {arn} does not exist.", 404)
        more = {
            f"PolicyInputList.{number}": document
            for number, document in enumerate(given.get("PolicyInputList", ()), start=1)
        }
        named = {**identities.named_policies(self._account, identity), **more}
        policies = {**identities.policies(self._account, identity), IDENTITY: [*named.values()]}
        if bounds := given.get("PermissionsBoundaryPolicyInputList"):
            policies[BOUNDARY] = bounds
        keys = {
            entry["ContextKeyName"].lower(): entry.get("ContextKeyValues", ())
            for entry in given.get("ContextEntries", ())
        }
        return _Asked(policies, named, keys)


def _check_together(actions: list[str]) -> None:
    apart = [one for one in actions if one in _APART]
    others = [one for one in actions if one not in _APART]
    if apart and others:
        message = (
            f"Invalid Input Actions: [{','.join(others)}] and [{','.join(apart)}] require different "
            "authorization information."
        )
        raise AwsError("InvalidInput", message)


def _judged(asked: _Asked, action: str, resources: list[str]) -> Mapping[str, Any]:
    """Return the answer for one action: the severest of its resources' decisions, then each of them."""
    requests = [Request(action, one, asked.keys) for one in resources or [_EVERYTHING]]
    verdicts = [decide(asked.policies, one).verdict for one in requests]
    severest = min(verdicts, key=_SEVEREST.index)
    details = [_details(asked, *one) for one in zip(requests, verdicts, strict=True)]
    answer = {"EvalActionName": action, "EvalResourceName": _EVERYTHING, "EvalDecision": severest.value}
    if not resources:
        return {**answer, **details[0]}
    keys = {key for one in details for key in one["MissingContextValues"]}
    return {
        **answer,
        "MatchedStatements": [each for one in details for each in one["MatchedStatements"]],
        "MissingContextValues": sorted(keys),
        "ResourceSpecificResults": [
            {"EvalResourceName": request.resource, "EvalResourceDecision": verdict.value, **one}
            for request, verdict, one in zip(requests, verdicts, details, strict=True)
        ],
    }


def _details(asked: _Asked, request: Request, verdict: Verdict) -> dict[str, Any]:
    details: dict[str, Any] = {
        "MatchedStatements": list(_matched(asked, request, verdict)),
        "MissingContextValues": missing(asked.policies, request),
    }
    if BOUNDARY in asked.policies:
        bound = decide({BOUNDARY: asked.policies[BOUNDARY]}, request).verdict is Verdict.ALLOWED
        details["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": bound}
    return details


def _matched(asked: _Asked, request: Request, verdict: Verdict) -> Iterator[Mapping[str, str]]:
    effect = "Deny" if verdict is Verdict.DENIED else "Allow"
    for name, document in asked.named.items():
        if has(document, effect, request):
            yield {"SourcePolicyId": name, "SourcePolicyType": "IAM Policy"}
