"""The environment that puts a program into a sandbox."""

import json
import subprocess
from pathlib import Path

import pytest

from ackinstall.sandbox import environment
from ackinstall.sandbox.layout import Sandbox

USER = {
    "HOME": "/home/someone",
    "PATH": "/usr/bin",
    "AWS_PROFILE": "work",
    "AWS_ENDPOINT_URL_STS": "https://sts.example",
    "HELM_NAMESPACE": "elsewhere",
    "HTTP_PROXY": "http://proxy.example",
    "KUBECONFIG": "/home/someone/.kube/config",
}


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Return a sandbox that has its administrator's key."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "with space"))
    ports = {"aws": 1, "registry": 2, "kube-apiserver": 3}
    made = Sandbox("demo", "eu-west-1", "https://issuer", "1.36", ports, {"aws": 7, "registry": 8})
    made.layout.directory.mkdir(parents=True)
    made.layout.credentials.write_text('{"access_key_id": "AKIA", "secret_access_key": "it\'s"}')
    return made


def test_settings_name_the_account_the_cluster_and_the_way_to_the_registry(sandbox: Sandbox) -> None:
    chosen = environment.settings(sandbox, USER)
    assert chosen["AWS_REGION"] == chosen["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert chosen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert chosen["HTTPS_PROXY"] == chosen["https_proxy"] == "http://127.0.0.1:2"
    assert chosen["PATH"] == f"{sandbox.layout.programs}:/usr/bin"
    assert chosen["KUBECONFIG"] == str(sandbox.layout.kubeconfig)


def test_sandbox_without_registry_sets_no_proxy_and_no_authority(sandbox: Sandbox) -> None:
    del sandbox.processes["registry"]
    assert environment.settings(sandbox, {"NO_PROXY": "x"})["NO_PROXY"] == "127.0.0.1,localhost,x"
    assert "HTTP_PROXY" in environment.clean(USER, environment.foreign(sandbox))
    assert not {"HTTPS_PROXY", "SSL_CERT_FILE"} & environment.settings(sandbox, USER).keys()


def test_what_belongs_to_another_account_goes(sandbox: Sandbox) -> None:
    foreign = environment.foreign(sandbox)
    assert environment.clean(USER, foreign) == {"HOME": "/home/someone", "PATH": "/usr/bin"}
    gone = environment.unsettings(["KUBECONFIG"], USER, foreign)
    assert {"AWS_PROFILE", "AWS_ENDPOINT_URL_STS", "HELM_NAMESPACE", "AWS_CA_BUNDLE"} <= set(gone)
    assert "KUBECONFIG" not in gone


def test_shell_reads_the_lines_as_they_are_meant(sandbox: Sandbox) -> None:
    chosen = environment.settings(sandbox, USER)
    gone = environment.unsettings(chosen, USER, environment.foreign(sandbox))
    lines = environment.as_shell(chosen, gone)
    told = subprocess.run(
        ["/bin/sh", "-euc", f"{lines}\nenv -0"], env=USER, capture_output=True, text=True, check=True
    ).stdout
    seen = dict(line.split("=", 1) for line in told.split("\0") if line)
    assert chosen.items() <= seen.items()
    assert "AWS_PROFILE" not in seen


def test_json_has_null_for_what_goes(sandbox: Sandbox) -> None:
    chosen = environment.settings(sandbox, {})
    told = json.loads(environment.as_json(chosen, ["AWS_PROFILE"]))
    assert told["AWS_PROFILE"] is None
    assert told["AWS_SECRET_ACCESS_KEY"] == "it's"
