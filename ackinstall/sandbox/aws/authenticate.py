"""The TokenReview webhook of the sandbox's API server: an EKS token becomes the caller's user and groups.

A token is `k8s-aws-v1.` and the base64url of a presigned GetCallerIdentity URL. The checks are those of
aws-iam-authenticator (its `pkg/token`), but the URL may name any host, since STS is on loopback here.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.core.request import Request

from ackinstall.sandbox.aws import caller
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import scope
from ackinstall.sandbox.aws.eks import Eks
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.principals import Principal

_PREFIX = "k8s-aws-v1."
_CLUSTER_HEADER = "x-k8s-aws-id"
_LIFETIME = timedelta(minutes=15)
_LONGEST_EXPIRY = 900
_PARAMETERS = frozenset(
    {
        "action",
        "version",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
        "x-amz-user-agent",
    }
)


class TokenRefusedError(Exception):
    """The token lets nobody in, and why."""


class Authenticator:
    """Answers TokenReviews for one cluster."""

    def __init__(self, account: Account, eks: Eks, cluster: str) -> None:
        self._account = account
        self._eks = eks
        self._cluster = cluster

    def review(self, review: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer a TokenReview in the version that was asked in.

        A refusal always has an error: the API server remembers a refusal without one.
        """
        try:
            status = {"authenticated": True, "user": self._user(review["spec"]["token"])}
        except TokenRefusedError as refusal:
            status = {"authenticated": False, "error": str(refusal)}
        return {"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status}

    def _user(self, token: str) -> Mapping[str, Any]:
        principal = self._principal(token)
        entry = self._eks.entry_for(self._cluster, principal)
        if entry is None:
            raise TokenRefusedError(f"'{principal.arn}' has no access entry in cluster '{self._cluster}'")
        return {
            "username": entry.name_of(principal),
            "uid": f"aws-iam-authenticator:{self._account.id}:{principal.user_id.split(':')[0]}",
            "groups": entry.all_groups(),
            "extra": {
                "arn": [principal.arn],
                "canonicalArn": [entry.principal_arn],
                "accessKeyId": [principal.access_key_id],
                "principalId": [principal.user_id.split(":")[0]],
                "sessionName": [principal.session_name],
            },
        }

    def _principal(self, token: str) -> Principal:
        url = _url(token)
        request = Request.from_primitives(
            "GET", url, {"Host": urlsplit(url).netloc, _CLUSTER_HEADER: self._cluster}
        )
        signer = scope(request, self._account.region)
        if signer is None or signer.service != "sts":
            raise TokenRefusedError("the token is not signed for STS")
        try:
            return caller.identify(self._account, request, signer)
        except AwsError as error:
            hint = f", or for another cluster than '{self._cluster}'"
            raise TokenRefusedError(f"STS refuses the token: {error.message}{hint}") from None


def _url(token: str) -> str:
    if not token.startswith(_PREFIX):
        raise TokenRefusedError("this is no EKS token")
    encoded = token.removeprefix(_PREFIX)
    try:
        url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        query = {
            name.lower(): values
            for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()
        }
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise TokenRefusedError("the token cannot be decoded") from None
    if unknown := sorted(query.keys() - _PARAMETERS):
        raise TokenRefusedError(f"the token's URL has the unknown parameter '{unknown[0]}'")
    if repeated := sorted(name for name, values in query.items() if len(values) > 1):
        raise TokenRefusedError(f"the token's URL has the parameter '{repeated[0]}' twice")
    first = {name: values[0] for name, values in query.items()}
    if first.get("action") != "GetCallerIdentity":
        raise TokenRefusedError("the token is no presigned GetCallerIdentity")
    if _CLUSTER_HEADER not in first.get("x-amz-signedheaders", "").split(";"):
        raise TokenRefusedError(f"the token is not signed with the header '{_CLUSTER_HEADER}'")
    if (
        not first.get("x-amz-expires", "0").isdigit()
        or int(first.get("x-amz-expires", "0")) > _LONGEST_EXPIRY
    ):
        raise TokenRefusedError("the token's X-Amz-Expires is not between 0 and 900 seconds")
    _check_age(first.get("x-amz-date", ""))
    return url


def _check_age(date: str) -> None:
    try:
        signed = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise TokenRefusedError("the token's X-Amz-Date is missing or no time") from None
    if signed + _LIFETIME < datetime.now(UTC):
        raise TokenRefusedError("the token has expired")
