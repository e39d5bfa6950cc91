"""What IAM's simulator answers, in each of its shapes, and how it is asked."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ackinstall import simulation
from ackinstall.errors import AckinstallError
from ackinstall.simulation import Cause, Verdict

USER = "arn:aws:iam::123456789012:user/ci"
ROLE, OTHER = (f"arn:aws:iam::123456789012:role/{name}" for name in ("one", "other"))
STATEMENT = {"Effect": "Allow", "Action": ["iam:GetRole", "iam:TagRole"], "Resource": [ROLE, OTHER]}
BOUNDED = {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}
BARRED = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}


class Simulator:
    """IAM as it answers what it is asked, or refuses."""

    def __init__(self, *answers: Mapping[str, Any], refused: str = "", code: str = "InvalidInput") -> None:
        self._answers = answers
        self._refused, self._code = refused, code
        self.asked: list[Mapping[str, Any]] = []

    def get_paginator(self, _operation: str) -> "Simulator":
        return self

    def paginate(self, **request: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 (boto3's)
        self.asked.append(request)
        if self._refused in request["ActionNames"] and (self._code != "InvalidInput" or self._mixed(request)):
            raise ClientError({"Error": {"Code": self._code, "Message": "no"}}, "SimulatePrincipalPolicy")
        yield {"EvaluationResults": self._answers}

    def _mixed(self, request: Mapping[str, Any]) -> bool:
        return len(request["ActionNames"]) > 1


def answered(decision: str, **more: object) -> dict[str, Any]:
    return {"EvalActionName": "iam:GetRole", "EvalResourceName": "*", "EvalDecision": decision, **more}


def on(resource: str, decision: str, **more: object) -> dict[str, Any]:
    return {"EvalResourceName": resource, "EvalResourceDecision": decision, **more}


@pytest.mark.parametrize(
    ("answer", "verdicts"),
    [
        (answered("allowed"), [("*", Cause.ALLOWED)]),
        (answered("implicitDeny"), [("*", Cause.SILENT)]),
        (answered("explicitDeny"), [("*", Cause.DENY)]),
        (answered("implicitDeny", **BOUNDED), [("*", Cause.BOUNDARY)]),
        (answered("allowed", PermissionsBoundaryDecisionDetail={}), [("*", Cause.ALLOWED)]),
        (answered("implicitDeny", **BARRED), [("*", Cause.ORGANIZATION)]),
        (answered("explicitDeny", **BARRED, **BOUNDED), [("*", Cause.ORGANIZATION)]),
        (
            answered(
                "implicitDeny",
                ResourceSpecificResults=[on(ROLE, "allowed"), on(OTHER, "implicitDeny", **BOUNDED)],
            ),
            [(ROLE, Cause.ALLOWED), (OTHER, Cause.BOUNDARY)],
        ),
        (
            answered("implicitDeny", **BARRED, ResourceSpecificResults=[on(ROLE, "implicitDeny")]),
            [(ROLE, Cause.ORGANIZATION)],
        ),
    ],
)
def test_what_decided(answer: Mapping[str, Any], verdicts: list[tuple[str, Cause]]) -> None:
    found = simulation.ask(Simulator(answer), USER, [{**STATEMENT, "Action": "iam:GetRole"}])
    assert [(one.resource, one.cause) for one in found] == verdicts


def test_a_denial_without_all_keys_is_no_proof() -> None:
    """The keys that one resource lacks do not speak of another."""
    key = "aws:MultiFactorAuthPresent"
    answer = answered(
        "explicitDeny",
        MissingContextValues=[key],
        ResourceSpecificResults=[
            on(
                ROLE,
                "explicitDeny",
                MissingContextValues=[key],
                MatchedStatements=[{"SourcePolicyId": "mfa"}],
            ),
            on(OTHER, "implicitDeny", MissingContextValues=[]),
        ],
    )
    first, second = simulation.ask(Simulator(answer), USER, [STATEMENT])
    assert (first.is_open, first.is_denied, first.policies) == (True, False, ("mfa",))
    assert (second.is_open, second.is_denied) == (False, True)
    assert not Verdict("a", "*", Cause.ALLOWED, missing=(key,)).is_open


def test_actions_that_are_not_judged_together_are_asked_about_one_by_one() -> None:
    simulator = Simulator(answered("allowed"), refused="iam:TagRole")
    simulation.ask(simulator, USER, [STATEMENT])
    asked = sorted(one["ActionNames"] for one in simulator.asked)
    assert asked == [["iam:GetRole"], ["iam:GetRole", "iam:TagRole"], ["iam:TagRole"]]


def test_each_value_of_a_condition_is_asked_about() -> None:
    """A call has one value of a key; resources are named unless they are all."""
    simulator = Simulator(answered("allowed"))
    condition = {"ArnLike": {"iam:PolicyARN": ["a", "b"], "iam:PermissionsBoundary": "c"}}
    simulation.ask(simulator, USER, [{**STATEMENT, "Resource": "*", "Condition": condition}])
    values = [[each["ContextKeyValues"] for each in one["ContextEntries"]] for one in simulator.asked]
    assert sorted(values) == [[["a"], ["c"]], [["b"], ["c"]]]
    assert "ResourceArns" not in simulator.asked[0]


def test_what_is_asked_alike_is_asked_once() -> None:
    """Objects about which the same actions are asked are in one request, a resource once; "*" is none."""
    simulator = Simulator(answered("allowed"))
    one, both = ({**STATEMENT, "Resource": which} for which in (ROLE, [ROLE, OTHER]))
    bounded = {**STATEMENT, "Condition": {"ArnLike": {"iam:PolicyARN": "a"}}}
    simulation.ask(simulator, USER, [one, both, bounded, {**STATEMENT, "Action": "a", "Resource": "*"}])
    asked = [(len(each["ContextEntries"]), each.get("ResourceArns")) for each in simulator.asked]
    assert sorted(asked, key=str) == [(0, None), (0, [ROLE, OTHER]), (1, [ROLE, OTHER])]


def test_actions_that_stand_apart_are_asked_about_by_themselves() -> None:
    """Else IAM's refusal would have to be waited for first."""
    simulator = Simulator(answered("allowed"), refused="s3:TagResource")
    simulation.ask(simulator, USER, [{**STATEMENT, "Action": ["s3:CreateBucket", "s3:TagResource"]}])
    assert sorted(one["ActionNames"] for one in simulator.asked) == [["s3:CreateBucket"], ["s3:TagResource"]]


@pytest.mark.parametrize(
    ("code", "reference"), [("NoSuchEntity", "unknown-identity"), ("AccessDenied", "access-denied")]
)
def test_who_cannot_be_asked_about(code: str, reference: str) -> None:
    with pytest.raises(AckinstallError) as caught:
        simulation.ask(Simulator(refused="iam:TagRole", code=code), USER, [STATEMENT])
    assert caught.value.reference == reference
