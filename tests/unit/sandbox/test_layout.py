"""A sandbox's files, ports and description."""

import socket
from pathlib import Path

import pytest

from ackinstall.errors import UsageError
from ackinstall.sandbox.layout import Layout, Sandbox, free_ports, names


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize("name", ["demo", "a", "Team-1_x", "0", "a" * 100])
def test_name_of_a_cluster_is_a_name(name: str) -> None:
    assert Layout.of(name).directory.name == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "a/b", "..", "a b", "ä", "a" * 101])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name an EKS cluster"):
        Layout.of(name)


def test_ports_are_free_and_differ() -> None:
    ports = free_ports(["a", "b", "c"])
    assert len(set(ports.values())) == 3
    for port in ports.values():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_description_comes_back_as_it_was_saved() -> None:
    sandbox = Sandbox("demo", "us-west-2", "https://issuer", "1.36", {"aws": 1}, {"aws": 7})
    sandbox.layout.directory.mkdir(parents=True)
    assert Sandbox.load("demo") is None
    sandbox.save()
    assert Sandbox.load("demo") == sandbox
    assert names() == ["demo"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "demo"}'])
def test_broken_description_is_none(text: str) -> None:
    directory = Layout.of("demo").directory
    directory.mkdir(parents=True)
    (directory / "sandbox.json").write_text(text)
    assert Sandbox.load("demo") is None
