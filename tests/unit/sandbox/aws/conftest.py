"""A sandbox's AWS on loopback, made anew for each test."""

import json
import threading
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy
from running_aws import ACCOUNT, CLUSTER, ISSUER, REGION, RunningAws, new_key

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.eks import ControlPlane
from ackinstall.sandbox.aws.server import Sandbox, serve


@pytest.fixture(scope="session")
def issuer_key() -> rsa.RSAPrivateKey:
    """Make the key of the cluster's issuer."""
    return new_key()


@pytest.fixture(scope="session")
def managed_policies() -> list[AWSManagedPolicy]:
    """Read the two policies of AWS that the tests need; reading all takes seconds."""
    policies = json.loads(aws_managed_policies_data)
    names = ("AdministratorAccess", "AmazonSageMakerFullAccess")
    return [AWSManagedPolicy.from_data(name, ACCOUNT, REGION, policies[name]) for name in names]


@pytest.fixture
def aws(
    issuer_key: rsa.RSAPrivateKey, managed_policies: list[AWSManagedPolicy], monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningAws]:
    """AWS with nothing in it but an administrator and the cluster `demo`."""
    account = Account(ACCOUNT, REGION)
    monkeypatch.setenv("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
    BackendDict.reset()
    reset_model_data()
    account.iam.managed_policies.update({policy.arn: policy for policy in managed_policies})
    public = issuer_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    control_plane = ControlPlane("https://127.0.0.1:6443", "PEM of the CA", ISSUER, "1.36")
    sandbox = Sandbox(account, CLUSTER, control_plane, public.decode())
    server = serve(sandbox.application, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield RunningAws(f"http://127.0.0.1:{server.port}", sandbox, sandbox.administrator(), issuer_key)
    server.shutdown()
    server.server_close()
    thread.join()
