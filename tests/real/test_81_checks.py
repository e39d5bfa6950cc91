"""What checks see on real parts: trust that is broken, a pod without identity, two runs at once."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed, until
from users import as_user

from ackinstall.lock import REF, Claim, LeaseLock

NAMESPACE, ACCOUNT = "ack-system", "ack-sagemaker-controller"
ROLE_ARN = "eks.amazonaws.com/role-arn"
Names = Mapping[str, str]
LIBRARIES = "import boto3, kubernetes.dynamic, pyhelm3"
SECONDS, TIMES, ROUNDS = 1.5, 4.0, 4
"""How long `check --pre` may take as a process; on a slow machine, as many times as long as Python takes to
load these libraries. The best of some is taken, as both are noisy.
"""


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


def _spent(world: Sandboxed, *argv: str) -> float:
    """Return how long (s) a program takes that must succeed."""
    began = time.monotonic()
    world.ask(*argv)
    return time.monotonic() - began


def test_before_an_installation(
    bare: Sandboxed, empty: Inventory, capsys: pytest.CaptureFixture[str]
) -> None:
    """`check --pre` passes on an empty cluster, also with AWS's latencies, takes little more time than the
    libraries that it has to load, and changes nothing.
    """
    bare.break_aws(latency={"iam": 0.15, "sts": 0.06, "eks": 0.12, "s3": 0.08})
    looking, loading = [], []
    for _ in range(ROUNDS):
        looking.append(_spent(bare, *bare.command("check", "--pre")))
        loading.append(_spent(bare, sys.executable, "-c", LIBRARIES))
    with capsys.disabled():
        told = f"check --pre takes {min(looking):.2f} s, the libraries load in {min(loading):.2f} s"
        print(f"\n  {told}", end=" ")  # noqa: T201 (a test may tell what it measured)
    assert min(looking) < max(SECONDS, TIMES * min(loading))
    checked = bare.run("check", "--pre", "--output", "json").stdout
    (summary,) = (one for one in map(json.loads, checked.splitlines()) if one["event"] == "checks")
    assert summary["ok"]
    assert summary["counts"]["failed"] == 0
    assert inventory(bare) == empty


def test_rounds_before_an_installation(bare: Sandboxed) -> None:
    """However slow AWS is, it is asked three times one after the other: who calls and which cluster, what is
    there, what is allowed.
    """
    bare.break_aws(latency=dict.fromkeys(("iam", "sts", "eks", "s3"), 1.5))
    bare.forget_calls()
    bare.run("check", "--pre")
    in_turn, end = 0, 0.0
    for call in sorted(bare.calls(), key=lambda one: one["time"] + one["seconds"]):
        if call["time"] >= end:
            in_turn, end = in_turn + 1, call["time"] + call["seconds"]
    assert in_turn == 3


def _drifted(world: Sandboxed) -> None:
    """Install, and change what takes `up` some writes to mend."""
    world.up()
    names = json.loads(world.run("outputs", "--format", "json").stdout)
    for spoil in (_subject, _provider):
        spoil(world, names)
    world.aws("s3").delete_bucket_policy(Bucket=names["SAGEMAKER_BUCKET"])


def _own_writes(world: Sandboxed) -> list[tuple[float, float]]:
    """Return when this user's writes of AWS began and ended."""
    own = (call for call in world.writes() if call["caller"].endswith(world.caller))
    return [(call["time"], call["time"] + call["seconds"]) for call in own]


def _span(writes: list[tuple[float, float]]) -> tuple[float, float]:
    """Return when the first write began, and when the last one ended."""
    return min(start for start, _ in writes), max(end for _, end in writes)


@pytest.mark.parametrize(
    ("begin", "other"),
    [pytest.param(lambda _: None, "up", id="up"), pytest.param(_drifted, "down", id="down")],
)
def test_two_at_once(bare: Sandboxed, begin: Callable[[Sandboxed], None], other: str) -> None:
    """Of two runs at once the one that waits writes only when the other has ended, and both succeed."""
    begin(bare)
    bare.break_aws(latency={"iam": 0.2, "s3": 0.2})
    with as_user(bare, "colleague") as colleague, ThreadPoolExecutor(2) as pool:
        bare.forget_calls()
        runs = [
            pool.submit(one.run, command, "--yes", "--lock-timeout", "200")
            for one, command in ((bare, "up"), (colleague, other))
        ]
        told = "".join(run.result().stderr for run in runs)
        spans = [_span(writes) for writes in map(_own_writes, (bare, colleague)) if writes]
    assert told.count("waits for another run: 'ackinstall ") == 1
    assert all(end < start for (_, end), (start, _) in pairwise(sorted(spans)))
    bare.mend_aws()
    bare.up()
    assert bare.changes() == {}


def test_one_of_two_at_once(bare: Sandboxed) -> None:
    """Of two runs that do not wait one works, and the other is exit 5 and has written nothing."""
    with as_user(bare, "colleague") as colleague, ThreadPoolExecutor(2) as pool:
        bare.forget_calls()
        runs = list(pool.map(Sandboxed.try_up, (bare, colleague)))
        assert sorted(run.returncode for run in runs) == [0, 5], runs
        (late,) = (one for one, run in zip((bare, colleague), runs, strict=True) if run.returncode)
        assert _own_writes(late) == []
    assert bare.changes() == {}


def test_lock_of_another(installed: Sandboxed) -> None:
    """While somebody else holds the lock `down` exits 5, says who it is, and changes nothing."""
    claim = Claim(caller="arn:aws:iam::123456789012:user/ann", command="up")
    with LeaseLock(installed.kube, claim).held():
        before = inventory(installed)
        refused = installed.down(code=5)
    assert "'ackinstall up' by 'arn:aws:iam::123456789012:user/ann' on" in refused.stderr
    assert {key: one for key, one in before.items() if "Lease" not in key} == inventory(installed)


def test_only_the_lease_that_was_seen_is_deleted(installed: Sandboxed) -> None:
    """The API server refuses to delete a lease that was renewed after it was looked at."""
    with LeaseLock(installed.kube, Claim()).held():
        seen = installed.kube.get(REF)
        assert seen is not None
        until(lambda: installed.kube.get(REF) != seen)
        with pytest.raises(Exception, match="Conflict"):
            installed.kube.delete(REF, only=seen)
    assert installed.kube.get(REF) is None
