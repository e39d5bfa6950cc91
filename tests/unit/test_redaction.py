"""Nothing that could be a credential is shown of other people's text."""

import base64
import io
import json
import secrets
import string
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import aws_error
from tables import cases
from things import Thing, World

from ackinstall import codes
from ackinstall.checks import results
from ackinstall.checks.check import Result, failed, passed
from ackinstall.checks.workloads import CHECKS
from ackinstall.engine import Progress, Status
from ackinstall.errors import AckinstallError, Retry, translate
from ackinstall.helm import explain
from ackinstall.redaction import HIDDEN, redact
from ackinstall.report import Report
from ackinstall.resource import Change, Kind

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION = "IQoJb3JpZ2luX2VjE" + "Ab3/x+" * 40 + "=="
JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "RS256", "kid": "1"}, {"sub": "system:serviceaccount:ack-system:x"}, "signature")
)
SIGNATURE = "0a1b" * 16
AWS4 = (
    f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-west-2/eks/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"
)
WEB_IDENTITY = "AssumeRoleWithWebIdentity"
TEXTS = [
    ("an access key", f"signed by {KEY}", KEY),
    ("a temporary one", f"signed by {KEY.replace('AKIA', 'ASIA')}", KEY.replace("AKIA", "ASIA")),
    ("a secret key alone", f"credentials [{SECRET}]", SECRET),
    ("a secret key as JSON", f'{{"SecretAccessKey": "{SECRET}", "a": 1}}', SECRET),
    ("a secret key in an environment", f"AWS_SECRET_ACCESS_KEY={SECRET}", SECRET),
    ("a session token", f"token {SESSION} is old", SESSION),
    ("a session token as YAML", f"aws_session_token: {SESSION}", SESSION),
    ("a short session token", "AWS_SESSION_TOKEN=abc", "abc"),
    ("a JWT", f"WebIdentityToken={JWT}&Version=2011-06-15", JWT),
    ("a bearer", f"Authorization: Bearer {JWT}", JWT),
    ("an opaque bearer", "sent 'Bearer 0123456789abcdef'", "0123456789abcdef"),
    (
        "an EKS token",
        "k8s-aws-v1.aHR0cHM6Ly9zdHMudXMtd2VzdC0yLmFtYXpvbmF3",
        "aHR0cHM6Ly9zdHMudXMtd2VzdC0y",
    ),
    ("a signature", f"?X-Amz-Signature={'0a' * 32}&x=1", "0a" * 32),
    ("a password", 'password="hunter2"', "hunter2"),
    ("a password with punctuation", 'password="hun,ter;2"', "ter;2"),
    ("a proxy's login", "proxy https://ann:hunter2@proxy:3128 failed", "hunter2"),
    ("a proxy's odd login", "https://ann:h@nter:2@proxy:3128/x", "h@nter:2"),
    ("a registry's token", "https://ghp_0123456789@github.com/a", "ghp_0123456789"),
    ("a basic login", "Authorization: Basic YW5uOmh1bnRlcjI=", "YW5uOmh1bnRlcjI"),
    ("a short bearer", "authorization: Bearer abc", "abc"),
    ("an AWS signature", f"authorization: {AWS4}", SIGNATURE),
    ("an AWS signature alone", AWS4, SIGNATURE),
    ("what signs", AWS4, KEY),
    ("a presigned URL", f"https://sts.example/?Action=x&X-Amz-Credential={KEY}%2F2026&x=1", KEY),
    ("its token", "https://sts.example/?X-Amz-Security-Token=IQoJb3%2Babc&x=1", "IQoJb3"),
    ("its token, within a token", "X-Amz-Security-Token%3DIQoJb3%2Babc", "IQoJb3"),
    (
        "a request that is echoed",
        f"should have been\n'GET\n/\nx-amz-security-token:{SESSION}\n\nhost'",
        SESSION,
    ),
    ("JSON within JSON", json.dumps(json.dumps({"SecretAccessKey": SECRET})), SECRET),
    ("a private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ("a variable with an odd name", f"AWS_FOO={SECRET}", SECRET),
]
HARMLESS = [
    "unable to get caller identity: AccessDenied: not authorized to perform sts:AssumeRole",
    "arn:aws:iam::123456789012:role/ack-controller-role-demo",
    "'arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef'",
    f"arn:aws:iam::123456789012:role/{'VeryLongPath1/' * 12}AmazonSageMakerFullAccessRole2",
    "iam-role/AmazonSageMaker-ExecutionRole-20260101T123456: not visible",
    "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
    "image sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae was pulled",
    f"oci://public.ecr.aws/aws-controllers-k8s/sagemaker-chart:1.8.2@sha256:{'0a' * 32}",
    "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
    "status code: 400, request id: 6f8d2c1e-0c3b-4b64-9d5e-0f2a1b3c4d5e",
    "request id 6GQTX5JZ70YYKPPV",
    '{"level":"info","ts":"2026-01-01T00:00:00.000Z","logger":"setup","msg":"initializing"}',
    "clusterroles.rbac.authorization.k8s.io is forbidden",
    "Bearer authentication is not enabled",
    "the security token included in the request is invalid",
    "http://mail.example/?to=ann@example.com",
    f"Encoded authorization failure message: {'Ab3-_' * 60}",
    f"--encoded-message {'Ab3-_' * 60}",
    "/home/Ann/Some2Project/with-a-very-long-path/and_another_one/that-goes-on/for-more-than/hundred-characters/X.py",
]


@pytest.mark.parametrize(("text", "secret"), cases(TEXTS))
def test_credentials_are_hidden(text: str, secret: str) -> None:
    """Whatever form they come in."""
    shown = redact(text)
    assert secret not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize("text", HARMLESS)
def test_the_rest_is_left(text: str) -> None:
    """ARNs, digests, names, identifiers and messages are what a person looks for."""
    assert redact(text) == text


@pytest.mark.parametrize(("text", "secret"), cases(TEXTS))
def test_nothing_is_told_that_could_be_a_credential(text: str, secret: str) -> None:
    """Whatever AWS, Kubernetes, helm, a controller or a library says, on whichever way it is told."""
    stream, events = io.StringIO(), io.StringIO()
    report = Report(progress=stream, answer=stream, events=events)
    known = {*_codes(), "Unheard"}
    errors = [aws_error(code, text, operation) for code in known for operation in ("GetRole", WEB_IDENTITY)]
    said = json.dumps({"message": text})
    answered = [SimpleNamespace(status=one, reason="x", body=said) for one in (401, 403, 404, 422, 500)]
    told = [*map(translate, errors), *(translate(cast("Exception", one)) for one in answered)]
    told += [explain(text), translate(ValueError(text)), translate(ConnectionResetError(104, text))]
    told += [AckinstallError("x", text, text, [text]), Retry(text)]
    for one in told[-len(answered) - 5 :]:
        report.error(one)
    for one in told:
        assert secret not in one.message + one.hint
        assert secret not in str(one)
        assert "\n" not in one.message + one.hint
    for finding in (failed(text, text, found=[text], more={"a": text}), passed(text)):
        result = Result(CHECKS[0], finding.outcome, finding.message, finding.hint, finding.data)
        report.event("check", **results.data(result))
        report.say(*results.lines(result, None), results.junit([result]))
    change = Change(Kind.WAIT, Thing(name="x", world=World()), reason=text)
    report.plan([change], {})
    report.step(Progress(change.resource, Status.FAILED, change, told[0].message, told[0]))
    assert secret not in stream.getvalue() + events.getvalue()


def _codes() -> set[str]:
    """Return all codes of errors that are known."""
    return {code for found in vars(codes).values() if isinstance(found, frozenset) for code in found}


@given(st.text())
def test_what_was_redacted_stays_as_it_is(text: str) -> None:
    """Texts pass it more than once."""
    for one in (text, f"password={text}", f"Authorization: {text}", f"https://{text}@x"):
        assert redact(redact(one)) == redact(one)


@given(st.text(string.ascii_letters + string.digits + "/+", min_size=40, max_size=40))
def test_every_secret_key_is_hidden(key: str) -> None:
    """A random key has letters of both cases and digits."""
    mixed = "aA1" + key[3:]
    assert mixed not in redact(f"x {mixed} y")


def test_real_tokens_are_hidden() -> None:
    """As long as those that STS makes."""
    for _ in range(50):
        token = base64.b64encode(secrets.token_bytes(300)).decode()
        assert token[:100] not in redact(f"token={token}")
