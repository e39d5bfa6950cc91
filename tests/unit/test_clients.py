"""What a real session adds to its calls: what was asked for goes with an error, and no token of the past."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ClientError
from tables import cases

from ackinstall.clients import Session
from ackinstall.errors import AckinstallError, translate

ANN = "arn:aws:iam::123456789012:user/ann"
WHOAMI = (
    f"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{ANN}</Arn></GetCallerIdentityResult>"
    "</GetCallerIdentityResponse>"
)


class Raw(io.BytesIO):
    """A body as botocore reads it from a connection."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return a session with keys, which reaches no network."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_CREDENTIAL_EXPIRATION", raising=False)
    return Session(region="us-west-2")


def answering(session: Session, *answers: tuple[int, str]) -> None:
    """Let AWS answer the calls so, one after the other."""
    left = list(answers)

    def reply(**_: object) -> AWSResponse:
        status, body = left.pop(0)
        return AWSResponse("http://127.0.0.1:9", status, HeadersDict(), Raw(body.encode()))  # type: ignore[arg-type]

    session._session.events.register_last("before-send", reply)


def told(session: Session, call: Callable[[Session], object]) -> AckinstallError:
    """Return what a 403 to a call means, for somebody who has been asked who it is."""
    answering(session, (200, WHOAMI), (403, ""))
    session.client("sts").get_caller_identity()
    with pytest.raises(ClientError) as caught:
        call(session)
    return translate(caught.value)


DENIED = [
    ("a head", lambda one: one.client("s3").head_bucket(Bucket="data"), "s3:ListBucket", "arn:aws:s3:::data"),
    (
        "EKS",
        lambda one: one.client("eks").describe_cluster(name="demo"),
        "eks:DescribeCluster",
        "arn:aws:eks:us-west-2:123456789012:cluster/demo",
    ),
]


@pytest.mark.parametrize(("call", "action", "resource"), cases(DENIED))
def test_what_was_asked_for_goes_with_a_denial(
    session: Session, call: Callable[[Session], object], action: str, resource: str
) -> None:
    """AWS names neither action nor resource; who calls was asked before."""
    error = told(session, call)
    assert error.message == f"'{ANN}' may not call '{action}' on '{resource}'"
    assert f'{{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}' in error.hint


def test_no_token_is_made_of_credentials_that_have_expired(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster would say that it does not know this identity."""
    assert session.eks_token("demo").startswith("k8s-aws-v1.")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", (datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    with pytest.raises(AckinstallError) as caught:
        session.eks_token("demo")
    assert caught.value.reference == "expired-credentials"
