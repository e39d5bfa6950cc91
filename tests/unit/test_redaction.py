"""Nothing that could be a credential is shown of other people's text."""

import base64
import json
import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import cases

from ackinstall.redaction import HIDDEN, redact

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SESSION = "IQoJb3JpZ2luX2VjE" + "Ab3/x+" * 40 + "=="
JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "RS256", "kid": "1"}, {"sub": "system:serviceaccount:ack-system:x"}, "signature")
)
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
]


@pytest.mark.parametrize(("text", "secret"), cases(TEXTS))
def test_credentials_are_hidden(text: str, secret: str) -> None:
    """Whatever form they come in."""
    shown = redact(text)
    assert secret not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "unable to get caller identity: AccessDenied: not authorized to perform sts:AssumeRole",
        "arn:aws:iam::123456789012:role/ack-controller-role-demo",
        "https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
        "image sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae was pulled",
        "commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12",
        '{"level":"info","ts":"2026-01-01T00:00:00.000Z","logger":"setup","msg":"initializing"}',
    ],
)
def test_the_rest_is_left(text: str) -> None:
    """ARNs, digests and messages are what a person looks for."""
    assert redact(text) == text


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
