"""What is sent to IAM, S3 and Helm, document by document, in each partition of AWS."""

from dataclasses import replace

import pytest
from conftest import Golden
from support.commands import Commands
from support.world import World
from typer.testing import CliRunner

from ackinstall import catalog, documents, profile
from ackinstall.cli import app
from ackinstall.target import Target

# The region and the domain of the issuer, by partition.
PARTITIONS = {
    "aws": ("us-west-2", "amazonaws.com"),
    "aws-cn": ("cn-north-1", "amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "amazonaws.com"),
}


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("name", ["default", "sagemaker-only"])
def test_documents(world: World, golden: Golden, name: str, partition: str) -> None:
    """Trust, policies and values hold the partition, region and issuer of the cluster, and no others."""
    region, domain = PARTITIONS[partition]
    facts = world.facts()
    cluster = replace(
        facts.cluster,
        arn=f"arn:{partition}:eks:{region}:{facts.account}:cluster/demo",
        issuer=f"https://oidc.eks.{region}.{domain}/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
    )
    facts = replace(facts, partition=partition, region=region, cluster=cluster)
    chosen = profile.load(name)
    resources = catalog.build(chosen, facts)
    target = Target(profile=chosen, facts=facts, clients=world.clients, resources=resources)
    files = {path: text for path, text in documents.files(target).items() if not path.startswith("crds/")}
    golden(f"documents/{name}-{partition}.txt", "\n".join(documents.printed(files)))
    assert "trust.json" in files
    assert partition == "aws" or not any("arn:aws:" in text for text in files.values())


@pytest.mark.parametrize("purpose", ["up", "down", "check", "all"])
@pytest.mark.parametrize("name", ["default", "sagemaker-only"])
def test_the_least_policy(golden: Golden, name: str, purpose: str) -> None:
    """The policy that the commands need follows from the profile, and takes no AWS to print."""
    result = CliRunner().invoke(app, ["iam-policy", "--for", purpose, "--profile", name])
    assert result.exit_code == 0
    golden(f"documents/{name}-iam-policy-{purpose}.json", result.stdout)


def test_the_least_policy_of_a_cluster(commands: Commands, golden: Golden) -> None:
    """With a cluster it names account, region, cluster and issuer, and asks AWS for no more than these."""
    answer = commands.run("iam-policy", "--cluster", "demo")
    asked = ["sts:GetCallerIdentity", "eks:DescribeCluster"]
    assert (answer.code, commands.world.faults.named("")) == (0, asked)
    golden("documents/default-iam-policy-demo.json", answer.stdout)
