"""What IAM's own simulator says to policy statements: which of their actions somebody may call, and why not.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Any

from ackinstall.errors import AckinstallError, aws_code, is_absent
from ackinstall.facts import settled
from ackinstall.policies import Document

SIDE_BY_SIDE = 24
_ALONE = frozenset({"s3:TagResource"})
"""Newer actions, which IAM may not judge together with others of their service: asking in vain takes time."""
_Context = tuple[tuple[str, str], ...]
"""Condition keys, each with one value."""


class Cause(Enum):
    """What decided; ORGANIZATION is a service control policy."""

    ALLOWED = "allowed"
    SILENT = "no policy allows it"
    DENY = "a policy denies it"
    BOUNDARY = "the permissions boundary does not allow it"
    ORGANIZATION = "the organization does not allow it"


@dataclass(frozen=True)
class Verdict:
    """One action on one resource (an ARN, or "*" where it has none).

    `missing` are condition keys of policies whose values only a real call has: with any of them a denial is
    no proof. `policies` are those whose Deny decides, as IAM calls them.
    """

    action: str
    resource: str
    cause: Cause
    missing: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()

    @property
    def is_denied(self) -> bool:
        """Whether a real call would be denied."""
        return self.cause is not Cause.ALLOWED and not self.missing

    @property
    def is_open(self) -> bool:
        """Whether only a real call tells."""
        return self.cause is not Cause.ALLOWED and bool(self.missing)

    def __str__(self) -> str:
        return self.action if self.resource == "*" else f"{self.action} on '{self.resource}'"


def ask(iam: Any, source: str, statements: Iterable[Document]) -> list[Verdict]:  # noqa: ANN401 (boto3's)
    """Return what the policies of `source` (an ARN) say to each action and resource of `statements`, with
    the values of their conditions; asks side by side.

    Raises AckinstallError when the simulator cannot be asked.
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        answers = list(pool.map(lambda one: _answers(iam, one), _requests(source, statements)))
    return list(dict.fromkeys(verdict for found in answers for one in found for verdict in _verdicts(one)))


def listed(value: str | Sequence[str]) -> list[str]:
    """Return a statement's actions, resources or values: one of them stands alone."""
    return [value] if isinstance(value, str) else list(value)


def _requests(source: str, statements: Iterable[Document]) -> list[Mapping[str, Any]]:
    """Return a request for each set of actions and combination of the conditions' values, as a call has one
    value of each key, about all resources for which it is the same.
    """
    resources: dict[tuple[tuple[str, ...], _Context], dict[str, None]] = {}
    for statement in statements:
        actions = listed(statement["Action"])
        sets = [[one for one in actions if one not in _ALONE], *([one] for one in actions if one in _ALONE)]
        for names, context in product(filter(None, sets), _contexts(statement)):
            about = resources.setdefault((tuple(names), context), {})
            about |= dict.fromkeys(listed(statement["Resource"]))
    return [
        {
            "PolicySourceArn": source,
            "ActionNames": list(names),
            "ContextEntries": [
                {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
                for key, value in context
            ],
            **({} if about == {"*": None} else {"ResourceArns": list(about)}),
        }
        for (names, context), about in resources.items()
    ]


def _contexts(statement: Document) -> Iterator[_Context]:
    """Yield the combinations of a statement's condition keys and values, an empty one where it has none."""
    conditions = statement.get("Condition", {}).values()
    return product(
        *([(key, one) for one in listed(values)] for by_key in conditions for key, values in by_key.items())
    )


def _answers(iam: Any, request: Mapping[str, Any]) -> list[Mapping[str, Any]]:  # noqa: ANN401 (boto3's)
    """Return the answers to one request. Actions that "require different authorization information" are not
    answered together, and which those are is not documented: they are then asked about one by one.
    """

    def whole() -> list[Mapping[str, Any]] | None:
        try:
            pages = iam.get_paginator("simulate_principal_policy").paginate(**request)
            return [one for page in pages for one in page["EvaluationResults"]]
        except Exception as error:
            if aws_code(error) == "InvalidInput" and len(request["ActionNames"]) > 1:
                return None
            if is_absent(error):
                source = request["PolicySourceArn"]
                raise AckinstallError("unknown-identity", f"IAM does not know '{source}'") from error
            raise

    answer = settled(whole, "iam")
    if answer is not None:
        return answer
    single = [{**request, "ActionNames": [action]} for action in request["ActionNames"]]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return [one for found in pool.map(lambda each: _answers(iam, each), single) for one in found]


def _verdicts(answer: Mapping[str, Any]) -> Iterator[Verdict]:
    """Yield what an answer says, by resource where it tells them apart; only the whole of it speaks of the
    organization.
    """
    organization = answer.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
    for one in answer.get("ResourceSpecificResults") or [answer]:
        boundary = one.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True)
        cause = {"allowed": Cause.ALLOWED, "explicitDeny": Cause.DENY}.get(
            one.get("EvalResourceDecision") or one["EvalDecision"], Cause.SILENT
        )
        if cause is not Cause.ALLOWED and not (organization and boundary):
            cause = Cause.BOUNDARY if organization else Cause.ORGANIZATION
        yield Verdict(
            action=answer["EvalActionName"],
            resource=one.get("EvalResourceName", "*"),
            cause=cause,
            missing=tuple(sorted(one.get("MissingContextValues", ()))),
            policies=_denying(one) if cause is Cause.DENY else (),
        )


def _denying(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each["SourcePolicyId"] for each in one.get("MatchedStatements", ())))
