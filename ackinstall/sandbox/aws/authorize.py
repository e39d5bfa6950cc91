"""Whether a caller may make a call. This is the one place to ask.

The caller's own policies decide, and refusals on purpose; policies of resources allow nobody here, and what a
bucket's policy denies is up to `s3`.
"""

from collections.abc import Iterator, Mapping

from ackinstall.sandbox.aws import identities
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.policy_evaluation import IDENTITY, Decision, Policies, Request, Verdict, decide
from ackinstall.sandbox.aws.policy_language import matches

# The services of this project whose errors are AccessDenied; all others answer AccessDeniedException.
_ACCESS_DENIED = frozenset({"cloudwatch", "iam", "s3", "sts"})


def authorize(account: Account, call: Call, denied: Mapping[str, str]) -> Iterator[tuple[str, AwsError]]:
    """Yield the refusals of what a call needs, each with the ARN of its resource; none when it may go on.

    `denied` has, by action (an operation's own name or the IAM action that allows it), a pattern of the
    resource ARNs that are refused.
    """
    if call.principal is None:
        return
    policies = identities.policies_of(account, call.principal)
    for need in call.needs:
        if refusal := _judge(policies, call, need, denied):
            yield need.resource, refusal


def _judge(policies: Policies, call: Call, need: Request, denied: Mapping[str, str]) -> AwsError | None:
    patterns = [pattern for name, pattern in denied.items() if name in {need.action, call.action}]
    if any(matches(need.resource, pattern) for pattern in patterns):
        return _refusal(call, need, decide({IDENTITY: ()}, need))
    decision = decide(policies, need)
    return None if decision.verdict is Verdict.ALLOWED else _refusal(call, need, decision)


def _refusal(call: Call, need: Request, decision: Decision) -> AwsError:
    caller = call.principal.arn if call.principal else ""
    shown = f'"{need.resource}"' if call.service == "s3" else need.resource
    message = (
        f"User: {caller} is not authorized to perform: {need.action} on resource: {shown} {decision.reason}"
    )
    if call.service in _ACCESS_DENIED:
        return AwsError("AccessDenied", message, 403)
    return AwsError("AccessDeniedException", message, 403 if call.service == "eks" else 400)
