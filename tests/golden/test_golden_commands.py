"""What the commands print, word for word."""

import json
import re

from conftest import Golden
from support.commands import Answer, Commands
from support.world import World

from ackinstall.kube import Manifest, Ref

CLUSTER = ("--cluster", "demo")
ROLE = "ack-controller-role-demo"


def shown(answer: Answer) -> str:
    """Return both streams and the exit code as a person sees them, times left out."""
    text = f"{answer.stdout}---- stderr\n{answer.stderr}---- exit {answer.code}\n"
    return re.sub(r"\d+(\.\d+)? s\b", "N s", text)


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


def stream(answer: Answer) -> str:
    """Return the events of an answer, one a line, times left out; every line has to be one."""
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    for event in events:
        if "seconds" in event:
            event["seconds"] = 0
    return "".join(json.dumps(event) + "\n" for event in events)


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
