"""How a denied call, a forbidden verb and a refused web identity are read, and what is given to mend them."""

import json

import pytest
import yaml
from tables import cases

from ackinstall import denied, forbidden, web_identity
from ackinstall.denied import Denial
from ackinstall.request import Request, request

ANN = "arn:aws:iam::123456789012:user/ann"
CI = "arn:aws-cn:sts::123456789012:assumed-role/ci/run-7"
ROLE = "arn:aws:iam::123456789012:role/demo"
QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
DENIED_TO_ANN = f"User: {ANN} is not authorized to perform:"
NOT_ALLOWED = "is not authorized to perform: iam:GetRole on resource:"
WORDINGS = [
    (
        "not allowed",
        f"User: {ANN} {NOT_ALLOWED} {ROLE} because no identity-based policy allows the iam:GetRole action",
        Denial("iam:GetRole", ANN, ROLE, "identity-based policy"),
    ),
    (
        "a role by its name",
        f"User: {CI} {NOT_ALLOWED} role demo because no session policy allows the iam:GetRole action",
        Denial("iam:GetRole", CI, "arn:aws-cn:iam::123456789012:role/demo", "session policy"),
    ),
    (
        "an instance profile by its name",
        f"User: {ANN} {NOT_ALLOWED} instance profile demo",
        Denial("iam:GetRole", ANN, "arn:aws:iam::123456789012:instance-profile/demo"),
    ),
    (
        "denied",
        f"User: {ANN} {NOT_ALLOWED} {ROLE} with an explicit deny in a permissions boundary",
        Denial("iam:GetRole", ANN, ROLE, "permissions boundary", is_explicit=True),
    ),
    (
        "denied by a policy with an ARN",
        f"User: {ANN} {NOT_ALLOWED} {ROLE} with an explicit deny in an identity-based policy: {QUARANTINE}",
        Denial(
            "iam:GetRole",
            ANN,
            ROLE,
            "identity-based policy",
            QUARANTINE,
            is_explicit=True,
        ),
    ),
    (
        "denied by something",
        f"User: {ANN} {NOT_ALLOWED} {ROLE} with an explicit deny",
        Denial("iam:GetRole", ANN, ROLE, is_explicit=True),
    ),
    (
        "no resource",
        f"{DENIED_TO_ANN} sagemaker:ListModels with an explicit deny in a service control policy",
        Denial("sagemaker:ListModels", ANN, policy="service control policy", is_explicit=True),
    ),
    (
        "quoted, and over two lines",
        (
            f'{DENIED_TO_ANN}\n  s3:GetObject on resource: "arn:aws:s3:::b/a key" because\nno resource-based '
            "policy allows the s3:GetObject action."
        ),
        Denial("s3:GetObject", ANN, "arn:aws:s3:::b/a key", "resource-based policy"),
    ),
    (
        "with an encoded message too",
        (
            f"You are not authorized to perform this operation. User: {ANN} {NOT_ALLOWED} {ROLE} because no "
            "permissions boundary allows the iam:GetRole action. Encoded authorization failure message: Ab-_9"
        ),
        Denial("iam:GetRole", ANN, ROLE, "permissions boundary"),
    ),
    (
        "nothing but an encoded message",
        "You are not authorized to perform this operation. Encoded authorization failure message: Ab-_9",
        Denial("iam:GetInstanceProfile", encoded="Ab-_9"),
    ),
    (
        "a trust policy",
        f"{DENIED_TO_ANN} sts:AssumeRole with an explicit deny in the role trust policy",
        Denial("sts:AssumeRole", ANN, policy="role trust policy", is_explicit=True),
    ),
    ("nothing", "Access Denied", Denial("iam:GetInstanceProfile")),
]


@pytest.mark.parametrize(("text", "wanted"), cases(WORDINGS))
def test_what_aws_says_is_read(text: str, wanted: Denial) -> None:
    """By whom, which action, on what, by which policy; each in every wording of AWS."""
    assert denied.read(text, Request("iam:GetInstanceProfile")) == wanted
    assert denied.names_action(text) == (wanted.user != "")


@pytest.mark.parametrize(("text", "wanted"), cases(WORDINGS))
def test_an_allow_is_offered_where_it_helps(text: str, wanted: Denial) -> None:
    """A statement for what nothing allows; for what something denies, the Deny and not another Allow."""
    hint = denied.read(text, Request("iam:GetInstanceProfile")).hint
    if wanted.is_explicit:
        assert "another Allow does not help" in hint
        assert '"Effect"' not in hint
        assert wanted.policy_arn in hint
    elif not wanted.encoded:
        statement = json.loads(hint[hint.index("{") : hint.rindex("}") + 1])
        assert (statement["Effect"], statement["Action"]) == ("Allow", wanted.action)
        assert statement["Resource"] == (wanted.resource or "*")
    assert "\n" not in hint


AROUND = [
    ("nothing", "{}"),
    ("an SDK for Java", "{} (Service: SageMaker; Status Code: 400; Error Code: AccessDeniedException)"),
    ("an SDK for Go", "AccessDeniedException: {}\n\tstatus code: 400, request id: 0a-1b"),
    ("a newer one", "operation error IAM: GetRole, https response error StatusCode: 403, AccessDenied: {}"),
    ("advice", "{}. Contact your administrator for access."),
    (
        "a log",
        '{{"level":"error","msg":"Reconciler error","error":"AccessDenied: {}\\n\\tstatus code: 403"}}',
    ),
]


@pytest.mark.parametrize(("text", "wanted"), cases(WORDINGS))
@pytest.mark.parametrize("around", cases(AROUND))
def test_a_denial_is_found_in_any_text(around: str, text: str, wanted: Denial) -> None:
    """What stands before and behind it changes nothing: an explicit deny is one, a resource has its end."""
    told = around.format(json.dumps(text)[1:-1] if around.startswith("{{") else text)
    found = denied.find(told)
    assert found == (wanted if wanted.user else None)


def test_all_denials_are_found_once() -> None:
    """Of each role once, whatever its sessions are called."""
    line = (
        "User: {} is not authorized to perform: {} on resource: {} because no identity-based policy allows it"
    )
    lines = [
        line.format(CI, "iam:GetRole", "*"),
        line.format(CI.replace("run-7", "run-8"), "iam:GetRole", "*"),
        line.format(CI, "iam:PassRole", ROLE),
    ]
    assert [(one.action, one.resource) for one in denied.find_all("\n".join(lines))] == [
        ("iam:GetRole", "*"),
        ("iam:PassRole", ROLE),
    ]


REQUESTS = [
    ("a bucket", "s3", "HeadBucket", {"Bucket": "b"}, "s3:ListBucket", "arn:aws:s3:::b"),
    ("an object", "s3", "GetObject", {"Bucket": "b", "Key": "x/y"}, "s3:GetObject", "arn:aws:s3:::b/x/y"),
    ("all buckets", "s3", "ListBuckets", {}, "s3:ListAllMyBuckets", ""),
    (
        "a cluster",
        "eks",
        "DescribeCluster",
        {"name": "demo"},
        "eks:DescribeCluster",
        "arn:aws:eks:us-west-2:123456789012:cluster/demo",
    ),
    ("a role", "iam", "GetRole", {"RoleName": "demo"}, "iam:GetRole", ROLE),
    ("an ARN", "iam", "X", {"OpenIDConnectProviderArn": "arn:x"}, "iam:X", "arn:x"),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "action", "resource"), cases(REQUESTS))
def test_a_denial_without_words_is_told_by_what_was_asked(
    service: str, operation: str, parameters: dict[str, str], action: str, resource: str
) -> None:
    """The action as IAM names it, the resource and the caller; without an account no ARN is made up."""
    asked = request(service, operation, parameters, "us-west-2", ANN)
    assert denied.read("Access Denied", asked) == Denial(action, ANN, resource)
    unknown = request(service, operation, parameters, "us-west-2")
    assert denied.read("Access Denied", unknown).user == ""
    assert "::role" not in unknown.resource
    assert "::cluster" not in unknown.resource


def test_what_was_asked_completes_what_is_told() -> None:
    """A text that names the action alone gets resource and caller, but not those of another action."""
    asked = Request("iam:GetRole", ROLE, ANN)
    assert denied.read("not authorized to perform: iam:GetRole", asked) == Denial("iam:GetRole", ANN, ROLE)
    assert denied.read("not authorized to perform: iam:PassRole", asked) == Denial("iam:PassRole", ANN)


def test_nobody_is_given_rights_for_want_of_a_name() -> None:
    """An unknown caller is no principal, and the hint says how to fill it in."""
    found = denied.read(
        "not authorized to perform: s3:GetObject because no VPC endpoint policy allows", Request("")
    )
    assert found.statement == {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    assert "`aws sts get-caller-identity` prints as its Principal" in found.hint


RIGHTS = [
    (
        "in a namespace",
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "a"',
        ("ann", ("list", "", "pods", "a")),
        "a Role in 'a'",
        [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    ),
    (
        "on the cluster",
        (
            'namespaces "a" is forbidden: User "system:serviceaccount:ci:ci" cannot create resource '
            '"namespaces" in API group "" at the cluster scope'
        ),
        ("system:serviceaccount:ci:ci", ("create", "", "namespaces", "")),
        "a ClusterRole",
        [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]}],
    ),
    (
        "a subresource",
        (
            'serviceaccounts "x" is forbidden: User "ann" cannot create resource "serviceaccounts/token" in '
            'API group "" in the namespace "a"'
        ),
        ("ann", ("create", "", "serviceaccounts/token", "a")),
        "a Role in 'a'",
        [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}],
    ),
    (
        "a path",
        'forbidden: User "system:anonymous" cannot get path "/version"',
        ("system:anonymous", ("get", "", "/version", "")),
        "a ClusterRole",
        [{"nonResourceURLs": ["/version"], "verbs": ["get"]}],
    ),
    (
        "to bind",
        (
            'rolebindings.rbac.authorization.k8s.io "x" is forbidden: user "ann" (groups=["a"]) is '
            'attempting to grant RBAC permissions not currently held:\n{APIGroups:[""]}'
        ),
        ("ann", ("bind", "rbac.authorization.k8s.io", "roles", "")),
        "a ClusterRole",
        [{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["bind"]}],
    ),
]


@pytest.mark.parametrize(("text", "wanted", "place", "rules"), cases(RIGHTS))
def test_what_kubernetes_says_is_read(
    text: str, wanted: object, place: str, rules: list[dict[str, object]]
) -> None:
    """The user, the right, and the rule that gives it, in YAML; the same in helm's words."""
    for told in (text, f"Error: UPGRADE FAILED: failed to create resource: {text}"):
        found = forbidden.read(told)
        assert found == wanted
        assert found is not None
        assert place in found.hint
        assert yaml.safe_load(found.hint.partition(" with the rules: ")[2]) == rules


def test_rules_for_many_rights_are_brought_together() -> None:
    """One rule for all verbs on a kind of object, one role for each namespace."""
    rights = [
        ("create", "", "secrets", "a"),
        ("patch", "", "secrets", "a"),
        ("get", "", "namespaces", ""),
        ("create", "", "secrets", "a"),
    ]
    assert forbidden.remedy("", rights) == (
        'bind this identity to a ClusterRole with the rules: [{apiGroups: [""], resources: ["namespaces"], '
        'verbs: ["get"]}]; and to a Role in \'a\' with the rules: [{apiGroups: [""], resources: ["secrets"], '
        'verbs: ["create", "patch"]}]'
    )


@pytest.mark.parametrize("text", ["", 'pods "x" is forbidden: exceeded quota: q', "403 Forbidden"])
def test_what_is_no_missing_right_is_not_read_as_one(text: str) -> None:
    """A quota, an admission policy or a registry's refusal names no right."""
    assert forbidden.read(text) is None


def test_a_session_is_let_in_by_its_role() -> None:
    """A session's name is another one tomorrow: what is bound is a group that the role is in."""
    hint = forbidden.remedy(CI.replace("aws-cn", "aws"), [("list", "", "pods", "a")])
    assert "run-7" not in hint
    assert hint.startswith("bind the group 'ackinstall' to a Role in 'a' with the rules: [{")
    assert (
        '`aws eks update-access-entry --cluster-name NAME --principal-arn "$(aws iam get-role --role-name ci '
        '--query Role.Arn --output text)" --kubernetes-groups ackinstall`'
    ) in hint


def test_other_errors_of_sts_are_left_to_others() -> None:
    """Throttling and the like say nothing about the identity."""
    assert web_identity.explain("Throttling", "Rate exceeded") is None
