"""What somebody else made is used when it fits, refused when it differs, and taken over only by `--adopt`."""

import json

from inventory import Inventory, aws_inventory, inventory
from sandboxed import Sandboxed

NAMESPACE = "ack-system"
RELEASE = "ack-sagemaker-controller"
CHART = "oci://public.ecr.aws/aws-controllers-k8s/sagemaker-chart"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def test_made_by_hand(bare: Sandboxed) -> None:
    """A role, a bucket and a release that were made by hand, as the tutorials do, are refused with exit 3 and
    stay as they are; `--adopt` takes them over, and then they are ours: `down` removes them.
    """
    world = bare
    names = json.loads(world.run("outputs", "--format", "json").stdout)
    role, bucket = names["SAGEMAKER_EXECUTION_ROLE_NAME"], names["SAGEMAKER_BUCKET"]
    world.aws("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
    constraint = {"LocationConstraint": names["SERVICE_REGION"]}
    world.aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=constraint)
    world.ask("helm", "install", RELEASE, CHART, "-n", NAMESPACE, "--create-namespace", "--skip-crds")
    before = inventory(world)

    refused = world.up(code=3)

    own = {f"iam-role/{role}", f"bucket/{bucket}"}
    expected = own | {f"helm-release/{RELEASE}", f"service-account/{RELEASE}"}
    shown = {line.split()[1] for line in refused.stdout.splitlines() if line.startswith("  x ")}
    assert shown == expected, refused.stdout
    assert "--adopt" in refused.stderr
    assert inventory(world) == before

    world.up("--adopt")
    assert world.changes() == {}
    world.down()
    assert aws_inventory(world) == {}
    assert world.kube.list("apps/v1", "Deployment", NAMESPACE) == []


def test_namespace(bare: Sandboxed, empty: Inventory) -> None:
    """A namespace that was there before is used as it is, and left behind as it was."""
    world = bare
    world.kubectl("create", "namespace", NAMESPACE)
    world.kubectl("label", "namespace", NAMESPACE, "team=platform")
    before = inventory(world)
    (mine,) = before.keys() - empty.keys() - _made_by_kubernetes(before)

    world.up()
    assert inventory(world)[mine] == before[mine]
    world.down()

    assert inventory(world) == before
    world.kubectl("delete", "namespace", NAMESPACE)


def test_provider(bare: Sandboxed, empty: Inventory) -> None:
    """A provider that eksctl made for the cluster is used as it is, and left behind as it was."""
    world, issuer = bare, json.loads(bare.run("outputs", "--format", "json").stdout)["OIDC_PROVIDER_URL"]
    iam = world.aws("iam")
    tags = [{"Key": "alpha.eksctl.io/cluster-name", "Value": world.name}]
    made = iam.create_open_id_connect_provider(
        Url=f"https://{issuer}", ClientIDList=["sts.amazonaws.com"], Tags=tags
    )
    before = inventory(world)

    world.up()
    world.down()

    assert inventory(world) == before
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=made["OpenIDConnectProviderArn"])
    assert inventory(world) == empty


def _made_by_kubernetes(found: Inventory) -> set[str]:
    return {
        key for key in found if key.startswith((f"ConfigMap/{NAMESPACE}/", f"ServiceAccount/{NAMESPACE}/"))
    }
