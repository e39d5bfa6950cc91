"""Ten thousand custom resources of one kind: how long it takes to look at them, and to remove them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import tutorials
from inventory import Inventory, inventory
from sandboxed import Sandboxed, until

from ackinstall.kube import Manifest, Ref

COUNT = 10_000
CEILINGS = {"plan retain": 60.0, "plan delete": 60.0, "down delete": 240.0}
"""Seconds for each command; several times what a machine that does nothing else takes."""
NAMESPACE, RELEASE = "ack-system", "ack-sagemaker-controller"


def test_ten_thousand(installed: Sandboxed, empty: Inventory, capsys: pytest.CaptureFixture[str]) -> None:
    """`plan --down` sums them up, and `down` removes them. They are made while the controller is scaled to
    nothing, so that most are never reconciled: what is measured is the installer and the API server, not the
    controller, which takes seconds for each that it knows.
    """
    world, seconds = installed, {}
    deployment = Ref("apps/v1", "Deployment", _deployment(world), NAMESPACE)
    world.kubectl("scale", "-n", NAMESPACE, f"deployment/{deployment.name}", "--replicas=0")
    world.kubectl("create", "namespace", "team")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(world.kube.create, map(_model, range(COUNT))))

    seconds["plan retain"] = _timed(world, "plan", "--down", "--workloads", "retain")
    world.kubectl("scale", "-n", NAMESPACE, f"deployment/{deployment.name}", "--replicas=1")
    until(lambda: _is_available(world, deployment))
    seconds["plan delete"] = _timed(world, "plan", "--down", "--workloads", "delete")
    seconds["down delete"] = _timed(world, "down", "--yes", "--workloads", "delete")

    world.kubectl("delete", "namespace", "team")
    assert tutorials.without_jobs(inventory(world)) == empty
    with capsys.disabled():
        told = ", ".join(f"{name} {one:.1f} s" for name, one in seconds.items())
        print(f"\n  {COUNT} models: {told}", end=" ")  # noqa: T201 (told on purpose)
    assert {name: one for name, one in seconds.items() if one > CEILINGS[name]} == {}


def _timed(world: Sandboxed, *argv: str) -> float:
    """Run a command, which must see all of them; return the seconds that it took."""
    began = time.monotonic()
    done = world.run(*argv)
    took = time.monotonic() - began
    assert f"{COUNT} of Model" in done.stdout
    return took


def _model(number: int) -> Manifest:
    name = f"model-{number:05}"
    container = {"image": tutorials.XGBOOST, "modelDataURL": f"s3://models/{name}.tar.gz"}
    return {
        "apiVersion": "sagemaker.services.k8s.aws/v1alpha1",
        "kind": "Model",
        "metadata": {"name": name, "namespace": "team"},
        "spec": {
            "modelName": name,
            "primaryContainer": container,
            "executionRoleARN": "arn:aws:iam::123456789012:role/models",
        },
    }


def _deployment(world: Sandboxed) -> str:
    (one,) = world.kube.list("apps/v1", "Deployment", NAMESPACE, f"app.kubernetes.io/instance={RELEASE}")
    return str(one["metadata"]["name"])


def _is_available(world: Sandboxed, deployment: Ref) -> bool:
    found = world.kube.get(deployment) or {}
    return bool((found.get("status") or {}).get("availableReplicas"))
