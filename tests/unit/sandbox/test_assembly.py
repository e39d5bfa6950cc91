"""What a sandbox is made of, for what a user asks."""

from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from ackinstall.errors import AckinstallError, UsageError
from ackinstall.sandbox import assembly, control_plane
from ackinstall.sandbox.assembly import Wishes, needed_parts, processes, wishes
from ackinstall.sandbox.layout import Layout, Sandbox
from ackinstall.sandbox.parts import Found
from ackinstall.sandbox.progress import Progress

PORTS = {"etcd": 1, "kube-apiserver": 2, "kube-controller-manager": 3, "aws": 4, "registry": 5, "node": 6}
ISSUER = control_plane.issuer("us-west-2", "0" * 32)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows(asked: Wishes) -> dict[str, tuple[str, ...]]:
    """Return the command of each process, by name."""
    members = {name: 0 for name in PORTS if asked.charts != "public" or name != "registry"}
    sandbox = Sandbox(asked.name, asked.region, ISSUER, "1.36", PORTS, members)
    found = {name: Found(Path("/parts") / name, "1.36.3", "") for name in needed_parts(asked)}
    made = processes(sandbox, asked, found)
    TopologicalSorter({row.name: row.needs for row in made}).prepare()  # no cycle
    assert {row.name for row in made} == members.keys()
    return {row.name: row.argv for row in made}


@pytest.mark.parametrize(
    ("asked", "without"),
    [
        (Wishes("demo"), set()),
        (Wishes("demo", charts="public"), {"crane", "sagemaker-chart"}),
        (Wishes("demo", charts="/charts"), {"sagemaker-chart"}),
        (Wishes("demo", controllers={"sagemaker": "/bin/mine"}), {"sagemaker-controller"}),
        (Wishes("demo", controllers={"s3": "/bin/mine"}), set()),
    ],
)
def test_parts_are_only_those_that_are_used(asked: Wishes, without: set[str]) -> None:
    assert set(needed_parts(Wishes("demo"))) - set(needed_parts(asked)) == without
    rows(asked)


def test_charts_of_a_folder_are_served_instead_of_the_pinned_ones() -> None:
    pinned, own = rows(Wishes("demo"))["registry"], rows(Wishes("demo", charts="/charts"))["registry"]
    assert pinned[pinned.index("--charts") + 1] == "/parts/sagemaker-chart"
    assert own[own.index("--charts") :] == ("--charts", "/charts")


def test_controller_of_the_user_takes_the_place_of_ours_and_others_stay() -> None:
    node = rows(Wishes("demo", controllers={"sagemaker": "/bin/mine", "s3": "/bin/s3"}))["node"]
    chosen = [word for word in node if "=" in word]
    assert chosen[0] == "sagemaker=/bin/mine"
    assert chosen[1].startswith("applicationautoscaling=")
    assert chosen[2] == "s3=/bin/s3"


def test_api_server_and_account_agree_on_issuer_key_and_webhook() -> None:
    made = rows(Wishes("demo"))
    server, account = made["kube-apiserver"], made["aws"]
    assert f"--service-account-issuer={ISSUER}" in server
    assert account[account.index("--issuer") + 1] == ISSUER
    key = account[account.index("--service-account-key") + 1]
    assert f"--service-account-key-file={key}" in server


def test_files_of_the_control_plane(tmp_path: Path) -> None:
    sandbox = Sandbox("demo", "us-west-2", ISSUER, "1.36", PORTS, {})
    layout = sandbox.layout
    layout.directory.mkdir(parents=True)
    control_plane.write_files(sandbox)
    assert layout.kubeconfig.stat().st_mode & 0o777 == 0o600
    kubeconfig = yaml.safe_load(layout.kubeconfig.read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:2"
    webhook = yaml.safe_load(layout.file("login-webhook.yaml").read_text())
    assert webhook["clusters"][0]["cluster"]["server"] == "http://127.0.0.1:4/sandbox/authenticate"
    keys = [path for path in tmp_path.rglob("*.key") if path.stat().st_mode & 0o077]
    assert keys == []


@pytest.mark.parametrize("text", ["s3", "=/bin/sh", "s3=", "s3=/no/such/program"])
def test_controller_that_names_no_program_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="names no program"):
        wishes("demo", "us-west-2", "", [text])


def test_folder_of_charts_must_exist(tmp_path: Path) -> None:
    assert wishes("demo", "us-west-2", str(tmp_path), ["s3=/bin/sh"]).controllers == {"s3": "/bin/sh"}
    with pytest.raises(UsageError, match="there is no folder"):
        wishes("demo", "us-west-2", str(tmp_path / "none"), [])


@pytest.mark.parametrize("ask", [assembly.existing, lambda name: assembly.down(name, Progress())])
def test_unknown_name_is_told_with_those_there_are(ask: Callable[[str], object]) -> None:
    Layout.of("other").directory.mkdir(parents=True)
    with pytest.raises(AckinstallError, match="there is no sandbox 'demo'") as raised:
        ask("demo")
    assert raised.value.hint == "there are: other; or start it with `ackinstall sandbox up --name demo`"
