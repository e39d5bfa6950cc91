"""What checks see on real parts: trust that is broken, a pod without identity, two runs at once."""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed, until

from ackinstall.lock import Claim, held

NAMESPACE, ACCOUNT = "ack-system", "ack-sagemaker-controller"
ROLE_ARN = "eks.amazonaws.com/role-arn"
Names = Mapping[str, str]
SECONDS = 1.5
"""How long `check --pre` may look on a machine that does nothing else; elsewhere it is told, not held."""


def _change_trust(world: Sandboxed, names: Names, old: str, new: str) -> None:
    iam, role = world.aws("iam"), names["OIDC_ROLE_NAME"]
    trust = json.dumps(iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"])
    assert old in trust
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=trust.replace(old, new))


def _subject(world: Sandboxed, names: Names) -> None:
    _change_trust(world, names, f":{ACCOUNT}", ":another")


def _audience(world: Sandboxed, names: Names) -> None:
    _change_trust(world, names, '"sts.amazonaws.com"', '"sts.example.com"')


def _issuer(world: Sandboxed, names: Names) -> None:
    host = names["OIDC_PROVIDER_URL"]
    _change_trust(world, names, host, f"{host.rpartition('/')[0]}/FORMER")


def _provider(world: Sandboxed, names: Names) -> None:
    arn = f"arn:aws:iam::{names['AWS_ACCOUNT_ID']}:oidc-provider/{names['OIDC_PROVIDER_URL']}"
    world.aws("iam").delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def _annotation(world: Sandboxed, names: Names) -> None:  # noqa: ARG001 (as the others)
    world.kubectl("annotate", "serviceaccount", "-n", NAMESPACE, ACCOUNT, f"{ROLE_ARN}-")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(_subject, f"the token has 'system:serviceaccount:ack-system:{ACCOUNT}'", id="sub"),
        pytest.param(_audience, "wants the audience 'sts.example.com'", id="aud"),
        pytest.param(_issuer, "/FORMER', the token is of", id="issuer"),
        pytest.param(_provider, "IAM has no OIDC provider for the cluster's issuer", id="provider"),
        pytest.param(_annotation, f"the annotation '{ROLE_ARN}' is missing", id="annotation"),
    ],
)
def test_broken_trust(installed: Sandboxed, spoil: Callable[[Sandboxed, Names], None], told: str) -> None:
    """Each way to break the trust is named by `status`, differently; `up` mends it."""
    world = installed
    spoil(world, json.loads(world.run("outputs", "--format", "json").stdout))
    board = world.run("status", code=1).stdout
    assert told in board
    assert "'identity-proof'" in board.splitlines()[-1]
    world.up()
    assert "all is well" in world.run("status", "--wait").stdout


def test_pod_without_identity(installed: Sandboxed) -> None:
    """A pod that started before its service account was annotated runs on no identity: a Ready pod, found
    out by what it carries.
    """
    world = installed
    world.kubectl("annotate", "serviceaccount", "-n", NAMESPACE, ACCOUNT, f"{ROLE_ARN}-")
    arn = json.loads(world.run("outputs", "--format", "json").stdout)["IAM_ROLE_ARN_FOR_IRSA"]
    world.kubectl(
        "delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/instance=ack-sagemaker-controller"
    )
    until(lambda: "Running" in world.kubectl("get", "pods", "-n", NAMESPACE))
    world.kubectl("annotate", "serviceaccount", "-n", NAMESPACE, ACCOUNT, f"{ROLE_ARN}={arn}")
    checked = world.shell(*world.command("check"))
    assert checked.returncode == 1, checked.stdout
    (line,) = (one for one in checked.stdout.splitlines() if "AWS_ROLE_ARN" in one or "no identity" in one)
    assert "ack-sagemaker-controller" in line
    world.kubectl(
        "delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/instance=ack-sagemaker-controller"
    )
    world.run("status", "--wait")


def test_before_an_installation(
    bare: Sandboxed, empty: Inventory, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check --pre` passes on an empty cluster, also with AWS's latencies, and changes nothing."""
    bare.break_aws(latency={"iam": 0.15, "sts": 0.06, "eks": 0.12, "s3": 0.08})
    checked = bare.run("check", "--pre", "--output", "json")
    events = [json.loads(line) for line in checked.stdout.splitlines()]
    (summary,) = (one for one in events if one["event"] == "checks")
    with capsys.disabled():
        print(f"\n  check --pre looked for {summary['seconds']} s, {SECONDS} s is the aim", end=" ")  # noqa: T201 (a test may tell what it measured)
    assert summary["ok"]
    assert summary["counts"]["failed"] == 0
    assert inventory(bare) == empty


@pytest.mark.parametrize("other", ["up", "down"])
def test_two_at_once(installed: Sandboxed, other: str) -> None:
    """Of two runs at once one works, and the other waits for it or exits 5; the next `up` mends the rest."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(installed.shell, *installed.command(one, "--yes")) for one in ("up", other)]
        assert {run.result().returncode for run in runs} <= {0, 5}, [run.result() for run in runs]
    installed.up()
    assert installed.changes() == {}


def test_lock_of_another(installed: Sandboxed) -> None:
    """While somebody else holds the lock `down` exits 5, says who it is, and changes nothing."""
    claim = Claim(caller="arn:aws:iam::123456789012:user/ann", command="up")
    with held(installed.kube, claim, threading.Event()):
        before = inventory(installed)
        refused = installed.down(code=5)
    assert "'ackinstall up' by 'arn:aws:iam::123456789012:user/ann' on" in refused.stderr
    assert {key: one for key, one in before.items() if "Lease" not in key} == inventory(installed)
