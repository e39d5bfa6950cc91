"""The tutorials' manifests on the real SageMaker controller, and what `down` says while they are alive."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

from inventory import Inventory, inventory
from sandboxed import Sandboxed, until

from ackinstall.kube import Manifest

MANIFESTS = Path(__file__).parent / "manifests"
CHOSEN = {
    "JOB_NAME": "ack-xgboost-training-job-7420",
    "MODEL_NAME": "ack-xgboost-model-7420",
    "ENDPOINT_CONFIG_NAME": "ack-xgboost-endpoint-config-7420",
    "ENDPOINT_NAME": "ack-xgboost-endpoint-7420",
    "XGBOOST_IMAGE": "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.2-1",
}
OTHERS = {key: value.replace("7420", "7421") for key, value in CHOSEN.items()}
"""Names for a second round: those of finished jobs are taken for ever."""
PATIENCE = 120.0
"""Seconds for jobs and endpoints, which take a few in the sandbox."""


def test_tutorials(installed: Sandboxed, empty: Inventory) -> None:
    """The training job is Completed, the endpoint InService, all is Ready; with these alive `down` exits 3,
    names them by kind and namespace and changes nothing; deleted by kubectl they leave AWS; then `down` ends
    clean.
    """
    world = installed
    manifests = _deploy(world)

    alive = world.custom_resources()
    assert len(alive) == 6
    assert [_conditions(one) for one in alive if "ACK.Terminal" in _conditions(one)] == []
    _stays_while_alive(world)

    for name in ("scaling", "deploy"):
        world.kubectl("delete", "-n", "team", "-f", "-", text=manifests[name])
    world.kubectl("delete", "-f", "-", text=manifests["training"])
    world.kubectl("delete", "namespace", "team")
    # A training job stays in SageMaker's list for ever, as in AWS.
    until(lambda: not _workloads(inventory(world)), PATIENCE)
    world.down()
    assert {key: one for key, one in inventory(world).items() if "training-job" not in key} == empty


def test_ways_through(installed: Sandboxed, empty: Inventory, tmp_path: Path) -> None:
    """`--workloads retain` keeps the endpoint in service, and the list that it writes gives all of it back to
    a controller without a second create. With the controller uninstalled by hand and the namespace
    Terminating, `delete` is refused; `--repair-controller` puts it back, and all goes, in AWS too.
    """
    world, kept = installed, tmp_path / "kept.yaml"
    _deploy(world, OTHERS)
    world.down("--workloads", "retain", "--retained-to", str(kept))
    assert world.custom_resources() == []
    assert _endpoint(world) == "InService"

    world.up()
    world.forget_calls()
    world.kubectl("apply", "-f", "-", text=kept.read_text())
    until(lambda: _status(world, "Endpoint", "endpointStatus") == ["InService"], PATIENCE)
    until(lambda: all(_conditions(one).get("Ready") == "True" for one in world.custom_resources()), PATIENCE)
    assert [call["operation"] for call in world.writes() if call["operation"].startswith("Create")] == []

    world.shell("helm", "uninstall", "--namespace", "ack-system", "ack-sagemaker-controller")
    world.kubectl("delete", "namespace", "team", "--wait=false")
    refused = world.down("--workloads", "delete", code=3)
    assert "the controller of 'sagemaker' is gone" in refused.stderr
    assert _endpoint(world) == "InService"
    world.down("--workloads", "delete", "--repair-controller")
    assert world.aws("sagemaker").list_endpoints()["Endpoints"] == []
    assert {key: one for key, one in inventory(world).items() if "training-job" not in key} == empty


def _deploy(world: Sandboxed, chosen: Mapping[str, str] = CHOSEN) -> dict[str, str]:
    """Apply the tutorials' manifests and wait until all is ready; return them."""
    manifests = _manifests(world, chosen)
    world.kubectl("create", "namespace", "team")
    world.kubectl("apply", "-f", "-", text=manifests["training"])
    world.kubectl("apply", "-n", "team", "-f", "-", text=manifests["deploy"])
    until(lambda: _status(world, "TrainingJob", "trainingJobStatus") == ["Completed"], PATIENCE)
    until(lambda: _status(world, "Endpoint", "endpointStatus") == ["InService"], PATIENCE)
    world.kubectl("apply", "-n", "team", "-f", "-", text=manifests["scaling"])
    until(lambda: all(_conditions(one).get("Ready") == "True" for one in world.custom_resources()), PATIENCE)
    return manifests


def _endpoint(world: Sandboxed) -> str:
    answer = world.aws("sagemaker").describe_endpoint(EndpointName=OTHERS["ENDPOINT_NAME"])
    return str(answer["EndpointStatus"])


def _stays_while_alive(world: Sandboxed) -> None:
    before = inventory(world)
    refused = world.down(code=3)
    said = refused.stdout + refused.stderr
    for kind, namespace, name in (
        ("TrainingJob", "default", CHOSEN["JOB_NAME"]),
        ("Model", "team", CHOSEN["MODEL_NAME"]),
        ("EndpointConfig", "team", CHOSEN["ENDPOINT_CONFIG_NAME"]),
        ("Endpoint", "team", CHOSEN["ENDPOINT_NAME"]),
        ("ScalableTarget", "team", "ack-tutorial-endpoint-scalable-target"),
        ("ScalingPolicy", "team", "ack-tutorial-endpoint-scaling-policy"),
    ):
        (line,) = {one.strip() for one in refused.stderr.splitlines() if f"{kind}." in one}
        assert f"'{namespace}'" in line, said
        assert name in line, said
    assert inventory(world) == before


def _manifests(world: Sandboxed, chosen: Mapping[str, str]) -> dict[str, str]:
    outputs = json.loads(world.run("outputs", "--format", "json").stdout)
    return {
        path.stem: Template(path.read_text()).substitute(outputs, **chosen)
        for path in MANIFESTS.glob("*.yaml")
    }


def _status(world: Sandboxed, kind: str, field: str) -> list[str]:
    return [one.get("status", {}).get(field, "") for one in world.custom_resources() if one["kind"] == kind]


def _conditions(one: Manifest) -> Mapping[str, str]:
    found = one.get("status", {}).get("conditions") or ()
    return {condition["type"]: condition["status"] for condition in found}


def _workloads(found: Inventory) -> list[str]:
    kinds = ("aws/model/", "aws/endpoint", "aws/scal")
    return [address for address in found if address.startswith(kinds)]
