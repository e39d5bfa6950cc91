"""What is said about the errors of AWS, Kubernetes and Helm, word for word."""

import io
from collections.abc import Mapping

import pytest
from botocore import exceptions as botocore
from conftest import Golden
from support.cluster import ApiError
from support.commands import aws_error
from urllib3.exceptions import MaxRetryError

from ackinstall.errors import (
    REQUEST,
    AckinstallError,
    Interrupted,
    Kept,
    Refused,
    Retry,
    is_absent,
    translate,
)
from ackinstall.helm import explain
from ackinstall.report import Report
from ackinstall.request import request

ANN = "arn:aws:iam::123456789012:user/ann"
SESSION = "IQoJb3JpZ2luX2VjE" + "Ab3/x+" * 40 + "=="
ECHO = (
    "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String "
    f"for this request should have been\n'GET\n/clusters/demo\n\nhost:eks\nx-amz-security-token:{SESSION}\n"
)
WEBHOOK = (
    'Internal error occurred: failed calling webhook "policy.example.com": failed to call webhook: Post '
    '"https://policy.example.svc:443/?timeout=10s": dial tcp 10.0.0.1:443: connect: connection refused'
)
ARN = "arn:aws:iam::123456789012:role/ack-controller-role-demo"


POLICIES = (
    ("an", "identity-based policy"),
    ("a", "permissions boundary"),
    ("a", "session policy"),
    ("a", "service control policy"),
    ("a", "resource control policy"),
    ("a", "VPC endpoint policy"),
    ("a", "resource-based policy"),
    ("the", "role trust policy"),
)


class _Odd(Exception):
    """Something that nobody foresaw."""


def denied(resource_and_why: str) -> Exception:
    """Return the denial of iam:CreateRole in AWS's words."""
    user = "arn:aws:iam::123456789012:user/ann"
    text = f"User: {user} is not authorized to perform: iam:CreateRole on resource: {resource_and_why}"
    return aws_error("AccessDenied", text, "CreateRole", 403)


def asked(error: Exception, service: str, parameters: Mapping[str, str]) -> Exception:
    """Return an error of a call as the clients give it on: with what was asked for."""
    about = request(service, error.operation_name, parameters, "us-west-2", ANN)  # type: ignore[attr-defined]
    error.response[REQUEST] = about  # type: ignore[attr-defined]
    return error


def of_token(code: str, text: str) -> Exception:
    """Return how STS refuses a web identity."""
    return aws_error(code, text, "AssumeRoleWithWebIdentity")


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
    "denied, in S3, without words": asked(
        aws_error("AccessDenied", "Access Denied", "ListObjectVersions", 403), "s3", {"Bucket": "data"}
    ),
    "denied, by EKS, without words": asked(
        aws_error("AccessDeniedException", "Access denied", "DescribeCluster", 403), "eks", {"name": "demo"}
    ),
    "denied, with words behind": denied(
        f"{ARN} with an explicit deny in a service control policy (Service: Iam; Status: 403). Ask for it."
    ),
    "denied, in S3": denied('"arn:aws:s3:::data/key" because no identity-based policy allows the action'),
    "denied, a role that IAM names without an ARN": denied(
        "role demo because no identity-based policy allows the iam:CreateRole action"
    ),
    "denied to a session": aws_error(
        "AccessDenied",
        "User: arn:aws:sts::123456789012:assumed-role/ci/run-7 is not authorized to perform: iam:CreateRole "
        f"on resource: {ARN} because no identity-based policy allows the iam:CreateRole action",
        "CreateRole",
        403,
    ),
    "denied, explicitly": denied(f"{ARN} with an explicit deny"),
    "denied, encoded": aws_error(
        "UnauthorizedOperation",
        "You are not authorized to perform this operation. Encoded authorization failure message: Ab-c_9",
        "DescribeVpcs",
        403,
    ),
    **{
        f"not allowed by {article} {policy}": denied(
            f"{ARN} because no {policy} allows the iam:CreateRole action"
        )
        for article, policy in POLICIES
    },
    **{
        f"denied by {article} {policy}": denied(f"{ARN} with an explicit deny in {article} {policy}")
        for article, policy in POLICIES
    },
    "denied by a policy with a name": denied(
        f"{ARN} with an explicit deny in a service control policy: "
        "arn:aws:organizations::210987654321:policy/o-example/service_control_policy/p-example"
    ),
    "no provider": of_token("InvalidIdentityToken", "No OpenIDConnect provider found in your account for x"),
    "another audience": of_token("InvalidIdentityToken", "Incorrect token audience"),
    "keys that cannot be read": of_token(
        "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider"
    ),
    "another issuer": of_token("InvalidIdentityToken", "Provided token could not be validated"),
    "a role that does not trust": of_token(
        "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    ),
    "a token that is old": of_token(
        "ExpiredTokenException", "Token expired: current date/time must be before"
    ),
    "an issuer that STS does not reach": of_token("IDPCommunicationError", "try again"),
    "expired": aws_error(
        "ExpiredToken", "The security token included in the request is expired", "GetRole", 403
    ),
    "unknown keys": aws_error(
        "InvalidClientTokenId", "The security token is invalid", "GetCallerIdentity", 403
    ),
    "a wrong signature": aws_error("InvalidSignatureException", ECHO, "DescribeCluster", 403),
    "a clock that is behind": aws_error(
        "SignatureDoesNotMatch", "Signature not yet current: 20260101T000000Z is still later", "GetRole", 403
    ),
    "a clock, in S3": aws_error("RequestTimeTooSkewed", "The difference is too large", "HeadBucket", 403),
    "a region that is not enabled": aws_error(
        "RegionDisabledException", "STS is not activated in this region", "GetCallerIdentity", 403
    ),
    "a proxy": botocore.ProxyConnectionError(proxy_url="http://ann:hunter2@proxy:3128"),
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
        403,
        "Forbidden",
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "a"',
    ),
    "forbidden by Kubernetes, on the cluster": ApiError(
        403,
        "Forbidden",
        'customresourcedefinitions.apiextensions.k8s.io "x" is forbidden: User "ann" cannot patch resource '
        '"customresourcedefinitions" in API group "apiextensions.k8s.io" at the cluster scope',
    ),
    "forbidden by Kubernetes, a path": ApiError(
        403, "Forbidden", 'forbidden: User "ann" cannot get path "/version"'
    ),
    "forbidden by Kubernetes, to give rights away": ApiError(
        403,
        "Forbidden",
        'clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "ann" (groups=["a"]) is attempting to '
        'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
    ),
    "refused by a policy of the cluster": ApiError(
        403, "Forbidden", 'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot'
    ),
    "denied by a webhook": ApiError(
        400, "BadRequest", 'admission webhook "policy.example.com" denied the request: no latest'
    ),
    "a webhook that fails": ApiError(500, "InternalError", WEBHOOK),
    "a namespace that goes": ApiError(
        403,
        "Forbidden",
        'configmaps "x" is forbidden: unable to create new content in namespace a because it is being '
        "terminated",
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
    "helm without rights": explain(
        'Error: query: failed to query with labels: secrets is forbidden: User "ann" cannot list resource '
        '"secrets" in API group "" in the namespace "ack-system"'
    ),
    "helm, denied by a webhook": explain(
        'Error: UPGRADE FAILED: admission webhook "policy.example.com" denied the request: no latest'
    ),
    "helm, a webhook that fails": explain(f"Error: UPGRADE FAILED: {WEBHOOK}"),
    "helm without a login": explain(
        "Error: Kubernetes cluster unreachable: the server has asked for the client to provide credentials"
    ),
    "helm, a login that ends": explain("Error: query: failed to query with labels: Unauthorized"),
    "a registry without a login": explain(
        'Error: GET "https://x/v2/y/manifests/1": response status code 401: Unauthorized'
    ),
    "a value that is no refusal": explain(
        "Error: values don't meet the specifications of the schema: image.tag: '401f' is not valid"
    ),
    "helm on what others change": explain("Error: UPGRADE FAILED: the object has been modified"),
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
