"""What can go wrong, in three words that the engine knows, and one shape that a person reads.

    AckinstallError          a failure with a reference, one sentence and a hint
    ├── Retry                look again later: throttled, not visible yet, still being made
    ├── Refused              a person must decide; nothing was changed
    ├── Kept                 left in place on purpose, because removing it would lose something
    ├── UsageError           the command line, the environment or the profile is wrong
    ├── Locked               another run works on the same cluster
    └── Interrupted          the user asked to stop

Foreign errors are mapped once, in `translate`: botocore, Kubernetes and Helm each word the same few
causes in their own way. This module imports none of those libraries; it reads their errors by shape. What a
denial says is read in ackinstall.denied (AWS) and ackinstall.forbidden (Kubernetes).
"""

import json
from collections.abc import Sequence
from typing import Any

from ackinstall import denied, forbidden, web_identity
from ackinstall.codes import ABSENT, CONNECTION, DENIED, EXISTS, EXPIRED, INVALID_KEYS, LATER, THROTTLED
from ackinstall.redaction import redact


class AckinstallError(Exception):
    """A failure as a person reads it.

    Arguments: `reference` (kebab-case, stable, for searching), `message` (one sentence, lower case),
    `hint` (what to do next, with the full command where there is one), `details` (lines of others to look at,
    such as a log's, without credentials).
    """

    exit_code = 1

    def __init__(self, reference: str, message: str, hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reference = reference
        self.message = message
        self.hint = hint
        self.details = tuple(details)


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


def aws_code(error: BaseException) -> str:
    """Return the error code of a botocore ClientError, or "" when `error` is none."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def aws_text(error: BaseException) -> str:
    """Return what a botocore ClientError says in words, or "" when `error` is none."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Message", "") or "") if isinstance(response, dict) else ""


def is_absent(error: BaseException) -> bool:
    """Tell whether AWS or Kubernetes says that the object does not exist."""
    return aws_code(error) in ABSENT or getattr(error, "status", None) == 404  # noqa: PLR2004 (HTTP)


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
    if name in CONNECTION or isinstance(error, (ConnectionError, TimeoutError)):
        return Retry(f"{about}no answer ({_sentence(error)})", "connection-lost", _CONNECTION_HINT)
    return AckinstallError(
        "unexpected",
        f"{about}{name}: {_sentence(error)}",
        "run it again as `ackinstall --debug COMMAND`, which shows where it failed",
    )


_CONNECTION_HINT = (
    "check the network, a proxy in HTTPS_PROXY and AWS_ENDPOINT_URL, then run the command again"
)


def cannot_write(error: OSError, other: str) -> UsageError:
    """Return the error for a file that cannot be written; `other` is what to name in its place, with the
    option: "another file with `--junit FILE`".
    """
    message = f"'{error.filename}' cannot be written: {error.strerror}"
    return UsageError("cannot-write", message, f"name {other}")


def no_region() -> UsageError:
    """Return the error for a missing region."""
    return UsageError(
        "no-region", "no AWS region is set", "add `--region us-west-2`, or run `export AWS_REGION=us-west-2`"
    )


def _from_aws(error: Any, about: str) -> AckinstallError:  # noqa: ANN401 (a botocore ClientError)
    code = aws_code(error)
    operation = str(getattr(error, "operation_name", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = aws_text(error) or code
    if operation == web_identity.OPERATION and (refusal := web_identity.explain(code, text)):
        return AckinstallError(refusal.reference, about + refusal.message, refusal.hint)
    if code in EXPIRED:
        return UsageError(
            "expired-credentials",
            "the AWS credentials have expired",
            "log in again, as with `aws sso login`, then run the command again",
        )
    if code in INVALID_KEYS:
        return UsageError(
            "invalid-credentials",
            f"AWS does not accept the credentials ({code})",
            "see whose they are with `aws configure list`; `aws sts get-caller-identity` tries them",
        )
    if code in DENIED:
        is_s3 = "HostId" in error.response.get("ResponseMetadata", {})  # which only S3's answers have
        denial = denied.read(text, operation, is_s3=is_s3)
        return AckinstallError("access-denied", about + denial.message, denial.hint)
    if code in THROTTLED:
        return Retry(f"{about}AWS throttles {operation} ({code})", "throttled", _throttled_hint(operation))
    if code in LATER or status >= 500:  # noqa: PLR2004 (HTTP)
        return Retry(f"{about}{operation} must be tried again ({code})", "aws-not-ready", _AWS_HINT)
    if code in EXISTS:
        return Retry(f"{about}{operation} found it there already", "exists-already")
    if code in ABSENT:
        return Retry(f"{about}{operation} does not see it ({code})", "not-visible")
    return AckinstallError("aws-refused", f"{about}{operation} failed: {code}: {text}")


_AWS_HINT = "see https://health.aws.amazon.com/health/status, then run the same command again"


def _throttled_hint(operation: str) -> str:
    return (
        "something else in the account calls without a pause: `aws cloudtrail lookup-events "
        f"--lookup-attributes AttributeKey=EventName,AttributeValue={operation}` shows who; the same command "
        "again goes on from here"
    )


def _from_kubernetes(error: Any, about: str) -> AckinstallError:  # noqa: ANN401 (a kubernetes ApiException)
    status = int(error.status or 0)
    text = _kubernetes_text(error)
    told = " ".join(text.replace('"', "'").split())
    if status == 401:  # noqa: PLR2004 (HTTP)
        return AckinstallError(
            "kubernetes-login-refused",
            f"{about}the cluster does not accept this AWS identity",
            "give it an access entry: `aws eks create-access-entry --cluster-name NAME --principal-arn ARN`",
        )
    if status == 403:  # noqa: PLR2004 (HTTP)
        return kubernetes_forbids(text, about) or AckinstallError(
            "admission-refused",
            f"{about}the Kubernetes API says: {told}",
            "a quota, a pod security level or an admission policy of the cluster decides this: change that, "
            "or the values in the profile",
        )
    if status in (0, 404, 409, 410, 429) or status >= 500:  # noqa: PLR2004 (HTTP)
        return Retry(f"{about}the Kubernetes API says: {told}", "kubernetes-not-ready")
    return AckinstallError("kubernetes-refused", f"{about}the Kubernetes API says: {told}")


def kubernetes_forbids(text: str, about: str = "") -> AckinstallError | None:
    """Return what the API server's `text`, which helm passes on too, means when it is a refusal that names a
    missing right, or a namespace that is going away; None when it is neither. `about` begins the message.
    """
    if found := forbidden.read(text):
        return AckinstallError(
            "kubernetes-forbidden",
            about + found.message,
            f"{found.hint}; or make it administrator of the cluster (AmazonEKSClusterAdminPolicy)",
        )
    if "because it is being terminated" in text:
        told = " ".join(text.replace('"', "'").split())
        return Retry(f"{about}the Kubernetes API says: {told}", "namespace-terminating", TERMINATING_HINT)
    return None


TERMINATING_HINT = (
    "see what holds it with `kubectl get namespace NAME --output jsonpath={.status.conditions}`: a finalizer "
    "goes when its controller runs (ACK's also by `ackinstall down --cluster NAME --workloads retain`), an "
    "API that does not answer is named by `kubectl get apiservices`; then run the same command again"
)
"""What helps when a namespace stays in Terminating."""


def _kubernetes_text(error: Any) -> str:  # noqa: ANN401 (a kubernetes ApiException)
    """Return the message of the Status that the API server answers, else the HTTP reason."""
    try:
        return str(json.loads(getattr(error, "body", None) or "")["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"


def _sentence(error: BaseException) -> str:
    return redact(" ".join(str(error).split()))[:400]
