"""AWS Signature Version 4, checked.

Source: "Create a signed AWS API request" in the IAM user guide. In a presigned request the signature and
all that it needs stand in the query; otherwise they stand in the Authorization header.
"""

import hashlib
import hmac
import re
from urllib.parse import parse_qsl, quote

from moto.core.request import Request

from ackinstall.sandbox.aws.errors import AwsError

_UNRESERVED = "-_.~"
_WRONG = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


def presigned(request: Request) -> bool:
    """Whether the signature stands in the query."""
    return "X-Amz-Signature" in request.args


def verify(request: Request, secret_access_key: str) -> None:
    """Check a request's signature with its caller's secret.

    AwsError SignatureDoesNotMatch when it is wrong.
    """
    if presigned(request):
        parts = {
            "Credential": request.args["X-Amz-Credential"],
            "SignedHeaders": request.args.get("X-Amz-SignedHeaders", ""),
            "Signature": request.args["X-Amz-Signature"],
        }
    else:
        parts = dict(re.findall(r"(\w+)=([^,\s]+)", request.headers["Authorization"]))
    date = request.args.get("X-Amz-Date") or request.headers.get("X-Amz-Date", "")
    scope = parts["Credential"].split("/", 1)[1]
    canonical = _canonical(request, parts["SignedHeaders"].split(";"), scope.split("/")[2])
    to_sign = "\n".join(("AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4" + secret_access_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    if not hmac.compare_digest(expected, parts["Signature"]):
        raise AwsError("SignatureDoesNotMatch", _WRONG, 403)


def _canonical(request: Request, signed_headers: list[str], service: str) -> str:
    path = request.raw_path.split("?")[0] or "/"
    query = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in parse_qsl(request.query_string.decode(), keep_blank_values=True)
        if name != "X-Amz-Signature"
    )
    headers = [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signed_headers]
    return "\n".join(
        (
            request.method,
            path if service == "s3" else quote(path, safe="/" + _UNRESERVED),
            "&".join(f"{name}={value}" for name, value in query),
            *headers,
            "",
            ";".join(signed_headers),
            _payload_hash(request, service),
        )
    )


def _payload_hash(request: Request, service: str) -> str:
    if presigned(request) and service == "s3":
        return "UNSIGNED-PAYLOAD"
    declared = request.headers.get("X-Amz-Content-Sha256")
    return declared or hashlib.sha256(request.get_data()).hexdigest()
