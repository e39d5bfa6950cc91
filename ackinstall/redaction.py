"""Text of others on one line and without what could be a credential: AWS keys, session tokens, signatures,
JWTs, logins of proxies and registries. ARNs, digests and names of objects stay: they are looked for.
"""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"
_NAMED = (
    r"secret[_-]?access[_-]?key|session[_-]?token|security[_-]?token|x-amz-(?:signature|credential)|"
    r"web_?identity_?token|password|passwd|client[_-]?secret"
)
_SCHEMES = "basic|bearer|digest|negotiate|ntlm|token"
_IS = r"(?:\\*[\"'])?\s*(?:[:=]|%3D)\s*(?:\\*[\"'])?"
"""What stands between a name and its value, in JSON within JSON and in a URL's parameters too."""
_VALUE = r"(?:(?<=[\"'])[^\"'\\]+|[^\s\"'\\,;&]+)"
# In this order: what has a name is hidden whole, before a part of it is taken for something else.
_PATTERNS = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), instead)
    for pattern, instead in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|$)", HIDDEN),
        (r"://[^\s/@:?#\"']*(?::[^\s/\"']*)?@", f"://{HIDDEN}@"),
        (r"(aws4-hmac-sha256)(?:\s+\w+=\S+)+", rf"\1 {HIDDEN}"),
        (rf"(authorization{_IS}(?:(?:{_SCHEMES})\s+)?)(?!aws4-){_VALUE}", rf"\1{HIDDEN}"),
        (rf"((?:{_NAMED}){_IS}){_VALUE}", rf"\1{HIDDEN}"),
        (rf"(\b(?:signature|credential)(?:=|%3D)){_VALUE}", rf"\1{HIDDEN}"),
        (r"(\bbearer\s+)(?=\S*\d)[\w.~+/=-]{8,}", rf"\1{HIDDEN}"),
        (r"\beyJ[\w-]{8,}(?:\.[\w-]*){0,2}", HIDDEN),  # a JWT, or its beginning
        (r"\bk8s-aws-v1\.[\w-]+=*", HIDDEN),  # an EKS token
        (r"\b(?-i:AKIA|ASIA)(?-i:[A-Z0-9]){12,}", HIDDEN),  # an access key
    )
)
_LONG = re.compile(
    r"(?P<kept>\barn:aws[\w-]*:[\w-]*:[\w-]*:\d*:[^\s\"'`,;?]*"
    r"|(?:--encoded-message|Encoded authorization failure message:) \S+)"  # which STS decodes for its caller
    r"|(?<![\w/+])(?:(?P<key>[A-Za-z0-9/+]{40}(?![\w/+=]))|(?P<token>[A-Za-z0-9/+=_-]{100,}))"
)
_MIXED = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)")
PART = 20
"""A session token has a part as long as that without punctuation; a long path has words."""


def redact(text: str) -> str:
    """Return `text` with everything hidden that looks like a credential."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return _LONG.sub(lambda found: HIDDEN if _is_random(found) else found[0], text)


def one_line(text: str) -> str:
    """Return `text` without line breaks, and redacted."""
    return redact(" ".join(text.split()))


def cleaned(value: Any) -> Any:  # noqa: ANN401 (JSON-like)
    """Return JSON-like data with every text in it redacted."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: cleaned(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(one) for one in value]
    return value


def _is_random(found: re.Match[str]) -> bool:
    """Tell a secret key, or a token, from a long name; what is as long in hexadecimal is a digest."""
    parts = [found["key"] or "", *re.split(r"[/+=_-]", found["token"] or "")]
    return any(len(part) >= PART and _MIXED.match(part) for part in parts)
