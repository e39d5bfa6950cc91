"""What can go wrong, in three words that the engine knows, and one shape that a person reads.

    AckinstallError          a failure with a reference, one sentence and a hint
    ├── Retry                look again later: throttled, not visible yet, still being made
    ├── Refused              a person must decide; nothing was changed
    ├── Kept                 left in place on purpose, because removing it would lose something
    ├── UsageError           the command line, the environment or the profile is wrong
    ├── Locked               another run works on the same cluster
    └── Interrupted          the user asked to stop

Foreign errors are mapped once, in `translate`: botocore, Kubernetes and Helm each word the same few
causes in their own way. This module imports none of those libraries; it reads their errors by shape.
"""

import re
from typing import Any


class AckinstallError(Exception):
    """A failure as a person reads it.

    Arguments: `reference` (kebab-case, stable, for searching), `message` (one sentence, lower case),
    `hint` (what to do next, with the full command where there is one).
    """

    exit_code = 1

    def __init__(self, reference: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reference = reference
        self.message = message
        self.hint = hint


class Retry(AckinstallError):
    """Look again: the world was not ready to answer or to accept the change."""

    def __init__(self, message: str, reference: str = "not-ready", hint: str = "") -> None:
        super().__init__(reference, message, hint)


class Refused(AckinstallError):
    """A person must decide before anything is changed."""

    exit_code = 3


class Kept(AckinstallError):
    """The object stays on purpose; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__("kept", message)


class UsageError(AckinstallError):
    """The command line, the environment or the profile is wrong; nothing was changed."""

    exit_code = 2


class Locked(AckinstallError):
    """Another run holds the lock of this cluster."""

    exit_code = 5


class Interrupted(AckinstallError):
    """The user asked to stop; the same command goes on later."""

    exit_code = 130

    def __init__(self) -> None:
        super().__init__("interrupted", "stopped before the end", "run the same command again to go on")


# Error codes that AWS services give for "too fast" or "later", beside any 5xx status.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "TooManyRequestsException",
        "PriorRequestNotComplete",
        "SlowDown",
        "RequestTimeout",
        "RequestTimeoutException",
        "ConcurrentModification",
        "ConcurrentModificationException",
        "OperationAborted",
        "ServiceFailure",
        "InternalFailure",
        "InternalError",
        "ServiceUnavailable",
    }
)
# "It is there already": a reply was lost or a read was stale, so the next look decides.
_EXISTS = frozenset({"EntityAlreadyExists", "BucketAlreadyOwnedByYou", "ResourceInUseException"})
# "It is not there (yet)": a read came from a copy that lags behind the write.
_ABSENT = frozenset(
    {"NoSuchEntity", "NoSuchBucket", "ResourceNotFoundException", "404", "NotFound", "NoSuchTagSet"}
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden", "AuthFailure"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_INVALID_KEYS = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)
_CONNECTION = frozenset(
    {
        "ConnectionError",
        "ConnectionClosedError",
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "MaxRetryError",
        "NewConnectionError",
        "ProtocolError",
        "ReadTimeoutError",
        "ResponseStreamingError",
    }
)
_DENIED_WORDING = re.compile(
    r"not authorized to perform: (?P<action>\S+)(?: on resource: (?P<resource>.+?))?(?: because .*)?$",
    re.DOTALL,
)


def aws_code(error: BaseException) -> str:
    """Return the error code of a botocore ClientError, or "" when `error` is none."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def is_absent(error: BaseException) -> bool:
    """Tell whether AWS or Kubernetes says that the object does not exist."""
    return aws_code(error) in _ABSENT or getattr(error, "status", None) == 404  # noqa: PLR2004 (HTTP)


def translate(error: BaseException, doing: str = "") -> AckinstallError:
    """Map an error of botocore, Kubernetes or Helm to one of ours.

    `doing` names the object that was worked on, for the message. An AckinstallError passes through.
    """
    if isinstance(error, AckinstallError):
        return error
    about = f"{doing}: " if doing else ""
    if isinstance(getattr(error, "response", None), dict):
        return _from_aws(error, about)
    if hasattr(error, "status") and hasattr(error, "reason"):
        return _from_kubernetes(error, about)
    name = type(error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return UsageError(
            "no-credentials",
            "no AWS credentials were found",
            "run `aws configure` or `aws sso login`, or name a profile with `--aws-profile NAME`",
        )
    if name in ("TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError"):
        return UsageError("expired-credentials", "the AWS login has expired", "run `aws sso login`")
    if name == "ProfileNotFound":
        profile = getattr(error, "kwargs", {}).get("profile", "")
        return UsageError(
            "unknown-aws-profile",
            f"there is no AWS profile '{profile}'",
            "run `aws configure list-profiles` to see those that there are",
        )
    if name == "NoRegionError":
        return no_region()
    if name in _CONNECTION or isinstance(error, (ConnectionError, TimeoutError)):
        return Retry(f"{about}no answer ({_sentence(error)})", "connection-lost", _CONNECTION_HINT)
    return AckinstallError(
        "unexpected",
        f"{about}{name}: {_sentence(error)}",
        "run it again as `ackinstall --debug COMMAND`, which shows where it failed",
    )


_CONNECTION_HINT = (
    "check the network, a proxy in HTTPS_PROXY and AWS_ENDPOINT_URL, then run the command again"
)


def no_region() -> UsageError:
    """Return the error for a missing region."""
    return UsageError(
        "no-region", "no AWS region is set", "add `--region us-west-2`, or run `export AWS_REGION=us-west-2`"
    )


def _from_aws(error: Any, about: str) -> AckinstallError:  # noqa: ANN401 (a botocore ClientError)
    code = aws_code(error)
    operation = str(getattr(error, "operation_name", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = str(error.response.get("Error", {}).get("Message", "")) or code
    if code in _EXPIRED:
        return UsageError(
            "expired-credentials",
            "the AWS credentials have expired",
            "log in again, as with `aws sso login`, then run the command again",
        )
    if code in _INVALID_KEYS:
        return UsageError(
            "invalid-credentials",
            f"AWS does not accept the credentials ({code})",
            "see whose they are with `aws configure list`; `aws sts get-caller-identity` tries them",
        )
    if code in _DENIED:
        return _denied(text, operation, about)
    if code in _THROTTLED or status >= 500:  # noqa: PLR2004 (HTTP)
        return Retry(f"{about}{operation} must be tried again ({code})", "throttled")
    if code in _EXISTS:
        return Retry(f"{about}{operation} found it there already", "exists-already")
    if code in _ABSENT:
        return Retry(f"{about}{operation} does not see it ({code})", "not-visible")
    return AckinstallError("aws-refused", f"{about}{operation} failed: {code}: {text}")


def _denied(text: str, operation: str, about: str) -> AckinstallError:
    match = _DENIED_WORDING.search(text)
    action = match["action"] if match else operation
    resource = (match["resource"] or "") if match else ""
    where = f" on '{resource}'" if resource else ""
    return AckinstallError(
        "access-denied",
        f"{about}this AWS identity may not call '{action}'{where}",
        "allow the action; `ackinstall render --installer-policy` prints the whole policy that is needed",
    )


def _from_kubernetes(error: Any, about: str) -> AckinstallError:  # noqa: ANN401 (a kubernetes ApiException)
    status = int(error.status or 0)
    text = _kubernetes_message(error)
    if status == 401:  # noqa: PLR2004 (HTTP)
        return AckinstallError(
            "kubernetes-login-refused",
            f"{about}the cluster does not accept this AWS identity",
            "give it an access entry: `aws eks create-access-entry --cluster-name NAME --principal-arn ARN`",
        )
    if status == 403:  # noqa: PLR2004 (HTTP)
        return AckinstallError(
            "kubernetes-forbidden",
            f"{about}{text}",
            "use an identity that is administrator of the cluster (AmazonEKSClusterAdminPolicy)",
        )
    if status in (0, 404, 409, 410, 429) or status >= 500:  # noqa: PLR2004 (HTTP)
        return Retry(f"{about}the Kubernetes API says: {text}", "kubernetes-not-ready")
    return AckinstallError("kubernetes-refused", f"{about}the Kubernetes API says: {text}")


def _kubernetes_message(error: Any) -> str:  # noqa: ANN401 (a kubernetes ApiException)
    match = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', str(getattr(error, "body", "") or ""))
    return match[1].replace('\\"', "'") if match else f"{error.status} {error.reason}"


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:400]
