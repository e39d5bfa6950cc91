"""The tutorials' manifests on the real SageMaker controller, and what `down` says while they are alive."""

from pathlib import Path

import tutorials
from inventory import Inventory, inventory
from sandboxed import Sandboxed, until
from tutorials import PATIENCE, conditions, without_jobs

CHOSEN, OTHERS = tutorials.names(7420), tutorials.names(7421)


def test_tutorials(installed: Sandboxed, empty: Inventory) -> None:
    """The training job is Completed, the endpoint InService, all is Ready; with these alive `down` exits 3,
    names them by kind and namespace and changes nothing; deleted by kubectl they leave AWS; then `down` ends
    clean.
    """
    world = installed
    manifests = tutorials.deploy(world, CHOSEN)

    alive = world.custom_resources()
    assert len(alive) == 6
    assert [conditions(one) for one in alive if "ACK.Terminal" in conditions(one)] == []
    _stays_while_alive(world)

    for name in ("scaling", "deploy"):
        world.kubectl("delete", "-n", "team", "-f", "-", text=manifests[name])
    world.kubectl("delete", "-f", "-", text=manifests["training"])
    world.kubectl("delete", "namespace", "team")
    until(lambda: not _workloads(inventory(world)), PATIENCE)
    world.down()
    assert without_jobs(inventory(world)) == empty


def test_ways_through(installed: Sandboxed, empty: Inventory, tmp_path: Path) -> None:
    """`--workloads retain` keeps the endpoint in service, and the list that it writes gives all of it back to
    a controller without a second create. With the controller uninstalled by hand and the namespace
    Terminating, `delete` is refused; `--repair-controller` puts it back, and all goes, in AWS too.
    """
    world, kept = installed, tmp_path / "kept.yaml"
    tutorials.deploy(world, OTHERS)
    world.down("--workloads", "retain", "--retained-to", str(kept))
    assert world.custom_resources() == []
    assert _endpoint(world) == "InService"

    world.up()
    world.forget_calls()
    world.kubectl("apply", "-f", "-", text=kept.read_text())
    until(lambda: tutorials.status(world, "Endpoint", "endpointStatus") == ["InService"], PATIENCE)
    until(lambda: tutorials.all_ready(world), PATIENCE)
    assert [call["operation"] for call in world.writes() if call["operation"].startswith("Create")] == []

    world.shell("helm", "uninstall", "--namespace", "ack-system", "ack-sagemaker-controller")
    world.kubectl("delete", "namespace", "team", "--wait=false")
    refused = world.down("--workloads", "delete", code=3)
    assert "the controller of 'sagemaker' is gone" in refused.stderr
    assert _endpoint(world) == "InService"
    world.down("--workloads", "delete", "--repair-controller")
    assert world.aws("sagemaker").list_endpoints()["Endpoints"] == []
    assert without_jobs(inventory(world)) == empty


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


def _workloads(found: Inventory) -> list[str]:
    kinds = ("aws/model/", "aws/endpoint", "aws/scal")
    return [address for address in found if address.startswith(kinds)]
