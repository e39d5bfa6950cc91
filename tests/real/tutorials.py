"""The tutorials' six custom resources, on the real SageMaker controller and our stand-in for scaling."""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template

from inventory import Inventory
from sandboxed import Sandboxed, until

from ackinstall.kube import Manifest

MANIFESTS = Path(__file__).parent / "manifests"
XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.2-1"
PATIENCE = 120.0
"""Seconds for jobs and endpoints, which take a few in the sandbox."""

Names = Mapping[str, str]


def names(number: int) -> Names:
    """Return the manifests' names for one round: those of finished jobs are taken for ever."""
    return {
        "JOB_NAME": f"ack-xgboost-training-job-{number}",
        "MODEL_NAME": f"ack-xgboost-model-{number}",
        "ENDPOINT_CONFIG_NAME": f"ack-xgboost-endpoint-config-{number}",
        "ENDPOINT_NAME": f"ack-xgboost-endpoint-{number}",
        "XGBOOST_IMAGE": XGBOOST,
    }


def deploy(world: Sandboxed, chosen: Names) -> Mapping[str, str]:
    """Apply the manifests as the tutorials do and wait until all six are Ready; return them by file.

    The training job goes to the namespace `default`, all else to `team`, which is made.
    """
    outputs = json.loads(world.run("outputs", "--format", "json").stdout)
    manifests = {
        path.stem: Template(path.read_text()).substitute(outputs, **chosen)
        for path in MANIFESTS.glob("*.yaml")
    }
    world.kubectl("create", "namespace", "team")
    world.kubectl("apply", "-f", "-", text=manifests["training"])
    world.kubectl("apply", "-n", "team", "-f", "-", text=manifests["deploy"])
    until(lambda: status(world, "TrainingJob", "trainingJobStatus") == ["Completed"], PATIENCE)
    until(lambda: status(world, "Endpoint", "endpointStatus") == ["InService"], PATIENCE)
    world.kubectl("apply", "-n", "team", "-f", "-", text=manifests["scaling"])
    until(lambda: all_ready(world), PATIENCE)
    return manifests


def status(world: Sandboxed, kind: str, field: str) -> list[str]:
    """Return a field of the status of each custom resource of a kind."""
    return [one.get("status", {}).get(field, "") for one in world.custom_resources() if one["kind"] == kind]


def all_ready(world: Sandboxed) -> bool:
    """Tell whether the controllers call all custom resources Ready."""
    return all(conditions(one).get("Ready") == "True" for one in world.custom_resources())


def conditions(one: Manifest) -> Mapping[str, str]:
    """Return the conditions of a custom resource: type to status."""
    found = one.get("status", {}).get("conditions") or ()
    return {condition["type"]: condition["status"] for condition in found}


def kinds(world: Sandboxed) -> set[str]:
    """Return the kinds of which custom resources are alive."""
    return {one["kind"] for one in world.custom_resources()}


def without_jobs(found: Inventory) -> Inventory:
    """Return an inventory without training jobs, which stay in SageMaker's list for ever, as in AWS."""
    return {address: content for address, content in found.items() if "training-job" not in address}
