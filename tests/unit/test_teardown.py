"""What `down` finds by the mark alone, shows before it goes, and proves at its end."""

import json

from support.aws import ACCOUNT, REGION
from support.cluster import ApiError
from support.commands import Commands
from support.world import World

from ackinstall.kube import Kube, Manifest

ROLE = "ack-controller-role-demo"
EXECUTION_ROLE = f"ack-sagemaker-execution-role-{ACCOUNT}"
BUCKET = f"ack-sagemaker-bucket-{ACCOUNT}"
LINKED = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
DOWN = ("down", "--cluster", "demo", "--yes")


def vanish(commands: Commands) -> None:
    """Delete the EKS cluster; whoever asks its API server from now on hangs."""
    commands.world.aws.remove_cluster("demo")

    def hang(_: Kube) -> Kube:
        raise AssertionError("the API server of a cluster that is gone was asked")

    commands.kube = hang


def roles(world: World) -> set[str]:
    return set(world.aws.inventory()["roles"])


class Hiding:
    """A cluster's API for somebody who may not list models."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Manifest]:
        """See Kube."""
        if kind == "Model":
            raise ApiError(403, "Forbidden", "models.sagemaker.services.k8s.aws is forbidden")
        return self._kube.list(api_version, kind, namespace, labels)

    def __getattr__(self, name: str) -> object:
        return getattr(self._kube, name)


# a cluster that is gone


def test_of_a_vanished_cluster_the_aws_side_goes(commands: Commands) -> None:
    """With the cluster deleted in EKS, all that it left in AWS is found by its tags and removed."""
    before = commands.world.aws.inventory()
    commands.run("up", "--cluster", "demo", "--yes")
    vanish(commands)
    shown = commands.run("plan", "--cluster", "demo", "--down")
    assert shown.code == 0
    gone = [line.strip().split(" ")[1].split("/")[0] for line in shown.stdout.splitlines() if "  - " in line]
    assert sorted(gone) == ["bucket", "iam-role", "iam-role", "oidc-provider", "service-linked-role"]
    ended = commands.run(*DOWN)
    assert (ended.code, "nothing is left" in ended.stdout) == (0, True), ended
    assert commands.world.aws.inventory() == before


def test_what_a_vanished_cluster_shares_stays(commands: Commands) -> None:
    """What another cluster uses too stays, and only loses the mark of the one that is gone."""
    commands.run("up", "--cluster", "demo", "--yes")
    iam = commands.world.aws.client("iam")
    iam.tag_role(RoleName=EXECUTION_ROLE, Tags=[{"Key": f"ackinstall:{REGION}/other", "Value": "user"}])
    vanish(commands)
    ended = commands.run(*DOWN)
    assert ended.code == 0, ended
    assert EXECUTION_ROLE in roles(commands.world)
    assert ROLE not in roles(commands.world)
    tags = commands.world.aws.inventory()["roles"][EXECUTION_ROLE]["tags"]
    assert {key for key in tags if key.startswith("ackinstall:")} == {f"ackinstall:{REGION}/other"}


def test_a_service_linked_role_that_is_not_tagged_yet_goes_too(commands: Commands) -> None:
    """A run that was killed between making the role and tagging it left our description on it."""
    commands.run("up", "--cluster", "demo", "--yes")
    iam = commands.world.aws.client("iam")
    tags = commands.world.aws.inventory()["roles"][LINKED]["tags"]
    iam.untag_role(RoleName=LINKED, TagKeys=list(tags))
    vanish(commands)
    assert commands.run(*DOWN).code == 0
    assert LINKED not in roles(commands.world)


def test_a_name_that_never_was_a_cluster_is_a_mistake(installed: Commands) -> None:
    """Where no mark names the cluster, it is a wrong name, whatever else is in the account: exit 2."""
    answer, changed = installed.changed_by("down", "--cluster", "dmeo", "--yes")
    assert (answer.code, answer.error.endswith("[unknown-cluster]"), changed) == (2, True, False)


def test_the_provider_of_a_former_cluster_goes(installed: Commands) -> None:
    """A cluster that was made anew under its name has another issuer; the old provider goes with the rest."""
    iam = installed.world.aws.client("iam")
    arn = iam.create_open_id_connect_provider(
        Url=f"https://oidc.eks.{REGION}.amazonaws.com/id/FORMER",
        ClientIDList=["sts.amazonaws.com"],
        Tags=[{"Key": "ackinstall", "Value": "owned"}, {"Key": f"ackinstall:{REGION}/demo", "Value": "user"}],
    )["OpenIDConnectProviderArn"]
    foreign = iam.create_open_id_connect_provider(
        Url=f"https://oidc.eks.{REGION}.amazonaws.com/id/FOREIGN", ClientIDList=["sts.amazonaws.com"]
    )["OpenIDConnectProviderArn"]
    assert installed.run(*DOWN).code == 0
    left = installed.world.aws.inventory()["providers"]
    assert arn not in left
    assert foreign in left


# what goes with a removal


def test_foreign_inline_policies_are_shown_before_they_go(installed: Commands) -> None:
    """A role goes with its inline policies; those that others put there are shown whole, and no others."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}],
    }
    installed.world.aws.client("iam").put_role_policy(
        RoleName=ROLE, PolicyName="theirs", PolicyDocument=json.dumps(document)
    )
    shown = installed.run("plan", "--cluster", "demo", "--down").stdout
    told = [line.strip() for line in shown.splitlines() if "not ours" in line]
    assert told == [f"goes with it, not ours: inlinePolicies.theirs {json.dumps(document)}"]
    assert installed.run(*DOWN).code == 0
    assert ROLE not in roles(installed.world)


def test_the_objects_in_the_bucket_are_counted_and_go(installed: Commands) -> None:
    """`--delete-data` says how much goes, and takes versions, markers and open uploads; without, the bucket
    stays, exit 0, and the command that removes it is printed.
    """
    s3 = installed.world.aws.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for text in ("one", "two"):
        s3.put_object(Bucket=BUCKET, Key="data", Body=text.encode())
    s3.delete_object(Bucket=BUCKET, Key="data")
    s3.create_multipart_upload(Bucket=BUCKET, Key="large")

    kept = installed.run(*DOWN)
    assert kept.code == 0, kept
    assert f"bucket/{BUCKET}: holds objects" in kept.stdout
    assert f"ackinstall down --cluster demo --region {REGION} --delete-data" in kept.stdout

    shown = installed.run("plan", "--cluster", "demo", "--down", "--delete-data").stdout
    assert 'objects "3 versions of objects, 0.0 MiB"' in shown
    assert installed.run(*DOWN, "--delete-data").code == 0
    assert installed.world.aws.inventory()["buckets"] == {}


# the proof


def test_what_carries_our_mark_and_is_unknown_is_left_and_named(installed: Commands) -> None:
    """A marked object that the profile does not speak of is no success: it is named with its command."""
    metadata = {"name": "former", "namespace": "default", "labels": {"ackinstall/managed": "true"}}
    installed.world.cluster.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    ended = installed.run(*DOWN)
    assert (ended.code, ended.error) == (1, "error: not all is gone [something-is-left]")
    assert "x ConfigMap/former: carries our mark" in ended.stdout
    assert (
        "`kubectl delete configmap former --namespace default` removes it when nothing holds it"
        in ended.stdout
    )


def test_what_aws_keeps_is_kept_on_purpose(installed: Commands) -> None:
    """A service-linked role that another region uses is kept by AWS: that is no failure."""
    installed.world.aws.keep_service_linked_roles("arn:aws:sagemaker:eu-west-1:123456789012:endpoint/theirs")
    ended = installed.run(*DOWN)
    assert ended.code == 0, ended
    assert f"= service-linked-role/{LINKED}: AWS keeps it: arn:aws:sagemaker:eu-west-1" in ended.stdout
    assert LINKED in roles(installed.world)


def test_what_a_repair_lacks_is_named_before_it_begins(installed: Commands) -> None:
    """`--repair-controller` makes objects in AWS too: it asks IAM first."""
    iam = installed.world.aws.client("iam")
    iam.delete_role_policy(RoleName=ROLE, PolicyName="SagemakerStudioAccess")
    denial = {"Effect": "Deny", "Action": "iam:PutRolePolicy", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    iam.put_user_policy(UserName="administrator", PolicyName="deny", PolicyDocument=document)
    answer, changed = installed.changed_by(*DOWN, "--workloads", "delete", "--repair-controller")
    assert "[aws-permissions]" in answer.error
    assert "may not call iam:PutRolePolicy" in answer.error
    assert not changed


def test_a_kind_that_may_not_be_listed_is_named(installed: Commands) -> None:
    """RBAC that hides one kind is an error that names it, not an empty list: nothing is removed."""
    before = installed.world.inventory()
    installed.kube = Hiding
    answer = installed.run(*DOWN, "--workloads", "delete")
    assert answer.code == 1
    assert "models.sagemaker.services.k8s.aws is forbidden" in answer.error
    installed.kube = lambda kube: kube
    assert installed.world.inventory() == before
