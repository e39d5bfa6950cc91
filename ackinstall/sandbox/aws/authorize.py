"""Whether a caller may make a call. This is the one place to ask; today only injected refusals say no."""

from collections.abc import Mapping

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.resources import iam_action, resource_arn
from ackinstall.sandbox.aws.trust import matches

# The services of this project whose errors are AccessDenied; all others answer AccessDeniedException.
_ACCESS_DENIED = frozenset({"iam", "sts", "s3"})


def authorize(account: Account, call: Call, denied: Mapping[str, str]) -> AwsError | None:
    """Return the refusal of a call, or None when it may go on.

    `denied` has, by action (an operation's own name or the IAM action that allows it), a pattern of the
    resource ARNs that are refused.
    """
    action, resource = iam_action(call), resource_arn(account, call)
    patterns = [pattern for name, pattern in denied.items() if name in {action, call.action}]
    if call.principal is None or not any(matches(resource, pattern) for pattern in patterns):
        return None
    shown = f'"{resource}"' if call.service == "s3" else resource
    message = (
        f"User: {call.principal.arn} is not authorized to perform: {action} on resource: {shown} "
        f"because no identity-based policy allows the {action} action"
    )
    if call.service in _ACCESS_DENIED:
        return AwsError("AccessDenied", message, 403)
    return AwsError("AccessDeniedException", message, 403 if call.service == "eks" else 400)
