"""What the tests of the sandbox's AWS share: a running one, its clients and its tokens."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import boto3
import jwt
from botocore.config import Config
from cryptography.hazmat.primitives.asymmetric import rsa

from ackinstall.sandbox.aws.server import Sandbox

Client: TypeAlias = Any  # a boto3 client: boto3 makes their classes as it runs
Json: TypeAlias = Any  # what comes from JSON, goes into it, or is a call's parameters

REGION = "us-west-2"
ACCOUNT = "123456789012"
CLUSTER = "demo"
ISSUER = f"https://oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"


def new_key() -> rsa.RSAPrivateKey:
    """Make a key to sign service account tokens with."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True)
class RunningAws:
    """AWS at an address, with the keys of its administrator and of its cluster's issuer."""

    url: str
    sandbox: Sandbox
    keys: dict[str, str]
    issuer_key: rsa.RSAPrivateKey

    def client(self, service: str, **options: Json) -> Client:
        """Make a boto3 client, the administrator's unless other keys are given."""
        options.setdefault("aws_access_key_id", self.keys["access_key_id"])
        options.setdefault("aws_secret_access_key", self.keys["secret_access_key"])
        options.setdefault("region_name", REGION)
        options.setdefault("config", Config(retries={"max_attempts": 0}))
        return boto3.client(service, endpoint_url=self.url, **options)

    def token(self, **claims: Json) -> str:
        """Make a service account token as the cluster's API server would."""
        usual = {
            "iss": ISSUER,
            "aud": ["sts.amazonaws.com"],
            "sub": "system:serviceaccount:ack-system:ack-sagemaker-controller",
            "iat": 1_700_000_000,
            "exp": 4_000_000_000,
        }
        return jwt.encode({**usual, **claims}, self.issuer_key, algorithm="RS256")
