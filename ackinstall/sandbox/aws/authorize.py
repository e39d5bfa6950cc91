"""Whether a caller may make a call. This is the one place to ask.

The caller's own policies decide, and refusals on purpose; policies of resources allow nobody here, and what a
bucket's policy denies is up to `s3`.
"""

from collections.abc import Mapping

from ackinstall.sandbox.aws import identities
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_evaluation import IDENTITY, Decision, Request, Verdict, decide
from ackinstall.sandbox.aws.policy_language import matches

# The services of this project whose errors are AccessDenied; all others answer AccessDeniedException.
_ACCESS_DENIED = frozenset({"cloudwatch", "iam", "s3", "sts"})


def authorize(account: Account, call: Call, denied: Mapping[str, str]) -> AwsError | None:
    """Return the refusal of a call, or None when it may go on.

    `denied` has, by action (an operation's own name or the IAM action that allows it), a pattern of the
    resource ARNs that are refused.
    """
    if call.principal is None:
        return None
    policies = identities.policies_of(account, call.principal)
    for need in call.needs:
        patterns = [pattern for name, pattern in denied.items() if name in {need.action, call.action}]
        if any(matches(need.resource, pattern) for pattern in patterns):
            return _refusal(call, need, decide({IDENTITY: ()}, need))
        decision = decide(policies, need)
        if decision.verdict is not Verdict.ALLOWED:
            return _refusal(call, need, decision)
    return None


def _refusal(call: Call, need: Request, decision: Decision) -> AwsError:
    caller = call.principal.arn if call.principal else ""
    shown = f'"{need.resource}"' if call.service == "s3" else need.resource
    message = (
        f"User: {caller} is not authorized to perform: {need.action} on resource: {shown} {decision.reason}"
    )
    if call.service in _ACCESS_DENIED:
        return AwsError("AccessDenied", message, 403)
    return AwsError("AccessDeniedException", message, 403 if call.service == "eks" else 400)
