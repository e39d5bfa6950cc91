"""The error codes of AWS, and the errors of libraries, that mean one and the same to the installer."""

# "Too fast": https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
THROTTLED = frozenset(
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
        "SlowDown",
    }
)
# "Later", beside any 5xx status.
LATER = frozenset(
    {
        "PriorRequestNotComplete",
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
EXISTS = frozenset({"EntityAlreadyExists", "BucketAlreadyOwnedByYou", "ResourceInUseException"})
# "It is not there (yet)": a read came from a copy that lags behind the write.
ABSENT = frozenset(
    {"NoSuchEntity", "NoSuchBucket", "ResourceNotFoundException", "404", "NotFound", "NoSuchTagSet"}
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
# Each service has its own name for keys that it does not know, and for a signature that they do not make:
# https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
INVALID_KEYS = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignature",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "MissingSecurityHeader",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
        "UnrecognizedClientException",
    }
)
# Signed at another time than AWS has. Other services say so under the code of a wrong signature.
SKEWED = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
SKEWED_WORDS = ("signature expired", "signature not yet current")
# The account has not turned something on: a region, a service.
NOT_ENABLED = frozenset({"OptInRequired", "RegionDisabledException", "SubscriptionRequiredException"})
CONNECTION = frozenset(
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
        "ProxyConnectionError",
        "ReadTimeoutError",
        "ResponseStreamingError",
    }
)
