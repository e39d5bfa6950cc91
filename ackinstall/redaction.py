"""Text of others without what could be a credential: AWS keys, session tokens, signatures, JWTs."""

import re

HIDDEN = "(hidden)"
_NAMED = (
    r"secret[_-]?access[_-]?key|session[_-]?token|security[_-]?token|x-amz-(?:signature|credential)|"
    r"authorization|password|passwd|client[_-]?secret"
)
_SECRETS = re.compile(
    r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}"  # a JWT, or its beginning
    r"|\bk8s-aws-v1\.[\w-]+"  # an EKS token
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"  # an access key
    # A secret key has 40 characters of base64; what is as long in hexadecimal is a digest.
    r"|(?<![\w/+])(?=[\w/+]*[a-z])(?=[\w/+]*[A-Z])(?=[\w/+]*\d)[A-Za-z0-9/+]{40}(?![\w/+=])"
    r"|(?<![\w/+])(?=[\w/+]*[A-Z])[A-Za-z0-9/+=_-]{100,}",  # a session token
)
_VALUES = re.compile(rf"(?P<name>(?:{_NAMED})[\"']?\s*[:=]\s*[\"']?)(?:bearer\s+)?[^\s\"',&]+", re.IGNORECASE)
_BEARER = re.compile(r"(?P<name>\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)


def redact(text: str) -> str:
    """Return `text` with everything hidden that looks like a credential."""
    named = _BEARER.sub(rf"\g<name>{HIDDEN}", _VALUES.sub(rf"\g<name>{HIDDEN}", text))
    return _SECRETS.sub(HIDDEN, named)
