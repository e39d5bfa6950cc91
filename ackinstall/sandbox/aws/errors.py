"""Errors that are answered to the caller in the format of the service that was called."""

from moto.core.errors import COMMON_ERROR_CODES
from moto.core.exceptions import ServiceException
from werkzeug.wrappers import Response

# Errors that any service may answer; moto warns of a code that neither its list nor the service's model has.
COMMON_ERROR_CODES.extend(
    (
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalFailure",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "MissingAuthenticationToken",
        "NotImplemented",
        "SignatureDoesNotMatch",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "UnrecognizedClientException",
    )
)


class AwsError(ServiceException):  # type: ignore[misc]  # moto is not checked
    """An error reply of AWS.

    `status` is the HTTP status; `reply` is moto's own reply when the error comes from there, and is then
    passed on as it is.
    """

    def __init__(self, code: str, message: str, status: int = 400, reply: Response | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.reply = reply


class UnsupportedError(AwsError):
    """The call is right for AWS, but the sandbox does not know how to answer it."""

    def __init__(self, what: str) -> None:
        super().__init__("NotImplemented", f"the sandbox does not support {what}", 501)
