"""Who makes a call: its signature checked with the secret of the access key that it names."""

from datetime import UTC, datetime, timedelta

from moto.core.request import Request

from ackinstall.sandbox.aws import principals, signature
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Scope
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.principals import Principal

_TOLERANCE = timedelta(minutes=15)
# Services of the JSON protocols word the same refusals in their own way.
_QUERY_SERVICES = frozenset(
    {"iam", "sts", "cloudformation", "cloudwatch", "ec2", "sns", "sqs", "elasticloadbalancing"}
)


def identify(account: Account, request: Request, scope: Scope) -> Principal:
    """Return the caller.

    AwsError as the service words it: the key is unknown, its time is over, or the signature is wrong.
    """
    principal = principals.find(account, scope.access_key_id)
    if principal is None:
        raise _unknown_key(scope.service)
    sent_token = request.args.get("X-Amz-Security-Token") or request.headers.get("X-Amz-Security-Token", "")
    if sent_token != principal.session_token:
        raise _unknown_key(scope.service)
    if principal.expired:
        raise _expired_key(scope.service)
    if signature.presigned(request):
        _check_time(request, scope.service)
    signature.verify(request, principal.secret_access_key)
    return principal


def _check_time(request: Request, service: str) -> None:
    """Refuse a presigned request whose time is over: that of X-Amz-Expires for S3, else 15 minutes."""
    date = request.args["X-Amz-Date"]
    signed = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    lifetime = timedelta(seconds=int(request.args["X-Amz-Expires"])) if service == "s3" else _TOLERANCE
    if signed - _TOLERANCE <= datetime.now(UTC) <= signed + lifetime:
        return
    if service == "s3":
        raise AwsError("AccessDenied", "Request has expired", 403)
    raise AwsError("SignatureDoesNotMatch", f"Signature expired: {date}", 403)


def _unknown_key(service: str) -> AwsError:
    if service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return AwsError("InvalidAccessKeyId", message, 403)
    message = "The security token included in the request is invalid."
    if service in _QUERY_SERVICES:
        return AwsError("InvalidClientTokenId", message, 403)
    return AwsError("UnrecognizedClientException", message, 400)


def _expired_key(service: str) -> AwsError:
    if service == "s3":
        return AwsError("ExpiredToken", "The provided token has expired.", 400)
    message = "The security token included in the request is expired"
    return AwsError("ExpiredToken" if service in _QUERY_SERVICES else "ExpiredTokenException", message, 403)
