"""A cluster that was deleted before `down`: what it left in AWS is found by its tags."""

import tutorials
from inventory import Inventory, aws_inventory
from sandboxed import Sandboxed


def test_vanished(installed: Sandboxed, empty: Inventory) -> None:
    """With the cluster deleted in EKS, `plan --down` names what is left and `down` removes it, the provider
    of the issuer that is gone with it; a second `down` knows of no such cluster. (The next test needs a new
    sandbox.)
    """
    world = installed
    world.aws("eks").delete_cluster(name=world.name)
    shown = world.run("plan", "--down").stdout
    for name in (
        "oidc-provider/",
        f"iam-role/ack-controller-role-{world.name}",
        "bucket/",
        "service-linked-role/",
    ):
        assert name in shown
    ended = world.down()
    assert "nothing is left" in ended.stdout
    left = tutorials.without_jobs(aws_inventory(world))
    assert left == {key: one for key, one in empty.items() if key.startswith("aws/")}
    again = world.down(code=2)
    assert "there is no cluster" in again.stderr


def test_made_anew(bare: Sandboxed) -> None:
    """The provider of a former issuer, marked as this cluster's, goes with the rest; a foreign one stays."""
    world, iam = bare, bare.aws("iam")
    tags = [
        {"Key": "ackinstall", "Value": "owned"},
        {"Key": f"ackinstall:us-west-2/{world.name}", "Value": "user"},
    ]
    former, foreign = (
        iam.create_open_id_connect_provider(
            Url=f"https://oidc.eks.us-west-2.amazonaws.com/id/{name}",
            ClientIDList=["sts.amazonaws.com"],
            Tags=marks,
        )["OpenIDConnectProviderArn"]
        for name, marks in (("FORMER", tags), ("FOREIGN", []))
    )
    world.up()
    world.down()
    left = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
    assert former not in left
    assert left == [foreign]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=foreign)
