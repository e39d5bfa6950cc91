"""What AWS says when it denies a call: to whom, which action, on what, by which sort of policy; what helps.

The wordings: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

import json
import re
from dataclasses import dataclass

_WORDING = re.compile(
    r"(?:User: (?P<user>\S+) is )?not authorized to perform:? (?P<action>[\w-]+:\w+)"
    r"""(?: on resource:? (?P<quote>"?)(?P<resource>.+?)(?P=quote))?"""
    r"(?: with an (?P<explicit>explicit deny)"
    r"(?: in (?:an?|the) (?P<denying>[\w -]+?)(?:: (?P<policy>arn:\S+?))?)?"
    r"| because no (?P<silent>[\w -]+?) allows .*| because .*)?\.?$",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"\.? ?Encoded authorization failure message: (\S+)")
_NAMED = re.compile(r"(role|user|group|policy|instance profile) (\S+)")
"""How IAM itself names what is not there, or has no ARN for it: `role NAME`."""

# Operations of S3 that IAM knows under another action; S3 alone may deny without a word of the action.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
_S3 = {
    "DeleteObjects": "DeleteObject",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
_IDENTITY, _TRUST = "identity-based policy", "role trust policy"
# Where the statement of each sort of policy stands that decides; `{who}` is the caller.
_PLACES = {
    _IDENTITY: "in the policies of {who}",
    "permissions boundary": "in the permissions boundary of {who}",
    "session policy": "in the session policy that these credentials of {who} were made with (by "
    "`aws sts assume-role --policy`, or by the tool that logs in)",
    "service control policy": "in a service control policy (the organization's management account has it)",
    "resource control policy": "in a resource control policy (the organization's management account has it)",
    "vpc endpoint policy": "in the policy of the VPC endpoint that the call goes through "
    "(`aws ec2 describe-vpc-endpoints` shows it)",
    "resource-based policy": "in the policy of {resource} itself",
    _TRUST: "in the trust policy of {resource}",
}
_NAME_A_PRINCIPAL = frozenset(
    {"resource-based policy", "resource control policy", _TRUST, "vpc endpoint policy"}
)
WHOLE = "`ackinstall iam-policy` prints all that is needed"


@dataclass(frozen=True)
class Denial:
    """A denied call. `user` and `resource` are ARNs, where AWS names them; `policy` is the sort of policy
    that decides, "" when it is not told, `policy_arn` that policy; `encoded` is a text that STS can decode.
    """

    action: str
    user: str = ""
    resource: str = ""
    policy: str = ""
    policy_arn: str = ""
    is_explicit: bool = False
    encoded: str = ""

    @property
    def message(self) -> str:
        """Who may not do what, and why."""
        where = f" on '{self.resource}'" if self.resource else ""
        return f"{self._who} may not call '{self.action}'{where}{self._why}"

    @property
    def hint(self) -> str:
        """What helps: the statement that allows the call, and where it belongs; or the Deny in the way."""
        if self.encoded:
            return (
                "ask what is missing: `aws sts decode-authorization-message --query DecodedMessage "
                f"--output text --encoded-message {self.encoded}`"
            )
        if ":" not in self.action:
            return f"allow the action to this identity; {WHOLE}"
        if self.is_explicit:
            named = f" of '{self.policy_arn}'" if self.policy_arn else ""
            return f"another Allow does not help: the Deny{named} {self._place} has to except '{self.action}'"
        allowed = f"allow it {self._place}: {json.dumps(self.statement)}"
        if self.policy in ("", _IDENTITY):
            return f"{allowed}; {WHOLE}"
        return f"{allowed}; to allow it elsewhere too does not help"

    @property
    def statement(self) -> dict[str, object]:
        """The policy statement that would allow the call."""
        sort = self.policy.lower()
        principal = {"Principal": {"AWS": self.user or "*"}} if sort in _NAME_A_PRINCIPAL else {}
        resource = {"Resource": self.resource or "*"} if sort != _TRUST else {}
        return {"Effect": "Allow", **principal, "Action": self.action, **resource}

    @property
    def _who(self) -> str:
        return f"'{self.user}'" if self.user else "this AWS identity"

    @property
    def _why(self) -> str:
        if self.is_explicit:
            return f": {_with_article(self.policy or 'policy')} denies it"
        return f": no {self.policy} allows it" if self.policy else ""

    @property
    def _place(self) -> str:
        unknown = "that applies to {who}" if self.is_explicit else _PLACES[_IDENTITY]
        place = _PLACES.get(self.policy.lower(), f"in the {self.policy}" if self.policy else unknown)
        resource = f"'{self.resource}'" if self.resource else "the resource"
        return place.replace("{who}", self._principal).replace("{resource}", resource)

    @property
    def _principal(self) -> str:
        """Whose policies are asked: a session's are its role's."""
        kind, _, name = self.user.rpartition(":")[2].partition("/")
        if kind == "assumed-role":
            return f"the role '{name.split('/')[0]}'"
        return f"the {kind} '{name}'" if name else self._who


def read(text: str, operation: str = "", *, is_s3: bool = False) -> Denial:
    """Return what AWS's `text` says; without a word of the action, what the API's `operation` gives."""
    words = " ".join(text.split())
    encoded = _ENCODED.search(words)
    match = _WORDING.search(_ENCODED.sub("", words))
    if match is None:
        action = f"s3:{_S3.get(operation, operation)}" if is_s3 else operation
        return Denial(action, encoded=encoded[1] if encoded else "")
    user = match["user"] or ""
    return Denial(
        action=match["action"],
        user=user,
        resource=_arn(match["resource"] or "", user),
        policy=(match["denying"] or match["silent"] or "").strip(),
        policy_arn=match["policy"] or "",
        is_explicit=match["explicit"] is not None,
    )


def names_action(text: str) -> bool:
    """Tell whether AWS says which action it denies: across accounts it does not."""
    return _WORDING.search(" ".join(text.split())) is not None


def _arn(resource: str, user: str) -> str:
    """Return the ARN of a resource that IAM names by kind and name."""
    match = _NAMED.fullmatch(resource)
    if match is None or user.count(":") < 5:  # noqa: PLR2004 (an ARN's parts)
        return resource
    _, partition, _, _, account, _ = user.split(":", 5)
    return f"arn:{partition}:iam::{account}:{match[1].replace(' ', '-')}/{match[2]}"


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
