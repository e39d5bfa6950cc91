"""The controller uninstalled first and the namespace hanging: `retain` lets all go, AWS keeps its side."""

import json

import answers
import tutorials
from inventory import Inventory, inventory
from sandboxed import Sandboxed, until

MODEL = "ack-xgboost-model-7510"


def test_namespace_ends(installed: Sandboxed, empty: Inventory) -> None:
    """With the release uninstalled by hand a deleted namespace hangs on its model. `down --workloads retain`
    takes ACK's finalizer off, so that it ends; the model is still in AWS, and the role that it names with it.
    """
    world = installed
    role = json.loads(world.run("outputs", "--format", "json").stdout)["SAGEMAKER_EXECUTION_ROLE_ARN"]
    image = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.2-1"
    spec = {"modelName": MODEL, "executionRoleARN": role, "containers": [{"image": image}]}
    metadata = {"name": MODEL, "namespace": "team"}
    world.kubectl("create", "namespace", "team")
    world.kubectl(
        "apply",
        "-f",
        "-",
        text=json.dumps(
            {
                "apiVersion": "sagemaker.services.k8s.aws/v1alpha1",
                "kind": "Model",
                "metadata": metadata,
                "spec": spec,
            }
        ),
    )
    sagemaker = world.aws("sagemaker")
    until(lambda: [one["ModelName"] for one in sagemaker.list_models()["Models"]] == [MODEL], 120)
    world.shell("helm", "uninstall", "--namespace", "ack-system", "ack-sagemaker-controller")
    world.kubectl("delete", "namespace", "team", "--wait=false")

    left = answers.down(world, "--workloads", "retain")

    assert list(left) == [f"iam-role/{role.rpartition('/')[2]}"]
    until(lambda: "team" not in world.kubectl("get", "namespaces"))
    assert sagemaker.describe_model(ModelName=MODEL)["ModelName"] == MODEL
    sagemaker.delete_model(ModelName=MODEL)
    assert answers.down(world) == {}
    assert tutorials.without_jobs(inventory(world)) == tutorials.without_jobs(empty)
