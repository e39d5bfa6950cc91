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
DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403", "Forbidden", "AuthFailure"}
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
INVALID_KEYS = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)
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
        "ReadTimeoutError",
        "ResponseStreamingError",
    }
)
