"""Policies as a table: what they say to an action on a resource."""

import json

import pytest
from running_aws import Json

from ackinstall.sandbox.aws.errors import UnsupportedError
from ackinstall.sandbox.aws.policy_evaluation import BOUNDARY, IDENTITY, SESSION, Request, decide
from ackinstall.sandbox.aws.policy_language import Keys

ROLE = "arn:aws:iam::123456789012:role/ack/controller"
BUCKET = "arn:aws:s3:::bucket"


def statement(effect: str = "Allow", **elements: Json) -> Json:
    default = {"Action": "iam:GetRole"} if "NotAction" not in elements else {}
    resource = {"Resource": "*"} if "NotResource" not in elements else {}
    return {"Effect": effect, **default, **resource, **elements}


def policy(*statements: Json) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def verdict(
    *statements: Json, action: str = "iam:GetRole", resource: str = ROLE, keys: Keys | None = None
) -> str:
    return decide({IDENTITY: [policy(*statements)]}, Request(action, resource, keys or {})).verdict.value


@pytest.mark.parametrize(
    ("elements", "allowed"),
    [
        ({"Action": "*"}, True),
        ({"Action": "iam:*"}, True),
        ({"Action": "IAM:getrole"}, True),
        ({"Action": "iam:GetRol?"}, True),
        ({"Action": ["s3:*", "iam:Get*"]}, True),
        ({"Action": "iam:Get"}, False),
        ({"Action": "s3:GetRole"}, False),
        ({"NotAction": "s3:*"}, True),
        ({"NotAction": ["s3:*", "iam:GetRole"]}, False),
    ],
)
def test_actions(elements: Json, *, allowed: bool) -> None:
    assert (verdict(statement(**elements)) == "allowed") is allowed


@pytest.mark.parametrize(
    ("elements", "resource", "allowed"),
    [
        ({"Resource": ROLE}, ROLE, True),
        ({"Resource": ROLE.upper()}, ROLE, False),
        ({"Resource": "arn:*:iam::*:role/*"}, ROLE, True),
        ({"Resource": "arn:aws:iam::*:role/ack/?ontroller"}, ROLE, True),
        ({"Resource": "arn:aws:iam::123456789012"}, ROLE, True),
        ({"Resource": ["arn:aws:iam::*:user/*", "arn:aws:iam::*:role/*"]}, ROLE, True),
        ({"Resource": "arn:aws:iam::*:role/controller"}, ROLE, False),
        ({"Resource": "arn:aws:*/controller"}, ROLE, False),
        ({"Resource": "arn:aws:iam::*:role/*"}, "*", False),
        ({"Resource": "*"}, "*", True),
        ({"Resource": "arn:aws:s3:::bucket/*"}, f"{BUCKET}/a/b", True),
        ({"Resource": "arn:aws:s3:::bucket/*"}, BUCKET, False),
        ({"Resource": "arn:aws:s3:::[b]ucket"}, BUCKET, False),
        ({"Resource": "arn:aws:logs:*:*:log-group:*"}, "arn:aws:logs:r:1:log-group:g:log-stream:s", True),
        ({"NotResource": "arn:aws:iam::*:user/*"}, ROLE, True),
        ({"NotResource": ["arn:aws:iam::*:user/*", ROLE]}, ROLE, False),
    ],
)
def test_resources(elements: Json, resource: str, *, allowed: bool) -> None:
    assert (verdict(statement(**elements), resource=resource) == "allowed") is allowed


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("arn:aws:iam::${aws:PrincipalAccount}:role/ack/controller", True),
        ("arn:aws:iam::*:role/${aws:PrincipalTag/Team}/*", True),
        ("arn:aws:iam::*:role/${aws:username}/*", False),
        ("arn:aws:iam::*:role/${aws:username, 'ack'}/*", True),
        ("arn:aws:iam::*:role/ack/contro${*}", False),
        ("arn:aws:iam::*:role/${aws:star}", False),
    ],
)
def test_variables(pattern: str, *, allowed: bool) -> None:
    keys = {"aws:principalaccount": ["123456789012"], "aws:principaltag/team": ["ack"], "aws:star": ["*"]}
    assert (verdict(statement(Resource=pattern), keys=keys) == "allowed") is allowed


@pytest.mark.parametrize(
    ("operator", "wanted", "values", "met"),
    [
        ("StringEquals", "a", ["a"], True),
        ("StringEquals", ["b", "a"], ["a"], True),
        ("StringEquals", "a*", ["abc"], False),
        ("StringEquals", "a", [], False),
        ("StringEqualsIgnoreCase", "A", ["a"], True),
        ("StringNotEquals", ["b", "c"], ["a"], True),
        ("StringNotEquals", ["b", "a"], ["a"], False),
        ("StringNotEquals", "a", [], True),
        ("StringNotEqualsIgnoreCase", "A", ["a"], False),
        ("StringLike", "a*", ["abc"], True),
        ("StringLike", "A*", ["abc"], False),
        ("StringNotLike", "a*", ["abc"], False),
        ("StringEqualsIfExists", "a", [], True),
        ("StringEqualsIfExists", "a", ["b"], False),
        ("ArnLike", "arn:*:iam::*:role/*", [ROLE], True),
        ("ArnEquals", "arn:aws:iam::*:role/ack/*", [ROLE], True),
        ("ArnLike", "arn:aws:iam::*:user/*", [ROLE], False),
        ("ArnNotLike", "arn:aws:iam::*:user/*", [ROLE], True),
        ("ArnLike", "arn:aws:iam::*:role/*", [], False),
        ("Bool", "true", ["true"], True),
        ("Bool", True, ["true"], True),
        ("Bool", "false", ["true"], False),
        ("BoolIfExists", "false", [], True),
        ("IpAddress", "10.0.0.0/8", ["10.1.2.3"], True),
        ("NotIpAddress", ["10.0.0.0/8", "127.0.0.1/32"], ["127.0.0.1"], False),
        ("NotIpAddress", "10.0.0.0/8", [], True),
        ("Null", "true", [], True),
        ("Null", "true", ["a"], False),
        ("Null", False, ["a"], True),
        ("NumericLessThanEquals", "10", ["9"], True),
        ("NumericGreaterThan", 10, ["9"], False),
        ("NumericNotEquals", "10", ["9"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
        ("ForAllValues:StringEquals", "a", [], True),
        ("ForAllValues:StringNotEquals", "a", ["b", "a"], False),
        ("ForAnyValue:StringLike", "a*", ["b", "ab"], True),
        ("ForAnyValue:StringEquals", "a", ["b"], False),
        ("ForAnyValue:StringEquals", "a", [], False),
        ("ForAnyValue:StringNotEquals", "a", [], False),
        ("ForAnyValue:StringEqualsIfExists", "a", [], True),
    ],
)
def test_conditions(operator: str, wanted: Json, values: list[str], *, met: bool) -> None:
    conditional = statement(Condition={operator: {"AWS:Key": wanted}})
    keys = {"aws:key": values} if values else {}
    assert (verdict(conditional, keys=keys) == "allowed") is met


def test_all_conditions_of_a_statement_must_hold() -> None:
    conditions = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Bool": {"aws:c": "true"}}
    conditional = statement(Condition=conditions)
    assert verdict(conditional, keys={"aws:a": ["1"], "aws:b": ["2"], "aws:c": ["true"]}) == "allowed"
    assert verdict(conditional, keys={"aws:a": ["1"], "aws:b": ["2"], "aws:c": ["false"]}) == "implicitDeny"
    assert verdict(conditional, keys={"aws:a": ["1"], "aws:b": ["1"], "aws:c": ["true"]}) == "implicitDeny"


def test_an_unknown_operator_is_named_by_the_requests_that_it_is_about() -> None:
    conditional = statement(Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}})
    assert verdict(conditional, action="iam:ListRoles") == "implicitDeny"
    with pytest.raises(UnsupportedError, match="the condition operator 'DateLessThan'"):
        verdict(conditional)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], "implicitDeny"),
        ([statement()], "allowed"),
        ([statement("Deny"), statement()], "explicitDeny"),
        ([statement(), statement("Deny", Resource="arn:aws:iam::*:role/ack/*")], "explicitDeny"),
        ([statement(), statement("Deny", Resource="arn:aws:iam::*:role/other")], "allowed"),
        ([statement(), statement("Deny", Condition={"Bool": {"aws:SecureTransport": "false"}})], "allowed"),
    ],
)
def test_a_denial_wins(statements: Json, expected: str) -> None:
    assert verdict(*statements, keys={"aws:securetransport": ["true"]}) == expected


ALLOW, DENY, NOTHING = [policy(statement())], [policy(statement("Deny"))], [policy(statement(Action="s3:*"))]


@pytest.mark.parametrize(
    ("policies", "reason"),
    [
        ({IDENTITY: ALLOW, BOUNDARY: ALLOW, SESSION: ALLOW}, ""),
        ({IDENTITY: []}, "because no identity-based policy allows the iam:GetRole action"),
        ({IDENTITY: DENY + ALLOW}, "with an explicit deny in an identity-based policy"),
        ({IDENTITY: NOTHING, BOUNDARY: DENY}, "with an explicit deny in a permissions boundary"),
        (
            {IDENTITY: ALLOW, BOUNDARY: NOTHING},
            "because no permissions boundary allows the iam:GetRole action",
        ),
        (
            {IDENTITY: NOTHING, BOUNDARY: ALLOW},
            "because no identity-based policy allows the iam:GetRole action",
        ),
        ({IDENTITY: ALLOW, SESSION: NOTHING}, "because no session policy allows the iam:GetRole action"),
        ({IDENTITY: ALLOW, SESSION: DENY}, "with an explicit deny in a session policy"),
    ],
)
def test_every_layer_has_to_allow(policies: Json, reason: str) -> None:
    assert decide(policies, Request("iam:GetRole", ROLE, {})).reason == reason
