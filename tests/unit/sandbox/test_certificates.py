"""What the sandbox's authority signs is accepted by a TLS client that trusts only it."""

import ssl
import stat
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ackinstall.sandbox import certificates
from ackinstall.sandbox.certificates import SERVING_NAMES, Authority, Pair

AUTHORITY = Authority.make("test")


def verify(name: str) -> None:
    certificate, _ = AUTHORITY.sign("server", names=SERVING_NAMES)
    verifier = PolicyBuilder().store(Store([AUTHORITY.certificate])).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(certificate), [])


@pytest.mark.parametrize("name", ["public.ecr.aws", "localhost", "kubernetes.default.svc"])
def test_serving_certificate_is_good_for_its_names(name: str) -> None:
    verify(name)


def test_serving_certificate_is_good_for_no_other_name() -> None:
    with pytest.raises(VerificationError):
        verify("example.com")


def test_client_certificate_carries_the_group() -> None:
    pem, _ = AUTHORITY.sign("admin", organization="system:masters")
    assert x509.load_pem_x509_certificate(pem).subject.rfc4514_string() == "O=system:masters,CN=admin"


def test_files_load_as_tls_and_the_key_is_private(tmp_path: Path) -> None:
    pair = Pair(tmp_path / "a.pem", tmp_path / "a.key")
    certificates.write(pair, *AUTHORITY.sign("server", names=["127.0.0.1"]))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(pair.certificate, pair.key)
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600


def test_service_account_key_signs_what_its_public_half_verifies() -> None:
    public, private = certificates.service_account_keys()
    token = jwt.encode({"sub": "x"}, private, algorithm="RS256")
    assert jwt.decode(token, public, algorithms=["RS256"]) == {"sub": "x"}
