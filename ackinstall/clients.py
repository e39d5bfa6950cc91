"""The outside worlds, opened once and handed on as arguments: AWS, Kubernetes, Helm."""

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from ackinstall import __version__
from ackinstall.errors import REQUEST, UsageError, expired, no_region
from ackinstall.helm import Helm, HelmBinary
from ackinstall.kube import Kube, open_cluster, open_context
from ackinstall.request import request
from ackinstall.resources.role_book import RoleBook

_GIVEN = "ackinstall"
"""The key of a call's parameters in botocore's context of the call."""
TOKEN_SECONDS = 600
"""How long an EKS token is used; EKS accepts it for 15 minutes."""


class Aws(Protocol):
    """An AWS identity in one region; `calls` is how many calls were made with it."""

    region: str
    calls: int

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """Return the boto3 client of a service; the same one every time."""

    def eks_token(self, cluster: str) -> str:
        """Return a token with which the cluster's API server knows this identity."""

    def expiry(self) -> datetime | None:
        """Return when the credentials expire, None where nobody says so."""

    def is_lasting(self) -> bool:
        """Tell whether the credentials last, or are renewed by themselves."""

    def whoami(self, credentials: Mapping[str, Any]) -> str:
        """Return the ARN of whom `credentials` (as STS answers them) belong to; keeps nothing of them."""


@dataclass(frozen=True)
class Clients:
    """The three worlds. `roles` is the reader of IAM roles, which spares calls by reading them together."""

    aws: Aws
    kube: Kube
    helm: Helm
    roles: RoleBook


class Session:
    """A real AWS identity (see Aws). Safe to use from several threads.

    Every call is made once: what may be tried again is the whole round in the engine, so that a lost reply
    is answered by looking and not by sending the same write again.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        import boto3  # noqa: PLC0415 (costs 0.15 s)

        # boto3 itself reads AWS_DEFAULT_REGION alone; the AWS CLI and the other SDKs put this one before it:
        # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
        chosen = region or os.environ.get("AWS_REGION")
        self._session = boto3.Session(profile_name=profile, region_name=chosen)
        if not self._session.region_name:
            raise no_region()
        if not profile:
            _expiration()
        self.region: str = self._session.region_name
        self.calls = 0
        self._session.events.register("before-send", self._count)
        self._session.events.register("before-parameter-build", _keep)
        self._session.events.register("after-call", self._attach)
        self._caller = ""
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._counting = threading.Lock()

    def _count(self, **_: object) -> None:
        with self._counting:
            self.calls += 1

    def _attach(
        self,
        http_response: Any,  # noqa: ANN401 (botocore's)
        parsed: dict[str, Any],
        model: Any,  # noqa: ANN401 (same)
        context: Mapping[str, Any],
        **_: object,
    ) -> None:
        """Put into the answer of a call that failed, in part too, what it asked for."""
        if http_response.status_code >= 300 or "Errors" in parsed:  # noqa: PLR2004 (HTTP)
            service = model.service_model.signing_name
            parsed[REQUEST] = request(service, model.name, context[_GIVEN], self.region, self._caller)
        elif model.name == "GetCallerIdentity":
            self._caller = parsed["Arn"]

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """See Aws."""
        from botocore.config import Config  # noqa: PLC0415 (costs 0.15 s)

        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    config=Config(
                        connect_timeout=5,
                        read_timeout=30,
                        max_pool_connections=32,
                        retries={"total_max_attempts": 1, "mode": "standard"},
                        user_agent_extra=f"ackinstall/{__version__}",
                    ),
                )
            return self._clients[service]

    def eks_token(self, cluster: str) -> str:
        """See Aws.

        The token is a presigned GetCallerIdentity that names the cluster in a signed header:
        https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html
        Raises UsageError for credentials that have expired: the cluster would call them an unknown identity.
        """
        until = self.expiry()
        if until and until <= datetime.now(UTC):
            raise expired()
        sts = self._session.client("sts")
        name_it = lambda request, **_: request.headers.__setitem__("x-k8s-aws-id", cluster)  # noqa: E731
        sts.meta.events.register("before-sign.sts.GetCallerIdentity", name_it)
        url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
        return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    def expiry(self) -> datetime | None:
        """See Aws. Only the environment says it: what botocore knows the end of otherwise, it renews."""
        found = self._session.get_credentials()
        return _expiration() if found and found.method == "env" else None

    def is_lasting(self) -> bool:
        """See Aws. Only a session has a token; RefreshableCredentials fetch a new one, but not from the
        environment, which stays as it is.
        """
        found = self._session.get_credentials()
        is_renewed = hasattr(found, "refresh_needed") and found.method != "env"
        return found is None or not found.token or is_renewed

    def whoami(self, credentials: Mapping[str, Any]) -> str:
        """See Aws."""
        import boto3  # noqa: PLC0415 (costs 0.15 s)

        session = boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=self.region,
        )
        session.events.register("before-send", self._count)
        return str(session.client("sts").get_caller_identity()["Arn"])


def _keep(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
    """Keep a call's parameters with it until its answer is there."""
    context[_GIVEN] = params


def _expiration() -> datetime | None:
    """Return when the environment's credentials expire, None where it does not say so.

    Raises UsageError for what is no time: botocore would fail at the first call.
    """
    told = os.environ.get("AWS_CREDENTIAL_EXPIRATION", "")
    if not told:
        return None
    from botocore.utils import parse_timestamp  # noqa: PLC0415 (costs 0.15 s)

    wrong = UsageError(
        "wrong-credential-expiration",
        f"AWS_CREDENTIAL_EXPIRATION is '{told}', which is no time with a zone",
        "run `unset AWS_CREDENTIAL_EXPIRATION`, or write it as 2030-01-31T12:00:00Z",
    )
    try:
        until: datetime = parse_timestamp(told)
    except ValueError as error:
        raise wrong from error
    if until.tzinfo is None:
        raise wrong
    return until


class TokenCache:
    """Makes a token only when the last one has grown old: the API's client asks before every request."""

    def __init__(self, make: Callable[[], str], seconds: float = TOKEN_SECONDS) -> None:
        self._make = make
        self._seconds = seconds
        self._token = ""
        self._until = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """Return a token that is still good."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._token = self._make()
                self._until = time.monotonic() + self._seconds
            return self._token


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to reach a cluster's API: its own address and CA (`endpoint`, `ca` in PEM), or a kubeconfig."""

    cluster: str
    endpoint: str
    ca: bytes
    kubeconfig: str | None = None
    context: str | None = None


@contextmanager
def open_gallery() -> Iterator[tuple[Helm, Path]]:
    """Open Helm for charts alone, which needs no cluster; yields it and a folder that goes with the run."""
    with TemporaryDirectory(prefix="ackinstall-charts-") as folder:
        yield HelmBinary(Path(folder)), Path(folder)


@contextmanager
def open_worlds(aws: Aws, access: Access) -> Iterator[Clients]:
    """Open Kubernetes and Helm for one cluster."""
    with TemporaryDirectory(prefix="ackinstall-") as folder:
        directory = Path(folder)
        kube: Kube
        if access.kubeconfig or access.context:
            kube = open_context(access.kubeconfig, access.context, directory)
            helm = HelmBinary(directory, kubeconfig=access.kubeconfig, context=access.context)
        else:
            token = TokenCache(lambda: aws.eks_token(access.cluster))
            kube = open_cluster(access.endpoint, access.ca, token, directory)
            helm = HelmBinary(
                directory, lambda: _helm_login(access.endpoint, directory / "ca.pem", token()), os.devnull
            )
        yield Clients(aws, kube, helm, RoleBook(aws.client("iam")))


def _helm_login(endpoint: str, ca: Path, token: str) -> Mapping[str, str]:
    return {"HELM_KUBEAPISERVER": endpoint, "HELM_KUBECAFILE": str(ca), "HELM_KUBETOKEN": token}
