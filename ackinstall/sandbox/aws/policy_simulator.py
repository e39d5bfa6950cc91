"""IAM's policy simulator: what the policies of a user, a group or a role would say to a call."""

from collections.abc import Iterator, Mapping
from typing import Any

from ackinstall.sandbox.aws import condition_keys, identities
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_evaluation import BOUNDARY, IDENTITY, Policies, Request, Verdict, decide
from ackinstall.sandbox.aws.policy_language import Keys

_EVERYTHING = "*"


class PolicySimulator:
    """SimulatePrincipalPolicy, answered by the evaluation that real calls are judged by."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def simulate_principal_policy(self, call: Call) -> Mapping[str, Any]:
        """Judge each action on each resource; which statements decided is not told."""
        policies = self._policies(call)
        return {
            "EvaluationResults": [_shown(policies, request) for request in self._requests(call)],
            "IsTruncated": False,
        }

    def _policies(self, call: Call) -> Policies:
        asked, arn = call.parameters, call.parameters["PolicySourceArn"]
        identity = identities.find(self._account, arn)
        if identity is None:
            raise AwsError("NoSuchEntity", f"Entity {arn} does not exist.", 404)
        policies = dict(identities.policies(self._account, identity))
        policies[IDENTITY] = [*policies[IDENTITY], *asked.get("PolicyInputList", ())]
        if bounds := asked.get("PermissionsBoundaryPolicyInputList"):
            policies[BOUNDARY] = bounds
        return policies

    def _requests(self, call: Call) -> Iterator[Request]:
        asked = call.parameters
        given: Keys = {
            entry["ContextKeyName"].lower(): entry.get("ContextKeyValues", ())
            for entry in asked.get("ContextEntries", ())
        }
        for action in asked["ActionNames"]:
            for resource in asked.get("ResourceArns") or [_EVERYTHING]:
                known = condition_keys.of_resource(self._account, resource)
                yield Request(action, resource, {**known, **given})


def _shown(policies: Policies, request: Request) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decide(policies, request).verdict.value,
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
    if BOUNDARY not in policies:
        return shown
    bound = decide({BOUNDARY: policies[BOUNDARY]}, request).verdict is Verdict.ALLOWED
    return {**shown, "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": bound}}
