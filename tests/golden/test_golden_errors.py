"""What is said about the errors of AWS, Kubernetes and Helm, word for word."""

import io

import pytest
from botocore import exceptions as botocore
from conftest import Golden
from support.cluster import ApiError
from support.commands import aws_error
from urllib3.exceptions import MaxRetryError

from ackinstall.errors import AckinstallError, Interrupted, Kept, Refused, Retry, is_absent, translate
from ackinstall.helm import explain
from ackinstall.report import Report

ARN = "arn:aws:iam::123456789012:role/ack-controller-role-demo"


class _Odd(Exception):
    """Something that nobody foresaw."""


ERRORS: dict[str, Exception] = {
    "denied, with action and resource": aws_error(
        "AccessDenied",
        f"User: ann is not authorized to perform: iam:CreateRole on resource: {ARN} because of x",
        "CreateRole",
        403,
    ),
    "denied, with the action": aws_error(
        "AccessDeniedException",
        "User: ann is not authorized to perform: eks:ListClusters",
        "ListClusters",
        403,
    ),
    "denied, without words": aws_error("403", "Forbidden", "HeadBucket", 403),
    "expired": aws_error(
        "ExpiredToken", "The security token included in the request is expired", "GetRole", 403
    ),
    "unknown keys": aws_error(
        "InvalidClientTokenId", "The security token is invalid", "GetCallerIdentity", 403
    ),
    "throttled": aws_error("Throttling", "Rate exceeded", "CreateRole"),
    "failed inside AWS": aws_error("Whatever", "", "CreateRole", 503),
    "there already": aws_error("EntityAlreadyExists", "Role exists", "CreateRole", 409),
    "not there": aws_error("NoSuchEntity", "The role cannot be found", "GetRole", 404),
    "refused": aws_error("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", "CreateRole", 409),
    "no credentials": botocore.NoCredentialsError(),
    "half of the credentials": botocore.PartialCredentialsError(
        provider="env", cred_var="AWS_SECRET_ACCESS_KEY"
    ),
    "an expired login": botocore.UnauthorizedSSOTokenError(),
    "an unknown profile": botocore.ProfileNotFound(profile="prod"),
    "no region": botocore.NoRegionError(),
    "no answer of AWS": botocore.EndpointConnectionError(endpoint_url="https://iam.amazonaws.com/"),
    "a connection that broke": ConnectionResetError(104, "Connection reset by peer"),
    "no answer of Kubernetes": MaxRetryError(None, "/version", ConnectionRefusedError(111, "refused")),  # type: ignore[arg-type]
    "a login that Kubernetes refuses": ApiError(401, "Unauthorized", "Unauthorized"),
    "forbidden by Kubernetes": ApiError(
        403, "Forbidden", 'namespaces "a" is forbidden: User "ann" cannot get it'
    ),
    "conflict": ApiError(409, "Conflict", "the object has been modified"),
    "invalid": ApiError(422, "Invalid", "spec.replicas: Invalid value: -1"),
    "overloaded": ApiError(503, "Service Unavailable", "apiserver is shutting down"),
    "no helm": explain("/bin/sh: 1: helm: not found"),
    "no release": explain("Error: release: not found"),
    "a helm at work": explain("Error: UPGRADE FAILED: another operation (install/upgrade) is in progress"),
    "no chart": explain("Error: public.ecr.aws/aws-controllers-k8s/none-chart:1.0.0: not found"),
    "a registry that refuses": explain("Error: GET: response status code 403: denied: expired"),
    "helm without a cluster": explain("Error: Kubernetes cluster unreachable: Get https://x: EOF"),
    "helm without rights": explain('Error: secrets is forbidden: User "ann" cannot list resource "secrets"'),
    "no registry": explain("Error: Get https://public.ecr.aws/v2/: dial tcp: lookup: no such host"),
    "helm failed": explain("Error: execution error at (x/templates/y.yaml:1:1): boom"),
    "helm said nothing": explain(""),
    "what nobody foresaw": _Odd("oh"),
    "left on purpose": Kept("holds objects"),
    "a person must decide": Refused("needs-a-decision", "'bucket/x' exists and is not ours"),
    "stopped": Interrupted(),
}


def test_errors(golden: Golden) -> None:
    """Each error has a reference, one sentence, an exit code, and what to do next where one can."""
    lines = []
    for name, error in ERRORS.items():
        told = translate(error, "iam-role/demo")
        stream = io.StringIO()
        Report(progress=stream).error(told)
        kind = "look again" if isinstance(told, Retry) else f"exit {told.exit_code}"
        lines += [f"# {name}: {kind}", stream.getvalue()]
    golden("errors.txt", "\n".join(lines))


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_one_sentence_without_secrets(name: str) -> None:
    """No message has a line break, every reference is in kebab-case, and an error of ours stays as it is."""
    told = translate(ERRORS[name])
    assert isinstance(told, AckinstallError)
    assert translate(told) is told
    assert "\n" not in told.message
    assert told.reference == told.reference.lower().replace("_", "-").replace(" ", "-")


def test_what_is_absent_is_known() -> None:
    """Not found is told from other errors, of AWS as of Kubernetes."""
    absent = {name for name, error in ERRORS.items() if is_absent(error)}
    assert absent == {"not there"}
    assert is_absent(ApiError(404, "NotFound", "gone"))
