"""The main job on a fresh cluster: `up`, the tutorials' own checks, `up` again, `status`, `plan`, `down`."""

import json
import sys
import time
from collections.abc import Iterator

import jsonschema
import pytest
from inventory import Inventory, aws_inventory, inventory, versions
from sandboxed import Sandboxed

from ackinstall.schemas import read

KINDS = ("trainingjobs", "endpoints", "models", "scalabletargets", "scalingpolicies", "fieldexports")
MOST_CALLS = 12
"""AWS calls that an `up` with nothing to do may make."""


def test_fresh_cluster(bare: Sandboxed, empty: Inventory, capsys: pytest.CaptureFixture[str]) -> None:
    """`up` takes a fresh cluster to running controllers, and `down` back to what it was."""
    began = time.monotonic()
    bare.up()
    up = time.monotonic() - began
    _verify_as_the_tutorials_do(bare)
    began = time.monotonic()
    done = bare.down()
    down = time.monotonic() - began
    assert "nothing is left" in done.stdout
    assert inventory(bare) == empty
    with capsys.disabled():
        print(f"\n  fresh up {up:.1f} s, down {down:.1f} s", end=" ")  # noqa: T201 (told on purpose)


def _verify_as_the_tutorials_do(world: Sandboxed) -> None:
    """Run the tutorials' own commands: definitions are there, and all pods in ack-system are Running."""
    definitions = world.ask("bash", "-c", "kubectl get crds | grep services.k8s.aws")
    assert all(f"{kind}." in definitions for kind in KINDS), definitions
    pods = [
        line.split() for line in world.kubectl("get", "pods", "-n", "ack-system", "--no-headers").splitlines()
    ]
    assert len(pods) == 2
    assert {(ready, phase) for _, ready, phase, *_ in pods} == {("1/1", "Running")}, pods


def test_again_writes_nothing(installed: Sandboxed) -> None:
    """A second `up` makes at most 12 AWS calls and no write, to AWS, Kubernetes or Helm."""
    world, before = installed, versions(installed)
    world.forget_calls()
    world.up()
    calls = world.calls()
    assert world.writes() == []
    assert len(calls) <= MOST_CALLS, [f"{call['service']}:{call['operation']}" for call in calls]
    assert versions(world) == before


def test_status(installed: Sandboxed) -> None:
    """`status` says that all is well, in words and as JSON; `plan --exit-code` has nothing to do."""
    assert "all is well" in installed.run("status").stdout
    events = map(json.loads, installed.run("status", "--output", "json").stdout.splitlines())
    (board,) = (one for one in events if one["event"] == "status")
    assert board["well"]
    rows = [row for section in board["sections"] for row in section["rows"]]
    assert {row["name"] for row in rows} >= {"account", "sagemaker", "bucket", "drift"}
    assert {row["outcome"] for row in rows} == {"passed"}, board
    assert installed.changes() == {}


def test_the_sandbox_itself(installed: Sandboxed) -> None:
    """`sandbox up` of one that runs, and `sandbox status`, tell its processes in the stream of events."""
    schema = jsonschema.Draft202012Validator(json.loads(read("events")))
    for command in ("up", "status"):
        line = (sys.executable, "-m", "ackinstall", "sandbox", command, "--name", installed.name)
        start, sandbox, end = map(json.loads, installed.ask(*line, "--output", "json").splitlines())
        for event in (start, sandbox, end):
            schema.validate(event)
        assert (start["command"], end["exit"]) == (f"sandbox {command}", 0)
        assert sandbox["up"]
        assert {one["name"] for one in sandbox["processes"]} >= {"aws", "kube-apiserver", "node"}


def test_outputs(installed: Sandboxed) -> None:
    """`outputs` names, under the tutorials' variables, objects that are there."""
    found = json.loads(installed.run("outputs", "--format", "json").stdout)
    iam = installed.aws("iam")
    for name, arn in (
        ("OIDC_ROLE_NAME", "IAM_ROLE_ARN_FOR_IRSA"),
        ("SAGEMAKER_EXECUTION_ROLE_NAME", "SAGEMAKER_EXECUTION_ROLE_ARN"),
    ):
        assert iam.get_role(RoleName=found[name])["Role"]["Arn"] == found[arn]
    installed.aws("s3").head_bucket(Bucket=found["SAGEMAKER_BUCKET"])


@pytest.fixture
def other(installed: Sandboxed) -> Iterator[str]:
    """Let another cluster use what clusters share; its name is the key of its tag."""
    key = "ackinstall:us-west-2/other"
    names = json.loads(installed.run("outputs", "--format", "json").stdout)
    role, bucket = names["SAGEMAKER_EXECUTION_ROLE_NAME"], names["SAGEMAKER_BUCKET"]
    iam, s3 = installed.aws("iam"), installed.aws("s3")
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    tag = {"Key": key, "Value": "user"}
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [*tags, tag]})
    iam.tag_role(RoleName=role, Tags=[tag])
    yield key
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    iam.untag_role(RoleName=role, TagKeys=[key])


def test_shared_with_another_cluster(installed: Sandboxed, other: str) -> None:
    """`down` takes only its own mark off what another cluster uses too, and says so."""
    done = installed.down()
    left = {address: content["tags"] for address, content in aws_inventory(installed).items()}
    assert [address.split("/")[1] for address in left] == ["role", "bucket"]
    assert all(tags == {"ackinstall": "owned", other: "user"} for tags in left.values()), left
    assert done.stdout.count("still used by us-west-2/other") >= len(left), done.stdout


def test_upload(installed: Sandboxed) -> None:
    """Data can be put into the bucket, as the tutorials do before they train."""
    bucket = json.loads(installed.run("outputs", "--format", "json").stdout)["SAGEMAKER_BUCKET"]
    s3 = installed.aws("s3")
    s3.put_object(Bucket=bucket, Key="train", Body=b"data")
    s3.delete_object(Bucket=bucket, Key="train")


def test_bucket_with_objects(installed: Sandboxed) -> None:
    """`down` keeps a bucket that holds objects; `down --delete-data` takes it."""
    world = installed
    bucket = json.loads(world.run("outputs", "--format", "json").stdout)["SAGEMAKER_BUCKET"]
    s3 = world.aws("s3")
    s3.put_object(Bucket=bucket, Key="sagemaker/model.tar.gz", Body=b"a model")

    assert "holds objects" in world.down().stdout

    kept = aws_inventory(world)
    assert kept[f"aws/bucket/{bucket}"]["objects"] == ["sagemaker/model.tar.gz"]
    world.down("--delete-data")
    assert f"aws/bucket/{bucket}" not in aws_inventory(world)
