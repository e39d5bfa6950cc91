"""How long the credentials of a real session last, as far as somebody says it."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ackinstall.clients import Session
from ackinstall.errors import UsageError

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/EXAMPLEKEY"}
SESSION = {**KEYS, "AWS_SESSION_TOKEN": "token"}
UNTIL = "2099-12-31T23:00:00+00:00"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no credentials of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


def session(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Session:
    """Open a session in an environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Session(region="us-west-2")


def test_keys_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of a user do not expire."""
    assert session(monkeypatch, **KEYS).is_lasting()


def test_a_session_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends when the environment says so, and nobody knows it where it does not."""
    opened = session(monkeypatch, **SESSION)
    assert (opened.is_lasting(), opened.expiry()) == (False, None)
    opened = session(monkeypatch, **SESSION, AWS_CREDENTIAL_EXPIRATION=UNTIL)
    assert (opened.is_lasting(), opened.expiry()) == (False, datetime(2099, 12, 31, 23, tzinfo=UTC))


def test_a_session_that_was_pasted_into_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The portal's keys in the credentials file end too, and the file does not say when."""
    path = tmp_path / "credentials"
    path.write_text("[default]\n" + "\n".join(f"{key.lower()} = {value}" for key, value in SESSION.items()))
    opened = session(monkeypatch, AWS_SHARED_CREDENTIALS_FILE=str(path))
    assert (opened.is_lasting(), opened.expiry()) == (False, None)


@pytest.mark.parametrize("told", ["soon", "2099-12-31T23:00:00"])
def test_an_end_that_is_no_time(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """What is no time, or has no zone, would end the first call with a traceback."""
    with pytest.raises(UsageError, match=f"AWS_CREDENTIAL_EXPIRATION is '{told}'"):
        session(monkeypatch, **SESSION, AWS_CREDENTIAL_EXPIRATION=told)
