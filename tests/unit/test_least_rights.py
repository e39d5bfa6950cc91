"""The least policy: all that the commands call is allowed by it. Each of its actions that is taken away is
named by the command that needs it, with the statement that gives it back, and nothing stays half made.
"""

import fnmatch
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from support.aws import ACCOUNT, REGION, InProcessAws
from support.cluster import NODE
from support.commands import Answer, Commands
from support.rights import actions_of, forget, limited, needed, without
from support.workloads import SAGEMAKER, SCALING, make
from support.world import Saved, World

from ackinstall import iam_policy, profile
from ackinstall.iam_policy import Place
from ackinstall.kube import Ref
from ackinstall.sandbox.node.machine import node_name

PLACE = Place(partition="aws", account=ACCOUNT, region=REGION, cluster="demo")
ROLE = "ack-controller-role-demo"
EXECUTION = f"ack-sagemaker-execution-role-{ACCOUNT}"
BUCKET = f"ack-sagemaker-bucket-{ACCOUNT}"
LINKED = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
BOUNDARY = "controllerRole.permissionsBoundary=arn:aws:iam::aws:policy/PowerUserAccess"
OTHER = {"Key": "ackinstall:us-west-2/other", "Value": "user"}
MANAGED = 6144
"""The characters that a managed policy may have:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
SPARED = "iam:GetAccountAuthorizationDetails"
"""Spares calls: without it each role is read alone, and nothing is said."""
SIMULATED = "iam:SimulatePrincipalPolicy"
CHECKED = ("eks:DescribeFargateProfile", "eks:ListFargateProfiles", SIMULATED)
"""What a check alone asks with."""
ASKED = ("eks:ListCapabilities", *CHECKED)
"""Without these something is not proven: a command says so, names them, and goes on."""


def nothing(_world: World) -> AbstractContextManager[None]:
    """Leave everything as it is."""
    return nullcontext()


@contextmanager
def drifted(world: World) -> Iterator[None]:
    """Change what can be changed behind the installer's back."""
    iam, s3 = world.aws.client("iam"), world.aws.client("s3")
    trust = json.dumps(iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"])
    wrong = trust.replace(":ack-sagemaker-controller", ":another-service-account")
    iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=wrong)
    iam.untag_role(RoleName=LINKED, TagKeys=["ackinstall:us-west-2/demo"])
    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    iam.remove_client_id_from_open_id_connect_provider(
        OpenIDConnectProviderArn=provider["Arn"], ClientID="sts.amazonaws.com"
    )
    s3.delete_public_access_block(Bucket=BUCKET)
    s3.delete_bucket_policy(Bucket=BUCKET)
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [*_owned(s3), OTHER]})
    # AWS has not had such buckets since January 2023, and the sandbox makes none.
    world.aws.account.s3.buckets[BUCKET].encryption = None
    yield


def _owned(s3: Any) -> list[Mapping[str, str]]:  # noqa: ANN401 (boto3's)
    """Return the bucket's tags but for the one that says that the cluster uses it."""
    tags = s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]
    return [tag for tag in tags if not tag["Key"].startswith("ackinstall:")]


@contextmanager
def shared(world: World) -> Iterator[None]:
    """Let another cluster use what clusters share."""
    iam, s3 = world.aws.client("iam"), world.aws.client("s3")
    for role in (EXECUTION, LINKED):
        iam.tag_role(RoleName=role, Tags=[OTHER])
    tags = s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": [*tags, OTHER]})
    yield


@contextmanager
def filled(world: World) -> Iterator[None]:
    """Put data into the bucket, an upload that was not ended too."""
    s3 = world.aws.client("s3")
    s3.put_object(Bucket=BUCKET, Key="data/train.csv", Body=b"1,2\n")
    s3.create_multipart_upload(Bucket=BUCKET, Key="data/half.csv")
    yield


@contextmanager
def trained(world: World) -> Iterator[None]:
    """Let SageMaker have a model."""
    sagemaker = world.aws.client("sagemaker")
    sagemaker.create_model(ModelName="churn", ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/another")
    try:
        yield
    finally:
        sagemaker.delete_model(ModelName="churn")


@contextmanager
def alive(world: World) -> Iterator[None]:
    """Let a model and what scales it be alive, and their controllers be gone."""
    scaling = world.aws.client("application-autoscaling")
    target = {
        "ResourceId": "endpoint/churn/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ServiceNamespace": "sagemaker",
    }
    scaled = {
        "resourceID": target["ResourceId"],
        "scalableDimension": target["ScalableDimension"],
        "serviceNamespace": target["ServiceNamespace"],
    }
    _make(world, SAGEMAKER, "Model", {"modelName": "churn"})
    _make(world, SCALING, "ScalableTarget", scaled)
    _make(world, SCALING, "ScalingPolicy", {**scaled, "policyName": "churn"})
    for name in ("ack-sagemaker-controller", "ack-applicationautoscaling-controller"):
        world.helm.uninstall(name, "ack-system")
    # By the service itself there are no targets without an endpoint, which takes its time.
    world.aws.account.autoscaling(REGION).register_scalable_target(
        *(target[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")), 1, 2, "", {}
    )
    with trained(world):
        scaling.put_scaling_policy(**target, PolicyName="churn", PolicyType="TargetTrackingScaling")
        try:
            yield
        finally:
            scaling.deregister_scalable_target(**target)


def _make(world: World, group: str, kind: str, spec: Mapping[str, Any]) -> None:
    """Make a custom resource that has an object in AWS."""
    ref = make(world, group, kind, "churn", spec)
    arn = f"arn:aws:{group.partition('.')[0]}:{REGION}:{ACCOUNT}:{kind.lower()}/churn"
    told = {"ackResourceMetadata": {"arn": arn, "ownerAccountID": ACCOUNT, "region": REGION}}
    world.cluster.change(ref, lambda found: found.update(status=told))


@contextmanager
def on_fargate(world: World) -> Iterator[None]:
    """Let all nodes be Fargate's."""
    eks = world.aws.client("eks")
    about = {"clusterName": "demo", "fargateProfileName": "ack"}
    role = f"arn:aws:iam::{ACCOUNT}:role/fargate"
    eks.create_fargate_profile(**about, podExecutionRoleArn=role, selectors=[{"namespace": "ack-system"}])
    fargate = {"eks.amazonaws.com/compute-type": "fargate"}
    world.cluster.change(Ref(*NODE, node_name(REGION)), lambda one: one["metadata"]["labels"].update(fargate))
    try:
        yield
    finally:
        eks.delete_fargate_profile(**about)


@contextmanager
def vanished(world: World) -> Iterator[None]:
    """Let EKS know nothing of the cluster any more."""
    world.aws.remove_cluster("demo")
    try:
        yield
    finally:
        world.aws.add_clusters()


@dataclass(frozen=True)
class Scene:
    """A command on an account in some state; `settings` are of the profile, `installed` is where it begins,
    `code` is how it ends with all rights that it needs.
    """

    command: tuple[str, ...]
    before: Callable[[World], AbstractContextManager[None]] = nothing
    settings: tuple[str, ...] = ()
    installed: bool = True
    code: int = 0

    purpose: str = "up"
    optional: bool = True

    @property
    def policy(self) -> Mapping[str, Any]:
        """The least policy for it, with what is optional in it or without."""
        whole = iam_policy.document(profile.load("default", self.settings), PLACE, self.purpose)
        needed = [one for one in whole["Statement"] if not one["Sid"].startswith("Optional")]
        return whole if self.optional else {**whole, "Statement": needed}


# The first, and quickest, of those that need an action has to name it.
SCENES = {
    "plan": Scene(("plan",)),
    "plan --down": Scene(("plan", "--down"), before=trained, purpose="down"),
    "plan --down, least": Scene(("plan", "--down"), purpose="down", optional=False),
    "up, drifted": Scene(("up", "--yes"), before=drifted),
    "up, with a boundary": Scene(("up", "--yes"), settings=(BOUNDARY,)),
    "down, shared": Scene(("down", "--yes"), before=shared, purpose="down"),
    "down, filled": Scene(("down", "--yes", "--delete-data"), before=filled, purpose="down"),
    "down, retaining": Scene(("down", "--yes", "--workloads", "retain"), before=alive, purpose="down"),
    "up": Scene(("up", "--yes"), installed=False),
    "up, vanished": Scene(("up", "--yes"), before=vanished, installed=False, code=2),
    "down, vanished": Scene(("down", "--yes"), before=vanished, purpose="down"),
    "down, nothing": Scene(("down", "--yes"), before=vanished, purpose="down", installed=False, code=2),
    "check --pre": Scene(("check", "--pre"), before=on_fargate, purpose="up", installed=False),
    "check": Scene(("check",), purpose="check"),
    "status": Scene(("status",), purpose="check"),
    "render": Scene(("render",), purpose="check"),
    "outputs": Scene(("outputs",), purpose="check"),
}
ACTIONS = sorted(
    {action for scene in SCENES.values() for action in actions_of(scene.policy)} - {*CHECKED, SPARED}
)
PURPOSES = ("all", "up", "down", "check")
BEFORE = [
    *(("check --pre", action) for action in actions_of(SCENES["up"].policy)),
    *(("up --yes", action) for action in actions_of(SCENES["up"].policy)),
    *(("down --yes", action) for action in actions_of(SCENES["down, shared"].policy)),
]


@dataclass(frozen=True)
class Done:
    """How a scene went with all its rights: the actions that it asked for, the world that it left."""

    needs: frozenset[str]
    left: Mapping[str, Any]


@dataclass
class Stage:
    """An account and a cluster that every scene finds anew; `begun` are the worlds that they begin with."""

    commands: Commands
    begun: Mapping[bool, Saved]
    done: dict[str, Done] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The account and the cluster."""
        return self.commands.world

    @contextmanager
    def on(self, scene: Scene) -> Iterator[None]:
        """Put everything into the state in which a scene begins."""
        self.world.restore(self.begun[scene.installed])
        with scene.before(self.world):
            yield

    def run(self, scene: Scene, policy: Mapping[str, Any]) -> Answer:
        """Run a scene's command as somebody with these rights."""
        settings = (part for one in scene.settings for part in ("--set", one))
        forget(self.world.aws)
        with limited(self.world.aws, policy):
            return self.commands.run(*scene.command, "--cluster", "demo", *settings)

    def undisturbed(self, name: str) -> Done:
        """Return how a scene goes with all rights that it needs."""
        if name not in self.done:
            scene = SCENES[name]
            with self.on(scene):
                answer = self.run(scene, scene.policy)
                assert answer.code == scene.code, answer.stderr
                self.done[name] = Done(frozenset(needed(self.world.aws)), self.world.inventory())
        return self.done[name]


@pytest.fixture(scope="module")
def stage(in_process_aws: InProcessAws, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Install once."""
    in_process_aws.reset()
    in_process_aws.add_clusters()
    commands = Commands(World(in_process_aws), tmp_path_factory.mktemp("least"))
    bare = commands.world.save()
    assert commands.run("up", "--yes", "--cluster", "demo").code == 0
    return Stage(commands, {False: bare, True: commands.world.save()})


@pytest.mark.parametrize("name", SCENES)
def test_all_that_is_called_is_allowed(stage: Stage, name: str) -> None:
    """Each command ends as it should with the least policy for it, and nothing is refused."""
    assert stage.undisturbed(name).needs


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_taken_away_is_named(stage: Stage, action: str) -> None:
    """The action, and the statement that allows it again; with that the same command ends as if nothing had
    happened.
    """
    for name, scene in SCENES.items():
        if not any(fnmatch.fnmatchcase(one, action) for one in stage.undisturbed(name).needs):
            continue
        with stage.on(scene):
            unasked = ASKED if scene.purpose == "up" else (SIMULATED,)
            answer = stage.run(scene, without(scene.policy, action, *unasked))
            if answer.code == 0 and action in ASKED:
                continue
            assert answer.code == 1, answer.stdout + answer.stderr
            assert is_named(answer, action), answer.stderr
            assert stage.run(scene, scene.policy).code == scene.code
            assert stage.world.inventory() == stage.undisturbed(name).left
            return
    pytest.fail(f"nothing that the installer does needs '{action}'")


@pytest.mark.parametrize(("command", "action"), sorted(BEFORE))
def test_what_is_taken_away_is_named_before_the_first_write(stage: Stage, command: str, action: str) -> None:
    """On the way to each change that needs it: of `up`, which `check --pre` foretells, and of `down`."""
    purpose = "down" if command.startswith("down") else "up"
    for name, scene in SCENES.items():
        used = stage.undisturbed(name).needs if scene.purpose == purpose else ()
        if not any(fnmatch.fnmatchcase(one, action) for one in used):
            continue
        chosen = replace(scene, command=(*command.split(), *scene.command[2:]))
        with stage.on(scene):
            before = stage.world.inventory()
            answer = stage.run(chosen, without(scene.policy, action))
            if action == SPARED:
                assert answer.code == 0
            elif action == SIMULATED or (action in ASKED and purpose == "up"):
                assert (answer.code, action in answer.stdout + answer.stderr) == (0, True)
            else:
                assert action.rstrip("*") in answer.stdout + answer.stderr
                assert (answer.code, stage.world.inventory() == before) == (1, True)
        return
    pytest.fail(f"no {purpose} needs '{action}'")


def test_a_deny_is_told_from_a_missing_allow(stage: Stage) -> None:
    """Against what denies explicitly no statement is offered."""
    scene = SCENES["plan"]
    deny = {"Sid": "No", "Effect": "Deny", "Action": "iam:GetOpenIDConnectProvider", "Resource": "*"}
    with stage.on(scene):
        answer = stage.run(scene, {**scene.policy, "Statement": [*scene.policy["Statement"], deny]})
    assert "may not call 'iam:GetOpenIDConnectProvider' on 'arn:aws:iam::" in answer.error
    assert answer.error.endswith(": an identity-based policy denies it [access-denied]")
    assert "another Allow does not help: the Deny in the policies of the user 'administrator'" in answer.hint


def is_named(answer: Answer, action: str) -> bool:
    """Tell whether an error names the action, and its hint has a statement for it."""
    errors = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    hints = [line for line in answer.stderr.splitlines() if line.startswith("  hint: allow it in ")]
    told = [found for line in errors for found in re.findall(r"may not call '([\w-]+:\w+)' on '", line)]
    given = [json.loads(re.findall(r"\{.*\}", line)[0])["Action"] for line in hints]
    return any(fnmatch.fnmatchcase(one, action) for one in told) and set(told) == set(given)


@pytest.mark.parametrize("name", profile.shipped())
@pytest.mark.parametrize("purpose", PURPOSES)
def test_it_is_a_policy_that_iam_takes(name: str, purpose: str) -> None:
    """It fits into one managed policy, passes no role on, and has every statement once."""
    document = iam_policy.document(profile.load(name), PLACE, purpose)
    assert len(json.dumps(document, separators=(",", ":"))) < MANAGED
    assert "iam:PassRole" not in actions_of(document)
    assert "*" not in actions_of(document)
    sids = [one["Sid"] for one in document["Statement"]]
    assert len(sids) == len(set(sids))


def test_parts_are_of_the_whole() -> None:
    """What one command needs is among what all of them need; without scaling it is less."""
    chosen = profile.load("default")
    whole, *parts = (actions_of(iam_policy.document(chosen, PLACE, purpose)) for purpose in PURPOSES)
    assert set.union(*parts) == whole
    assert all(part < whole for part in parts)
    plain = actions_of(iam_policy.document(profile.load("sagemaker-only"), PLACE, "all"))
    assert {one for one in whole - plain if "ServiceLinked" in one or one.startswith("application-")}


def by_sid(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {one["Sid"]: one for one in document["Statement"]}


def test_roles_below_a_path() -> None:
    """A role's path is in its ARN, but not in that of a role which is not there."""
    chosen = profile.load("default", ["controllerRole.path=/teams/ml/"])
    found = by_sid(iam_policy.document(chosen, PLACE, "up"))
    assert f"arn:aws:iam::{ACCOUNT}:role/teams/ml/{ROLE}" in found["Roles"]["Resource"]
    assert f"arn:aws:iam::{ACCOUNT}:role/{ROLE}" in found["RolesThatAreNotThere"]["Resource"]


def test_no_role_gets_more_than_the_profile_names() -> None:
    """Neither another policy nor, where there is to be a boundary, any policy without it; nothing takes a
    boundary away.
    """
    chosen = profile.load("default", [BOUNDARY, "executionRole.managedPolicies=[]"])
    found = by_sid(iam_policy.document(chosen, PLACE, "all"))
    bounded = {"iam:PermissionsBoundary": BOUNDARY.partition("=")[2]}
    attached = {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"}
    assert found["ControllerRole"]["Condition"] == {"ArnLike": bounded}
    assert found["ControllerRolePolicies"]["Condition"] == {"ArnLike": {**bounded, **attached}}
    assert "Condition" not in found["ExecutionRole"]
    assert "ExecutionRolePolicies" not in found
    assert "iam:DeleteRolePermissionsBoundary" not in actions_of({"Statement": [*found.values()]})


@pytest.mark.parametrize(
    ("place", "hosts"),
    [
        (PLACE, ["oidc.eks.us-west-2.*/id/*", "oidc-eks.us-west-2.*/id/*"]),
        (Place(), ["oidc.eks.*/id/*", "oidc-eks.*/id/*"]),
        (
            replace(PLACE, issuer="oidc.eks.us-west-2.amazonaws.com/id/E"),
            ["oidc.eks.us-west-2.amazonaws.com/id/E"],
        ),
    ],
)
def test_the_provider_of_either_host(place: Place, hosts: list[str]) -> None:
    """An issuer is served by one of two hosts; one that is known is named."""
    assert [one.partition("oidc-provider/")[2] for one in place.providers] == hosts


def test_a_cluster_that_may_not_be_described(stage: Stage) -> None:
    """What to be allowed can be asked by whoever is not allowed it yet."""
    scene = Scene(("iam-policy",), purpose="all")
    with stage.on(scene):
        answer = stage.run(scene, without(scene.policy, "eks:DescribeCluster"))
    provider = by_sid(json.loads(answer.stdout))["OidcProvider"]
    assert [one.rpartition("/")[0] for one in provider["Resource"]] == [
        one.rpartition("/")[0] for one in PLACE.providers
    ]


def test_only_what_a_plan_needs_is_asked_for(stage: Stage) -> None:
    """Who may only mend what differs can do so, and who may only look has nothing to fear from a check."""
    scene = SCENES["plan"]
    looking = without(scene.policy, *(one for one in actions_of(scene.policy) if _writes(one)))
    with stage.on(scene):
        checked = stage.run(replace(scene, command=("check", "--pre")), looking)
        assert checked.code == 0, checked.stdout
        stage.world.aws.client("s3").delete_bucket_policy(Bucket=BUCKET)
        mended = stage.run(
            replace(scene, command=("up", "--yes")),
            {**looking, "Statement": [*looking["Statement"], MENDS]},
        )
        assert mended.code == 0, mended.stderr


def _writes(action: str) -> bool:
    return not action.partition(":")[2].startswith(("Get", "List", "Describe", "Simulate"))


MENDS = {"Effect": "Allow", "Action": "s3:PutBucketPolicy", "Resource": f"arn:aws:s3:::{BUCKET}"}


def test_retained_objects_that_may_not_be_looked_at(stage: Stage) -> None:
    """They could not be proven to be there afterwards, so nothing is let go."""
    scene = SCENES["down, retaining"]
    deny = {
        "Effect": "Deny",
        "Action": "application-autoscaling:DescribeScalingPolicies",
        "Resource": "*",
    }
    with stage.on(scene):
        before = stage.world.inventory()
        answer = stage.run(scene, {**scene.policy, "Statement": [*scene.policy["Statement"], deny]})
        assert (answer.code, stage.world.inventory() == before) == (1, True)
    assert "may not call 'application-autoscaling:DescribeScalingPolicies'" in answer.error
