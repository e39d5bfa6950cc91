"""AWS in this process: boto3 clients whose requests go to the sandbox's application, with no socket."""

import copy
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import jwt
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.core.request import Request
from moto.eks.responses import EKSResponse
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy
from moto.iam.responses import IamResponse
from moto.s3.models import s3_backends
from moto.s3.responses import S3Response
from moto.sagemaker.responses import SageMakerResponse
from moto.sts.responses import TokenResponse
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from ackinstall.clients import Session
from ackinstall.sandbox.aws import principals
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call as AwsCall
from ackinstall.sandbox.aws.eks import ControlPlane
from ackinstall.sandbox.aws.server import Sandbox
from ackinstall.sandbox.aws.service_linked_roles import DeletionTask, ServiceLinkedRoles
from ackinstall.sandbox.aws.sts import Issuer, Sts
from support.faults import Call, Faults

ACCOUNT = "123456789012"
REGION = "us-west-2"
CLUSTERS = ("demo", "other")
"""The EKS clusters that tests speak of."""
_KEY = "AKIAIOSFODNN7EXAMPLE"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": _KEY,
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_STORES = ("iam", "s3", "sts")
_TARGET = re.compile(rb"\b(?:RoleName|PolicyName)=([^&]*)")
_SERVICES = ("application-autoscaling", "eks", "iam", "s3", "sagemaker", "sts")
_READS = ("Get", "List", "Describe", "Head", "AssumeRole")


def issuer_of(cluster: str) -> str:
    """Return the URL of a cluster's OIDC issuer."""
    return f"https://oidc.eks.{REGION}.amazonaws.com/id/{cluster.upper():0<32}"


class InProcessAws:
    """An account with an administrator (see ackinstall.clients.Aws).

    Making one takes half a second, `reset` less than a millisecond: make one for a test process, and reset it
    for every world. Every call passes `faults`.
    """

    region = REGION
    calls = 0
    expires: datetime | None = None
    """When its credentials expire."""
    lasts = True

    def __init__(self) -> None:
        BackendDict.reset()
        self.account = Account(ACCOUNT, REGION)
        self.faults = Faults()
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._sandbox = Sandbox(self.account, CLUSTERS[0], _control_plane(CLUSTERS[0]), public.decode())
        self._application = self._sandbox.application
        self._application._moto = _Moto()
        self._linked = _PromptServiceLinkedRoles(self.account)
        self._application._corrections = {
            **self._application._corrections,
            "iam": (*self._application._corrections["iam"][:-1], self._linked),
            "sts": (_Issuers(self.account, public.decode()), Sts(self.account, Issuer("", ""))),
        }
        with pytest.MonkeyPatch.context() as environment:
            for name, value in _ENVIRONMENT.items():
                environment.setenv(name, value)
            session = Session(region=REGION)
            self._clients = {service: session.client(service) for service in _SERVICES}
            for client in self._clients.values():
                client.meta.events.register("before-send", self._send)
            self._token = session.eks_token(CLUSTERS[0])
        self.reset()

    def reset(self) -> None:
        """Empty the account but for its administrator."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
            # BackendDict.reset() would drop the stores too; making them anew reads botocore's regions.
            for stores in BackendDict._instances:
                for store in stores.values():
                    store.reset()
            reset_model_data()
            iam = self.account.iam
        self._linked.users = ()
        self.calls = 0
        iam.managed_policies.update(_managed_policies())
        iam.create_user(REGION, "administrator")
        iam.attach_user_policy("arn:aws:iam::aws:policy/AdministratorAccess", "administrator")
        key = iam.create_access_key("administrator")
        iam.access_keys.pop(key.access_key_id)
        key.access_key_id, key.secret_access_key = _KEY, _ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
        iam.access_keys[_KEY] = key
        self.faults = Faults()
        self.expires, self.lasts = None, True

    def add_clusters(self) -> None:
        """Let EKS answer for the clusters CLUSTERS; it takes a while, and few tests ask EKS."""
        for cluster in CLUSTERS:
            if cluster not in self.account.eks(REGION).clusters:
                self._sandbox._eks.add_cluster(cluster, _control_plane(cluster))

    def remove_cluster(self, name: str) -> None:
        """Let EKS know nothing of a cluster, as after its deletion."""
        self.account.eks(REGION).clusters.pop(name)

    def keep_service_linked_roles(self, arn: str) -> None:
        """Let IAM refuse to delete service-linked roles because of the resource `arn`."""
        self._linked.users = (arn,)

    def client(self, service: str) -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        """See ackinstall.clients.Aws."""
        return self._clients[service]

    def eks_token(self, cluster: str) -> str:  # noqa: ARG002 (nobody checks it here)
        """See ackinstall.clients.Aws."""
        return self._token

    def expiry(self) -> datetime | None:
        """See ackinstall.clients.Aws."""
        return self.expires

    def is_lasting(self) -> bool:
        """See ackinstall.clients.Aws."""
        return self.lasts

    def whoami(self, credentials: Mapping[str, Any]) -> str:
        """See ackinstall.clients.Aws. The account knows whose keys it has handed out."""
        call = Call("sts:GetCallerIdentity with other credentials", writes=False)
        self.calls += 1
        return self.faults.pass_through(
            call,
            lambda: (
                principals.assumed(
                    self.account.sts.get_assumed_role_from_access_key(credentials["AccessKeyId"])
                ).arn
            ),
            lambda: ConnectionClosedError(endpoint_url="http://127.0.0.1:9"),
        )

    def service_account_token(self, cluster: str, namespace: str, name: str, audience: str) -> str:
        """Return a token as the API server of `cluster` signs it."""
        claims = {
            "iss": issuer_of(cluster),
            "aud": [audience],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": 1_700_000_000,
            "exp": 4_000_000_000,
        }
        return jwt.encode(claims, self._key, algorithm="ES256")

    def save(self) -> object:
        """Return a copy of everything in the account, for `restore`."""
        stores = {name: copy.deepcopy(vars(getattr(self.account, name))) for name in _STORES}
        return stores, dict(s3_backends.bucket_accounts)

    def restore(self, saved: object) -> None:
        """Make the account as it was when it was saved."""
        stores: dict[str, dict[str, Any]]
        stores, s3_backends.bucket_accounts = copy.deepcopy(saved)  # type: ignore[misc]
        for name, store in stores.items():
            vars(getattr(self.account, name)).update(store)

    def inventory(self) -> dict[str, Any]:
        """Return everything that somebody could have made in the account, by kind and name."""
        iam = self.account.iam
        return {
            "roles": {
                role.name: {
                    "path": role.path,
                    "description": role.description,
                    "trust": json.loads(role.assume_role_policy_document),
                    "managed": sorted(role.managed_policies),
                    "inline": {name: json.loads(text) for name, text in role.policies.items()},
                    "boundary": role.permissions_boundary_arn if role.permissions_boundary else "",
                    "tags": _plain(role.tags),
                }
                for role in iam.roles.values()
            },
            "providers": {
                arn: {"clients": sorted(one.client_id_list), "tags": _plain(one.tags)}
                for arn, one in iam.open_id_providers.items()
            },
            "buckets": {name: self._bucket(name) for name in self.account.s3.buckets},
        }

    def _bucket(self, name: str) -> dict[str, Any]:
        s3 = self.account.s3
        bucket = s3.buckets[name]
        block = bucket.public_access_block
        return {
            "region": bucket.region_name,
            "tags": dict(s3.tagger.get_tag_dict_for_resource(bucket.arn)),
            "policy": json.loads(bucket.policy) if bucket.policy else {},
            "encryption": repr(bucket.encryption),
            "publicAccessBlock": {} if block is None else vars(block),
            "objects": sorted(bucket.keys),
        }

    def _send(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse:
        self.calls += 1
        service, operation = event_name.split(".")[1:]
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        target = b" ".join(_TARGET.findall(body)).decode()
        call = Call(f"{service}:{operation} {target}".rstrip(), writes=not operation.startswith(_READS))
        return self.faults.pass_through(
            call, lambda: self._answer(request), lambda: ConnectionClosedError(endpoint_url=request.url)
        )

    def _answer(self, request: AWSPreparedRequest) -> AWSResponse:
        environ = Request.from_primitives(request.method, request.url, request.headers, request.body).environ
        body, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        fields: Any = HeadersDict(headers)  # the stubs name another type
        return AWSResponse(request.url, int(status.split()[0]), fields, _Raw(b"".join(body)))


class _Raw(io.BytesIO):
    """A body as botocore reads it from a connection."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


class _Moto:
    """Moto's own responses without the web applications around them, which cost as much again."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401 (WSGI)
        request = Request(environ)
        answer = _responder(request)(request, request.raw_url, request.headers)
        status, headers, content = answer if len(answer) == 3 else (200, {}, answer)
        return Response(content, status, headers)(environ, start_response)


def _responder(request: Request) -> Any:  # noqa: ANN401 (moto's)
    scope = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")
    service = scope[3] if len(scope) > 3 else "sts"
    if service == "s3":
        is_bucket = "/" not in request.path.strip("/")
        return S3Response.ambiguous_dispatch if is_bucket else S3Response.key_dispatch
    return _RESPONSES[service].dispatch


_RESPONSES = {
    "application-autoscaling": ApplicationAutoScalingResponse,
    "eks": EKSResponse,
    "iam": IamResponse,
    "sagemaker": SageMakerResponse,
    "sts": TokenResponse,
}


class _PromptServiceLinkedRoles(ServiceLinkedRoles):
    """Service-linked roles whose deletion has ended when somebody asks for it; `users` are ARNs of what
    uses them in other regions.
    """

    users: tuple[str, ...] = ()

    def delete_service_linked_role(self, call: AwsCall) -> Mapping[str, Any]:
        role = self._account.iam.get_role(call.parameters["RoleName"])
        task_id = f"task{role.path}{role.name}/1"
        self._tasks[task_id] = task = DeletionTask()
        self._finish(task, role, role.path.split("/")[2])
        return {"DeletionTaskId": task_id}

    def _usage(self) -> tuple[Mapping[str, Any], ...]:
        elsewhere = tuple({"Region": arn.split(":")[3], "Resources": [arn]} for arn in self.users)
        return (*elsewhere, *super()._usage())


class _Issuers:
    """STS that knows the keys of every cluster's issuer."""

    def __init__(self, account: Account, public_key: str) -> None:
        self._by_issuer = {
            issuer_of(cluster): Sts(account, Issuer(issuer_of(cluster), public_key)) for cluster in CLUSTERS
        }

    def assume_role_with_web_identity(self, call: AwsCall) -> Mapping[str, Any]:
        claims = jwt.decode(call.parameters["WebIdentityToken"], options={"verify_signature": False})
        return self._by_issuer[claims["iss"]].assume_role_with_web_identity(call)


@cache
def _managed_policies() -> dict[str, AWSManagedPolicy]:
    data = json.loads(aws_managed_policies_data)
    names = ("AdministratorAccess", "AmazonSageMakerFullAccess", "PowerUserAccess", "ReadOnlyAccess")
    policies = [AWSManagedPolicy.from_data(name, ACCOUNT, REGION, data[name]) for name in names]
    return {policy.arn: policy for policy in policies}


def _control_plane(cluster: str) -> ControlPlane:
    return ControlPlane("https://127.0.0.1:6443", "PEM of the CA", issuer_of(cluster), "1.36")


def _plain(tags: Any) -> dict[str, str]:  # noqa: ANN401 (moto keeps tags in two forms)
    if isinstance(tags, list):
        return {tag["Key"]: tag["Value"] for tag in tags}
    return {key: tag["Value"] if isinstance(tag, dict) else tag for key, tag in (tags or {}).items()}
