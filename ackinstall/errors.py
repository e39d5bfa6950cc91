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
import re
from collections.abc import Sequence
from typing import Any

from ackinstall import denied, forbidden, web_identity
from ackinstall.codes import (
    ABSENT,
    CONNECTION,
    DENIED,
    EXISTS,
    EXPIRED,
    INVALID_KEYS,
    LATER,
    NOT_ENABLED,
    SKEWED,
    SKEWED_WORDS,
    THROTTLED,
)
from ackinstall.redaction import one_line, redact
from ackinstall.request import Request

REQUEST = "Request"
"""Where ackinstall.clients puts what was asked for into the answer of a call that failed."""


class AckinstallError(Exception):
    """A failure as a person reads it.

    Arguments: `reference` (kebab-case, stable, a section of docs/errors.md), `message` (one sentence, lower
    case), `hint` (what to do next, with the full command where there is one), `details` (lines of others to
    look at, such as a log's). Texts of others may be in all of them: each becomes one line, without what
    could be a credential. As a string it keeps its lines, for a wait that is told on several.
    """

    exit_code = 1

    def __init__(self, reference: str, message: str, hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(redact(message))
        self.reference = reference
        self.message = one_line(message)
        self.hint = one_line(hint)
        self.details = tuple(map(redact, details))


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


def expired() -> UsageError:
    """Return the error for credentials that have expired."""
    return UsageError(
        "expired-credentials",
        "the AWS credentials have expired",
        "log in again, as with `aws sso login`, then run the command again",
    )


def no_region() -> UsageError:
    """Return the error for a missing region."""
    return UsageError(
        "no-region", "no AWS region is set", "add `--region us-west-2`, or run `export AWS_REGION=us-west-2`"
    )


def filled(hint: str, cluster: str, region: str | None = None) -> str:
    """Return a hint whose commands name the `cluster`, and the `region` where one was chosen, in the place of
    NAME.
    """
    where = f" --region {region}" if region else ""
    return re.sub(
        r"(--cluster(?:-name)? |-(?:cluster|kubeconfig) --name )NAME\b", rf"\g<1>{cluster}{where}", hint
    )


def refused(code: str, text: str, asked: Request, about: str = "") -> AckinstallError:
    """Return what AWS's error `code` and `text` mean for a call, or for one object of a call for many."""
    operation = asked.action.rpartition(":")[2]
    if code in DENIED:
        denial = denied.read(text, asked)
        return AckinstallError("access-denied", about + denial.message, denial.hint)
    if code in THROTTLED:
        return Retry(f"{about}AWS throttles {operation} ({code})", "throttled", _throttled_hint(operation))
    if code in LATER:
        return _later(operation, code, about)
    if code in EXISTS:
        return Retry(f"{about}{operation} found it there already", "exists-already")
    if code in ABSENT:
        return Retry(f"{about}{operation} does not see it ({code})", "not-visible")
    return AckinstallError(
        "aws-refused",
        f"{about}{operation} failed: {code}: {text}",
        "mend what AWS names, then run the same command again; the call stands in `aws cloudtrail "
        f"lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue={operation} "
        "--max-results 5`",
    )


def _from_aws(error: Any, about: str) -> AckinstallError:  # noqa: ANN401 (a botocore ClientError)
    code = aws_code(error)
    operation = str(getattr(error, "operation_name", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    text = aws_text(error) or code
    if operation == web_identity.OPERATION and (refusal := web_identity.explain(code, text)):
        return AckinstallError(refusal.reference, about + refusal.message, refusal.hint)
    if wrong := _wrong_credentials(code, text):
        return wrong
    asked = error.response.get(REQUEST) or Request(operation)
    if status >= 500 and code not in THROTTLED:  # noqa: PLR2004 (HTTP)
        return _later(operation, code, about)
    return refused(code, text, asked, about)


def _later(operation: str, code: str, about: str) -> Retry:
    hint = "see https://health.aws.amazon.com/health/status, then run the same command again"
    return Retry(f"{about}{operation} must be tried again ({code})", "aws-not-ready", hint)


def _wrong_credentials(code: str, text: str) -> UsageError | None:
    """Return what is wrong with the login, or with the account; AWS's text may echo the whole request."""
    if code in SKEWED or (code in INVALID_KEYS and any(one in text.lower() for one in SKEWED_WORDS)):
        return UsageError(
            "clock-skewed",
            f"the clock of this machine is not AWS's, so AWS does not accept its signatures ({code})",
            "set it, as with `sudo timedatectl set-ntp true`, then run the command again; `ackinstall check "
            "--pre --cluster NAME` shows by how much it is off",
        )
    if code in EXPIRED:
        return expired()
    if code in INVALID_KEYS:
        return UsageError(
            "invalid-credentials",
            f"AWS does not accept the credentials ({code})",
            "see whose they are with `aws configure list`; `aws sts get-caller-identity` tries them; in a "
            "region that the account has not enabled none are accepted",
        )
    if code in NOT_ENABLED:
        return UsageError(
            "not-enabled",
            f"the account has not enabled the region, or the service in it ({code})",
            "see which it has with `aws account list-regions --region-opt-status-contains ENABLED "
            "ENABLED_BY_DEFAULT`; `aws account enable-region --region-name REGION` enables one",
        )
    return None


def _throttled_hint(operation: str) -> str:
    return (
        "something else in the account calls without a pause: `aws cloudtrail lookup-events "
        f"--lookup-attributes AttributeKey=EventName,AttributeValue={operation}` shows who; the same command "
        "again goes on from here"
    )


def _from_kubernetes(error: Any, about: str) -> AckinstallError:  # noqa: ANN401 (a kubernetes ApiException)
    status = int(error.status or 0)
    text = _kubernetes_text(error)
    if status == 401:  # noqa: PLR2004 (HTTP)
        return login_refused(about)
    if told := kubernetes_refuses(text, about):
        return told
    says = f"{about}the Kubernetes API says: {_quoted(text)}"
    if status == 403:  # noqa: PLR2004 (HTTP)
        return AckinstallError("admission-refused", says, _ADMISSION_HINT)
    if status in (0, 404, 409, 410, 429) or status >= 500:  # noqa: PLR2004 (HTTP)
        return Retry(says, "kubernetes-not-ready")
    return AckinstallError(
        "kubernetes-refused",
        says,
        "`ackinstall render --cluster NAME --to DIR` writes what is sent, and `kubectl apply --server-side "
        "--dry-run=server --filename FILE` tries one of the files; `ackinstall check --pre --cluster NAME` "
        "names a version of Kubernetes that is too old",
    )


LOGIN_REFUSED = "kubernetes-login-refused"
_GRANT = (
    "an administrator gives it an access entry with `aws eks create-access-entry --cluster-name NAME "
    "--principal-arn ARN`, where ARN is the user's, or the role's with its path"
)


def login_refused(about: str = "", grant: str = _GRANT) -> AckinstallError:
    """Return the error for an identity that the cluster does not know; `grant` is what makes it known."""
    return AckinstallError(
        LOGIN_REFUSED,
        f"{about}the cluster does not accept this AWS identity",
        "credentials that have expired are refused like this, and `aws sts get-caller-identity` tries them; "
        f"else {grant}",
    )


_ADMISSION_HINT = (
    "a quota, a pod security level or an admission policy of the cluster decides this: change that, "
    "or the values in the profile"
)
_WEBHOOKS = "`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`"
_DENIED_BY_WEBHOOK = re.compile(r"admission webhook [\"'](?P<name>[^\"']+)[\"'] denied the request")
_FAILING_WEBHOOK = re.compile(r"failed calling webhook [\"'](?P<name>[^\"']+)[\"']")
_TERMINATING = re.compile(r"in namespace (?P<name>[\w-]+) because it is being terminated")


def kubernetes_refuses(text: str, about: str = "") -> AckinstallError | None:
    """Return what the API server's `text`, which helm passes on too, means when it names a missing right, a
    webhook, or a namespace that is going away; None when it does not. `about` begins the message.
    """
    says = f"{about}the Kubernetes API says: {_quoted(text)}"
    if found := forbidden.read(text):
        return AckinstallError(
            "kubernetes-forbidden",
            about + found.message,
            f"{found.hint}; or make it administrator of the cluster (AmazonEKSClusterAdminPolicy)",
        )
    if match := _DENIED_BY_WEBHOOK.search(text):
        return AckinstallError(
            "admission-refused",
            says,
            f"the webhook '{match['name']}' decides this: change its rules, or the values in the profile; "
            f"{_WEBHOOKS} shows whose it is",
        )
    if match := _FAILING_WEBHOOK.search(text):
        return Retry(
            says,
            "webhook-fails",
            f"what serves the webhook '{match['name']}' has to answer: {_WEBHOOKS} shows which service that "
            "is, `kubectl get endpoints --all-namespaces` whether it has pods",
        )
    if match := _TERMINATING.search(text):
        return Retry(says, "namespace-terminating", terminating_hint(match["name"]))
    return None


def terminating_hint(namespace: str) -> str:
    """Return what helps when a namespace stays in Terminating."""
    return (
        f"see what holds it with `kubectl get namespace {namespace} --output "
        "jsonpath={.status.conditions}`: a finalizer goes when its controller runs (ACK's also by "
        "`ackinstall down --cluster NAME --workloads retain`), an API that does not answer is named by "
        "`kubectl get apiservices`; then run the same command again"
    )


def _quoted(text: str) -> str:
    return " ".join(text.replace('"', "'").split())


def _kubernetes_text(error: Any) -> str:  # noqa: ANN401 (a kubernetes ApiException)
    """Return the message of the Status that the API server answers, else the HTTP reason."""
    try:
        return str(json.loads(getattr(error, "body", None) or "")["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.status} {error.reason}"


def _sentence(error: BaseException) -> str:
    return one_line(str(error))[:400]
