"""What the commands print, word for word."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Golden
from support.commands import Answer, Commands
from support.lease import Elsewhere, lease
from support.workloads import make_scaled_endpoint
from support.world import World

from ackinstall.kube import Manifest, Ref
from ackinstall.sandbox.layout import Layout, Sandbox

CLUSTER = ("--cluster", "demo")
ROLE = "ack-controller-role-demo"


def shown(answer: Answer) -> str:
    """Return both streams and the exit code as a person sees them, times left out."""
    text = f"{answer.stdout}---- stderr\n{answer.stderr}---- exit {answer.code}\n"
    return re.sub(r"\d+ AWS calls", "N AWS calls", re.sub(r"\d+(\.\d+)? s\b", "N s", text))


def drift(world: World) -> None:
    """Change an installation behind its back, in AWS and on the cluster."""
    iam = world.aws.client("iam")
    iam.delete_role_policy(RoleName=ROLE, PolicyName="SagemakerStudioAccess")
    trust = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    operator = trust["Statement"][0]["Condition"]["StringEquals"]
    changed = {key.replace("/id/DEMO", "/id/FORMER"): value for key, value in operator.items()}
    trust["Statement"][0]["Condition"]["StringEquals"] = changed
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(trust))
    world.aws.client("s3").delete_public_access_block(Bucket="ack-sagemaker-bucket-123456789012")
    world.cluster.delete(Ref("v1", "ConfigMap", "ackinstall", "ack-system"))

    def scale(deployment: Manifest) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/other:1"

    world.cluster.change(Ref("apps/v1", "Deployment", deployment_of(world), "ack-system"), scale)


def deployment_of(world: World) -> str:
    """Return the name of the SageMaker controller's deployment."""
    names = [one["metadata"]["name"] for one in world.cluster.list("apps/v1", "Deployment", "ack-system")]
    return next(name for name in names if "sagemaker" in name)


def test_the_plan_of_a_fresh_installation(commands: Commands, golden: Golden) -> None:
    """On an empty account everything is to be created."""
    golden("plan-fresh.txt", shown(commands.run("plan", *CLUSTER)))


def test_the_plan_of_what_stands(commands: Commands, golden: Golden) -> None:
    """On an installation that is as wanted the plan is one line."""
    commands.run("up", *CLUSTER, "--yes")
    golden("plan-unchanged.txt", shown(commands.run("plan", *CLUSTER, "--exit-code")))


def test_the_plan_of_drift(commands: Commands, golden: Golden) -> None:
    """Each field that differs is shown with what was found and what is wanted; changes are pending."""
    commands.run("up", *CLUSTER, "--yes")
    drift(commands.world)
    golden("plan-drifted.txt", shown(commands.run("plan", *CLUSTER, "--exit-code")))
    golden("status-drifted.txt", shown(commands.run("status", *CLUSTER)))


def test_the_plan_of_what_is_refused(commands: Commands, golden: Golden) -> None:
    """A foreign role of the same name is refused, by `plan` as by `up`; nothing is written."""
    iam = commands.world.aws.client("iam")
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)
    golden("plan-refused.txt", shown(commands.run("plan", *CLUSTER)))
    answer, changed = commands.changed_by("up", *CLUSTER, "--yes")
    golden("up-refused.txt", shown(answer))
    assert not changed
    golden("plan-adopted.txt", shown(commands.run("plan", *CLUSTER, "--adopt")))


def test_the_plan_of_a_teardown(commands: Commands, golden: Golden) -> None:
    """A teardown is shown in the order in which it goes."""
    commands.run("up", *CLUSTER, "--yes")
    golden("plan-down.txt", shown(commands.run("plan", *CLUSTER, "--down")))


def test_a_whole_life(commands: Commands, golden: Golden) -> None:
    """An installation, its status, its outputs and its end, with one worker, so that the order is fixed."""
    golden("up.txt", shown(commands.run("up", *CLUSTER, "--yes", "--workers", "1")))
    golden("up-again.txt", shown(commands.run("up", *CLUSTER, "--yes")))
    golden("status.txt", shown(commands.run("status", *CLUSTER)))
    golden("outputs.txt", shown(commands.run("outputs", *CLUSTER)))
    golden("outputs-json.txt", shown(commands.run("outputs", *CLUSTER, "--format", "json")))
    golden("down.txt", shown(commands.run("down", *CLUSTER, "--yes", "--workers", "1")))
    golden("status-missing.txt", shown(commands.run("status", *CLUSTER)))


def test_a_teardown_with_workloads_alive(commands: Commands, golden: Golden) -> None:
    """What is alive is listed with what its end means; refused, then retained, then deleted."""
    commands.run("up", *CLUSTER, "--yes")
    alive(commands.world)
    golden("down-refused.txt", shown(commands.run("down", *CLUSTER, "--yes")))
    golden("plan-down-delete.txt", shown(commands.run("plan", *CLUSTER, "--down", "--workloads", "delete")))
    begun = commands.world.save()
    one = ("--yes", "--workers", "1", "--workloads")
    golden("down-delete.txt", shown(commands.run("down", *CLUSTER, *one, "delete")))
    commands.world.restore(begun)
    golden("down-retain-lost.txt", shown(commands.run("down", *CLUSTER, *one, "retain")))
    commands.world.restore(begun)
    with model_in_aws(commands.world):
        golden("down-retain.txt", shown(commands.run("down", *CLUSTER, *one, "retain")))


def test_the_stream_of_a_teardown_with_workloads_alive(commands: Commands, golden: Golden) -> None:
    """The same as events: each workload, what is retained, what is left."""
    commands.run("up", *CLUSTER, "--yes")
    alive(commands.world)
    json_ = ("--output", "json", "--yes", "--workers", "1")
    golden("down-refused.jsonl", stream(commands.run("down", *CLUSTER, *json_)))
    with model_in_aws(commands.world):
        golden("down-retain.jsonl", stream(commands.run("down", *CLUSTER, *json_, "--workloads", "retain")))


def test_the_teardown_of_a_vanished_cluster(commands: Commands, golden: Golden) -> None:
    """What it left in AWS goes."""
    commands.run("up", *CLUSTER, "--yes")
    commands.world.aws.remove_cluster("demo")
    golden("down-vanished.txt", shown(commands.run("down", *CLUSTER, "--yes", "--workers", "1")))


def alive(world: World) -> None:
    """Let a scaled endpoint's policy, target and model be alive, the model with an object in AWS."""
    model, *_ = make_scaled_endpoint(world)
    arn = "arn:aws:sagemaker:us-west-2:123456789012:model/churn"
    told = {"ackResourceMetadata": {"arn": arn, "ownerAccountID": "123456789012", "region": "us-west-2"}}
    world.cluster.change(model, lambda found: found.update(status=told))


@contextmanager
def model_in_aws(world: World) -> Iterator[None]:
    """Let AWS have what the model stands for, for a while: a world's reset leaves SageMaker as it is."""
    role = "arn:aws:iam::123456789012:role/ack-sagemaker-execution-role-123456789012"
    world.aws.client("sagemaker").create_model(ModelName="churn", ExecutionRoleArn=role)
    try:
        yield
    finally:
        world.aws.client("sagemaker").delete_model(ModelName="churn")


def stream(answer: Answer) -> str:
    """Return the events of an answer, one a line, times left out; every line has to be one."""
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    for event in events:
        event.update({key: value for key, value in (("awsCalls", 0), ("version", "0")) if key in event})
    return re.sub(r'"seconds": [\d.]+', '"seconds": 0', "".join(json.dumps(event) + "\n" for event in events))


def test_the_stream_of_events(commands: Commands, golden: Golden) -> None:
    """With `--output json` stdout is lines of JSON and nothing else, also when something is wrong."""
    json_ = ("--output", "json")
    golden("up.jsonl", stream(commands.run("up", *CLUSTER, "--yes", "--workers", "1", *json_)))
    golden("status.jsonl", stream(commands.run("status", *CLUSTER, *json_)))
    drift(commands.world)
    golden("plan.jsonl", stream(commands.run("plan", *CLUSTER, *json_)))
    golden("down.jsonl", stream(commands.run("down", *CLUSTER, "--yes", "--workers", "1", *json_)))
    golden("error.jsonl", stream(commands.run("up", "--cluster", "none", "--yes", *json_)))
    golden("not-confirmed.jsonl", stream(commands.run("up", *CLUSTER, *json_)))


def test_checks(commands: Commands, golden: Golden) -> None:
    """Both lists of checks, as text and as events: where nothing is, where all is well, where some is not."""
    check, json_ = ("check", *CLUSTER), ("--output", "json")
    golden("check-pre.txt", shown(commands.run(*check, "--pre")))
    golden("check-missing.txt", shown(commands.run(*check)))
    commands.run("up", *CLUSTER, "--yes")
    golden("check.txt", shown(commands.run(*check)))
    golden("check.jsonl", stream(commands.run(*check, *json_)))
    drift(commands.world)
    junit = commands.folder / "checks.xml"
    golden("check-drifted.txt", shown(commands.run(*check, "--junit", str(junit))))
    golden("check-drifted.xml", re.sub(r'time="[\d.]+"', 'time="0"', junit.read_text(encoding="utf-8")))
    golden("check-pre.jsonl", stream(commands.run(*check, "--pre", *json_)))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("explain", ("explain", "identity-proof")),
        ("iam-policy", ("iam-policy", *CLUSTER, "--for", "check")),
        ("outputs", ("outputs", *CLUSTER)),
        ("profile", ("profiles", "show", "sagemaker-only")),
        ("profiles", ("profiles",)),
        ("render", ("render", *CLUSTER, "--profile", "sagemaker-only")),
        ("schema", ("schema", "events")),
    ],
)
def test_what_is_only_printed(
    commands: Commands, golden: Golden, name: str, arguments: tuple[str, ...]
) -> None:
    """Documents and names, for a person and as events."""
    golden(f"{name}.txt", shown(commands.run(*arguments)))
    golden(f"{name}.jsonl", stream(commands.run(*arguments, "--output", "json")))


def test_the_lock_that_is_taken_away(commands: Commands, golden: Golden) -> None:
    """Who held it is told; without one nothing is to be done."""
    unlock = ("unlock", *CLUSTER, "--yes")
    golden("unlock-free.txt", shown(commands.run(*unlock)))
    for name, told, more in (
        ("unlock.txt", shown, ()),
        ("unlock.jsonl", stream, ("--output", "json")),
    ):
        commands.world.opened().kube.create(lease())
        golden(name, told(commands.run(*unlock, *more)))


def test_another_run_holds_the_lock(commands: Commands, golden: Golden) -> None:
    """Who works is told, and how to wait: exit 5."""
    commands.kube = Elsewhere()
    golden("up-locked.txt", shown(commands.run("up", *CLUSTER, "--yes")))
    golden("up-locked.jsonl", stream(commands.run("up", *CLUSTER, "--yes", "--output", "json")))


def test_a_sandbox(
    commands: Commands, golden: Golden, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sandbox that is not there, and one whose processes have ended, as text and as events."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    status, json_ = ("sandbox", "status"), ("--output", "json")
    golden("sandbox-missing.txt", shown(commands.run(*status)))
    golden("sandbox-missing.jsonl", stream(commands.run(*status, *json_)))
    golden("sandbox-up-refused.txt", shown(commands.run("sandbox", "up", "--charts", "nowhere")))
    Layout.of("demo").logs.mkdir(parents=True)
    Sandbox(
        name="demo",
        region="us-west-2",
        issuer="https://oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
        kubernetes_version="1.36",
        ports={"aws": 20001, "kube-apiserver": 20002},
        processes={"aws": 0, "kube-apiserver": 0},
    ).save()
    golden("sandbox-status.txt", shown(commands.run(*status)).replace(str(tmp_path), "CACHE"))
    golden("sandbox-status.jsonl", stream(commands.run(*status, *json_)).replace(str(tmp_path), "CACHE"))
    golden("sandbox-down.jsonl", stream(commands.run("sandbox", "down", *json_)))
    golden("sandbox-down.txt", shown(commands.run("sandbox", "down", "--all")))
