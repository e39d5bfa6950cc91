"""A removal that AWS refuses: the rest goes, the reason is told, and the same command finishes later."""

import answers
import tutorials
from inventory import Inventory, inventory
from sandboxed import Sandboxed

CHOSEN = tutorials.names(7431)


def test_endpoint_stays(installed: Sandboxed, empty: Inventory) -> None:
    """With DeleteEndpoint refused, `down --workloads delete` takes all that does not depend on the endpoint,
    tells the condition's own message and ends with 1; with the refusal lifted the same command ends clean.
    """
    world = installed
    tutorials.deploy(world, CHOSEN)
    world.break_aws(deny={"sagemaker:DeleteEndpoint": "*"})

    refused = world.down("--workloads", "delete", code=1)

    assert tutorials.kinds(world) == {"Endpoint", "EndpointConfig", "Model"}
    told = next(line for line in refused.stderr.splitlines() if "[custom-resources-stuck]" in line)
    assert f"'Endpoint/team/{CHOSEN['ENDPOINT_NAME']}'" in told
    assert "is not authorized to perform: sagemaker:DeleteEndpoint" in told
    assert world.aws("sagemaker").list_endpoints()["Endpoints"][0]["EndpointStatus"] == "InService"

    world.mend_aws()
    assert answers.down(world, "--workloads", "delete") == {}
    world.kubectl("delete", "namespace", "team")
    assert tutorials.without_jobs(inventory(world)) == empty
