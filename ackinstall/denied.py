"""What AWS says when it denies a call: to whom, which action, on what, by which sort of policy; what helps.

It says so wherever its errors are passed on: in a controller's log, in a custom resource's conditions.
The wordings: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ackinstall.request import Request

_POLICY = r"[\w-]+(?: [\w-]+){0,3}? (?:policy|boundary)"
_QUOTE = r"\\*[\"']"
_SPACE = re.compile(r"(?:\s|\\+[nrt])+")
"""JSON within JSON has backslashes before its quotes, and for its line breaks."""
_WORDING = re.compile(
    r"(?:User: (?P<user>\S+) is )?not authorized to perform:? (?P<action>[\w-]+:\w+)"
    rf"(?: on resource:? (?:{_QUOTE}(?P<quoted>[^\"'\\]+){_QUOTE}"
    r"|(?P<kind>role|user|group|policy|instance profile) (?P<name>[^\s\"'\\]+)"
    r"|(?P<bare>[^\s\"'\\]+)))?"
    rf"(?: with an (?P<explicit>explicit deny)"
    rf"(?: in (?:an?|the) (?P<denying>{_POLICY})(?:: (?P<policy>arn:[^\s\"'\\]+))?)?"
    rf"| because no (?P<silent>{_POLICY}) allows)?",
    re.IGNORECASE,
)
_ENCODED = re.compile(r"Encoded authorization failure message: ([\w-]+)")
_ENDS = ".,;:)"
"""What may follow a name in a sentence, and is no part of it."""

IDENTITY, _TRUST = "identity-based policy", "role trust policy"
# Where the statement of each sort of policy stands that decides; `{who}` is the caller.
_PLACES = {
    IDENTITY: "in the policies of {who}",
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
        """What helps whoever runs the commands."""
        is_own = self.policy in ("", IDENTITY) and not (self.encoded or self.is_explicit)
        return f"{self.remedy}; `ackinstall iam-policy` prints all that is needed" if is_own else self.remedy

    @property
    def remedy(self) -> str:
        """What helps: the statement that allows the call, and where it belongs; or the Deny in the way."""
        if self.encoded:
            return (
                "ask what is missing: `aws sts decode-authorization-message --query DecodedMessage "
                f"--output text --encoded-message {self.encoded}`"
            )
        if ":" not in self.action:
            return "allow the action to this identity"
        if self.is_explicit:
            named = f" of '{self.policy_arn}'" if self.policy_arn else ""
            return f"another Allow does not help: the Deny{named} {self._place} has to except '{self.action}'"
        allowed = f"allow it {self._place}: {json.dumps(self.statement)}{self._unnamed}"
        return (
            allowed
            if self.policy in ("", IDENTITY)
            else f"{allowed}; to allow it elsewhere too does not help"
        )

    @property
    def statement(self) -> dict[str, object]:
        """The policy statement that would allow the call; without a Principal for an unknown caller."""
        principal = {"Principal": {"AWS": self.user}} if self.user and self._names_a_principal else {}
        resource = {"Resource": self.resource or "*"} if self.policy.lower() != _TRUST else {}
        return {"Effect": "Allow", **principal, "Action": self.action, **resource}

    @property
    def _names_a_principal(self) -> bool:
        return self.policy.lower() in _NAME_A_PRINCIPAL

    @property
    def _unnamed(self) -> str:
        if self.user or not self._names_a_principal:
            return ""
        return ", with the ARN that `aws sts get-caller-identity` prints as its Principal"

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
        unknown = "that applies to {who}" if self.is_explicit else _PLACES[IDENTITY]
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


def find(text: str) -> Denial | None:
    """Return the first denial that `text` speaks of, whatever stands around it; None without one."""
    return next(_found(text), None)


def find_all(text: str) -> list[Denial]:
    """Return the denials that `text` speaks of, each once; another session of a role is no other caller."""
    return list({replace(one, user=_without_session(one.user)): one for one in _found(text)}.values())


def read(text: str, asked: Request) -> Denial:
    """Return what AWS's `text` says about a call; without a word of the action, what was asked for."""
    found = find(text)
    if found is None:
        encoded = _ENCODED.search(" ".join(text.split()))
        return Denial(asked.action, asked.caller, asked.resource, encoded=encoded[1] if encoded else "")
    resource = asked.resource if found.action == asked.action else ""
    return replace(found, user=found.user or asked.caller, resource=found.resource or resource)


def names_action(text: str) -> bool:
    """Tell whether AWS says which action it denies: across accounts it does not."""
    return find(text) is not None


def _found(text: str) -> Iterator[Denial]:
    for match in _WORDING.finditer(_SPACE.sub(" ", text)):
        user = match["user"] or ""
        yield Denial(
            action=match["action"],
            user=user,
            resource=_resource(match, user),
            policy=match["denying"] or match["silent"] or "",
            policy_arn=(match["policy"] or "").rstrip(_ENDS),
            is_explicit=match["explicit"] is not None,
        )


def _resource(match: re.Match[str], user: str) -> str:
    """Return the resource; the ARN of one that IAM names by kind and name, as it does what is not there."""
    if match["kind"] is None:
        return match["quoted"] or (match["bare"] or "").rstrip(_ENDS)
    kind, name = match["kind"], match["name"].rstrip(_ENDS)
    if user.count(":") < 5:  # noqa: PLR2004 (an ARN's parts)
        return f"{kind} {name}"
    _, partition, _, _, account, _ = user.split(":", 5)
    return f"arn:{partition}:iam::{account}:{kind.replace(' ', '-')}/{name}"


def _without_session(user: str) -> str:
    return user.rpartition("/")[0] if ":assumed-role/" in user else user


def _with_article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
