"""Each check before an installation made to fail once: what it finds, and what it says is to be done."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from support.aws import ACCOUNT, REGION, issuer_of
from support.broken import NAMESPACE, ROLE, Breaking, Broken, Row, raising
from support.cluster import NODE, ApiError
from support.commands import Failing, Instead, aws_error
from support.faults import Call

from ackinstall.checks import lists
from ackinstall.checks.check import Outcome
from ackinstall.errors import AckinstallError
from ackinstall.helm import explain
from ackinstall.kube import Ref
from ackinstall.sandbox.node import machine

MACHINE = Ref(*NODE, machine.node_name(REGION))
DEFINITION = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer_of('demo').removeprefix('https://')}"


def no_credentials(broken: Broken) -> None:
    broken.commands.aws = Failing(NoCredentialsError())  # type: ignore[assignment]


def soon_expired(broken: Broken) -> None:
    broken.world.aws.lasts = False
    broken.world.aws.expires = datetime.now(UTC) + timedelta(seconds=119)


def untold_end(broken: Broken) -> None:
    broken.world.aws.lasts = False


def skewed(broken: Broken) -> None:
    """More than 5 minutes behind: STS refuses, and its answer is dated."""
    said = "Signature not yet current: 20951106T084937Z is still later than 20951106T084430Z"
    error = aws_error("SignatureDoesNotMatch", said, "GetCallerIdentity", 403)
    error.response["ResponseMetadata"]["HTTPHeaders"] = {"date": "Sun, 06 Nov 2095 08:49:37 GMT"}
    broken.instead_of_client("sts", get_caller_identity=raising(error))


def elsewhere(broken: Broken) -> None:
    broken.commands.aws = Instead(broken.world.aws, region="eu-west-1")  # type: ignore[assignment]


def slow_clock(broken: Broken) -> None:
    answer = {
        "Arn": f"arn:aws:iam::{ACCOUNT}:user/administrator",
        "ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 06 Nov 2095 08:49:37 GMT"}},
    }
    broken.instead_of_client("sts", get_caller_identity=lambda: answer)


def global_sts(broken: Broken) -> None:
    broken.instead_of_client("sts", meta=Instead(None, endpoint_url="https://sts.amazonaws.com"))


def still_creating(broken: Broken) -> None:
    made = {"cluster": {"name": "demo", "status": "CREATING"}}
    broken.instead_of_client("eks", describe_cluster=lambda name: made)  # noqa: ARG005 (as boto3)


def described(**changes: object) -> Breaking:
    """Let EKS describe the cluster in another way."""

    def break_(broken: Broken) -> None:
        found = broken.world.aws.client("eks").describe_cluster(name="demo")["cluster"]
        broken.instead_of_client("eks", describe_cluster=lambda name: {"cluster": {**found, **changes}})  # noqa: ARG005 (as boto3)

    return break_


def ancient(broken: Broken) -> None:
    broken.world.aws.account.eks(REGION).clusters["demo"].version = "1.21"


def unreachable(broken: Broken) -> None:
    broken.instead_of_kube(version=raising(AckinstallError("connection-lost", "no answer")))


def unknown_login(broken: Broken) -> None:
    broken.instead_of_kube(version=raising(ApiError(401, "Unauthorized", "Unauthorized")))


def foreign_provider(broken: Broken) -> None:
    broken.iam.create_open_id_connect_provider(Url=issuer_of("demo"), ClientIDList=["other"])


def reads_only(broken: Broken) -> None:
    broken.instead_of_kube(allowed=lambda verb, *_: verb in ("get", "list"))


def node(**status: object) -> Breaking:
    return lambda broken: broken.world.cluster.change(MACHINE, lambda one: one["status"].update(status))


def tainted(broken: Broken) -> None:
    taint = {"key": "team", "value": "ml", "effect": "NoSchedule"}
    broken.world.cluster.change(MACHINE, lambda one: one["spec"].update(taints=[taint]))


def fargate(broken: Broken) -> None:
    taint = {"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}
    broken.relabel(MACHINE, compute_type="fargate")
    broken.world.cluster.change(MACHINE, lambda one: one["spec"].update(taints=[taint]))


def fargate_profile(*selectors: dict[str, object]) -> Breaking:
    def make(broken: Broken) -> None:
        fargate(broken)
        role = f"arn:aws:iam::{ACCOUNT}:role/fargate"
        broken.world.aws.client("eks").create_fargate_profile(
            fargateProfileName="ack", clusterName="demo", podExecutionRoleArn=role, selectors=list(selectors)
        )

    return make


def one_place_left(broken: Broken) -> None:
    node(allocatable={"cpu": "4", "memory": "8Gi", "pods": "3"})(broken)
    for name in ("a", "b"):
        spec = {"nodeName": MACHINE.name, "containers": [{"name": "some", "image": "some"}]}
        broken.create("v1", "Pod", name, "other", spec=spec)


def going(broken: Broken) -> None:
    broken.create("v1", "ConfigMap", "held", NAMESPACE, metadata={"finalizers": ["example.com/hold"]})
    broken.world.cluster.delete(Ref("v1", "Namespace", NAMESPACE))


def baseline(broken: Broken) -> None:
    broken.create("v1", "Namespace", NAMESPACE)
    broken.relabel(Ref("v1", "Namespace", NAMESPACE), enforce="baseline")
    broken.choice["settings"] = ["controllers.sagemaker.values.deployment.hostNetwork=true"]


def full_quota(broken: Broken) -> None:
    broken.create(
        "v1", "ResourceQuota", "small", NAMESPACE, spec={"hard": {"pods": "1", "requests.cpu": "1"}}
    )


def quota(hard: dict[str, str], **spec: object) -> Breaking:
    return lambda broken: broken.create(
        "v1", "ResourceQuota", "small", NAMESPACE, spec={"hard": hard, **spec}
    )


def scoped(name: str, operator: str, *values: str) -> dict[str, object]:
    return {
        "matchExpressions": [
            {"scopeName": name, "operator": operator, **({"values": [*values]} if values else {})}
        ]
    }


def narrow_limits(broken: Broken) -> None:
    rule = {"type": "Container", "max": {"memory": "64Mi"}, "min": {"cpu": "10m"}}
    broken.create("v1", "LimitRange", "narrow", NAMESPACE, spec={"limits": [rule]})


def refusing(broken: Broken) -> None:
    broken.create("v1", "Namespace", NAMESPACE)
    why = (
        'admission webhook "policy.example.com" denied the request: images of public.ecr.aws are not allowed'
    )
    broken.instead_of_kube(rehearse=raising(ApiError(403, "Forbidden", why)))


def only(kind: str, error: Exception) -> Breaking:
    """Let the rehearsal of objects of one kind fail."""

    def break_(broken: Broken) -> None:
        broken.create("v1", "Namespace", NAMESPACE)
        broken.instead_of_kube(
            rehearse=lambda manifest: raising(error)() if manifest["kind"] == kind else None
        )

    return break_


FORBIDDEN = ApiError(
    403,
    "Forbidden",
    'pods "x" is forbidden: User "ada" cannot patch resource "pods" in API group "" in the namespace '
    '"ack-system"',
)
ESCALATION = ApiError(
    403,
    "Forbidden",
    'clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "ada" (groups=["some"]) is attempting to '
    'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
)


def deployment(
    broken: Broken, name: str, namespace: str, service: str = "sagemaker", **metadata: dict[str, str]
) -> None:
    image = f"public.ecr.aws/aws-controllers-k8s/{service}-controller:1.2.12"
    spec = {"template": {"spec": {"containers": [{"name": "controller", "image": image}]}}}
    broken.create("apps/v1", "Deployment", name, namespace, metadata=metadata, spec=spec)


def applied_by_hand(broken: Broken) -> None:
    labels = {"app.kubernetes.io/instance": "ack-sagemaker-controller"}
    deployment(broken, "ack", NAMESPACE, labels=labels)


def installed_by(**metadata: dict[str, str]) -> Breaking:
    return lambda broken: deployment(broken, "ack-sagemaker", "ml", **metadata)


def umbrella(broken: Broken) -> None:
    for service in ("sagemaker", "s3"):
        noted = {"meta.helm.sh/release-name": "ack"}
        deployment(broken, f"ack-{service}", "ml", service, annotations=noted)


def capability(broken: Broken) -> None:
    there = {"capabilities": [{"capabilityName": "managed", "type": "ACK", "status": "ACTIVE"}]}
    broken.instead_of_client("eks", list_capabilities=lambda clusterName: there)  # noqa: ARG005, N803 (as boto3)


def definition(name: str, group: str, **metadata: object) -> Breaking:
    kind, versions = name.title(), [{"name": "v1alpha1", "served": True, "storage": True}]
    spec = {"group": group, "names": {"kind": kind, "plural": name}, "versions": versions}
    return lambda broken: broken.create(*DEFINITION, f"{name}.{group}", spec=spec, metadata=metadata)


def no_helm(broken: Broken) -> None:
    broken.instead_of_helm(version=raising(explain("/bin/sh: 1: helm: not found")))


def no_version(broken: Broken) -> None:
    broken.choice["settings"] = ["controllers.sagemaker.version=9.9.9"]


def foreign_role(broken: Broken) -> None:
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    broken.iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)


def taken_bucket(broken: Broken) -> None:
    def deny(_number: int, call: Call) -> None:
        if call.name.startswith("s3:GetBucketLocation"):
            raise aws_error("AccessDenied", "Access Denied", "GetBucketLocation", 403)

    broken.world.faults.begin(deny)


BEFORE = [
    Row("none", "aws-credentials", no_credentials, Outcome.FAILED, "no AWS credentials", "aws sso login"),
    Row(
        "soon",
        "aws-credentials-expiry",
        soon_expired,
        Outcome.WARNING,
        "expire in 2 minutes",
        "aws sso login",
    ),
    Row(
        "untold",
        "aws-credentials-expiry",
        untold_end,
        Outcome.UNPROVEN,
        "nobody says when",
        "aws configure export-credentials --format env",
    ),
    Row(
        "skewed",
        "aws-credentials",
        skewed,
        Outcome.FAILED,
        "s behind AWS's, which does not accept",
        "timedatectl",
    ),
    Row(
        "another",
        "aws-account",
        lambda broken: broken.choice.update(account="210987654321"),
        Outcome.FAILED,
        f"are of the account '{ACCOUNT}', not of '210987654321'",
        "--aws-profile",
    ),
    Row(
        "another",
        "aws-region",
        elsewhere,
        Outcome.FAILED,
        "in 'us-west-2', not in 'eu-",
        "--region us-west-2",
    ),
    Row("behind", "clock", slow_clock, Outcome.WARNING, "behind AWS's", "timedatectl"),
    Row("global", "sts-endpoint", global_sts, Outcome.WARNING, "its global endpoint", "=regional"),
    Row(
        "unknown",
        "cluster-exists",
        lambda broken: broken.choice.update(cluster="demmo"),
        Outcome.FAILED,
        "no cluster 'demmo' in the region 'us-west-2'; there are 'demo', 'other'",
        "--region",
    ),
    Row(
        "creating",
        "cluster-active",
        still_creating,
        Outcome.FAILED,
        "is CREATING",
        "cluster-active --name demo",
    ),
    Row(
        "updating",
        "cluster-active",
        described(status="UPDATING"),
        Outcome.WARNING,
        "is UPDATING, and works meanwhile",
        "aws eks wait cluster-active --name demo",
    ),
    Row(
        "registered",
        "cluster-exists",
        described(connectorConfig={"provider": "OTHER"}),
        Outcome.FAILED,
        "is only registered with EKS",
        "aws eks list-clusters --region us-west-2",
    ),
    Row("ancient", "cluster-version", ancient, Outcome.FAILED, "it is Kubernetes 1.21", "--name demo"),
    Row("unreachable", "api-server", unreachable, Outcome.FAILED, "does not answer", "--kubeconfig FILE"),
    Row(
        "unknown", "cluster-login", unknown_login, Outcome.FAILED, "does not accept this AWS", "access-entry"
    ),
    Row(
        "audience",
        "oidc-provider",
        foreign_provider,
        Outcome.FAILED,
        "does not accept the audience 'sts.amazonaws.com'",
        f"--open-id-connect-provider-arn {PROVIDER}",
    ),
    Row(
        "denied",
        "aws-permissions",
        lambda broken: broken.deny("iam:CreateRole"),
        Outcome.FAILED,
        "may not call iam:CreateRole",
        "another Allow does not help: the Deny in 'user_administrator_deny' has to except iam:CreateRole",
    ),
    Row(
        "not allowed",
        "aws-permissions",
        lambda broken: broken.may_only_without("iam:CreateRole"),
        Outcome.FAILED,
        "may not call iam:CreateRole on 'arn:aws:iam::123456789012:role/ack-controller-role-demo'",
        '"Action": ["iam:CreateRole"], "Resource": "arn:aws:iam::123456789012:role/ack-controller-role-demo"',
    ),
    Row(
        "outside of the boundary",
        "aws-permissions",
        lambda broken: broken.bound("iam:CreateRole"),
        Outcome.FAILED,
        "may not call iam:CreateRole on",
        "the permissions boundary of 'arn:aws:iam::123456789012:user/administrator' has to allow iam:",
    ),
    Row(
        "denied without a second factor",
        "aws-permissions",
        lambda broken: broken.deny("iam:CreateRole", BoolIfExists={"aws:MultiFactorAuthPresent": "false"}),
        Outcome.UNPROVEN,
        "depends on 'aws:MultiFactorAuthPresent', which only a real call has",
        "nothing is to be done where they allow it under these conditions",
    ),
    Row(
        "not to be asked",
        "aws-permissions",
        lambda broken: broken.deny("iam:SimulatePrincipalPolicy"),
        Outcome.UNPROVEN,
        "IAM does not let this identity ask",
        "iam:SimulatePrincipalPolicy",
    ),
    Row(
        "a reader",
        "kubernetes-permissions",
        reads_only,
        Outcome.FAILED,
        "may not create 'leases.coordination.k8s.io' in 'kube-system'",
        "aws eks associate-access-policy --region us-west-2 --cluster-name demo",
    ),
    Row(
        "not ready",
        "nodes-ready",
        node(conditions=[{"type": "Ready", "status": "Unknown"}]),
        Outcome.FAILED,
        "none of 1 nodes is Ready",
        "kubectl describe nodes",
    ),
    Row(
        "none",
        "nodes-ready",
        lambda broken: broken.world.cluster.delete(MACHINE),
        Outcome.WARNING,
        "no nodes yet",
        "nodegroup --cluster demo",
    ),
    Row(
        "architecture",
        "nodes-architecture",
        lambda broken: broken.relabel(MACHINE, arch="s390x"),
        Outcome.FAILED,
        "the nodes are s390x",
        "eksctl create nodegroup",
    ),
    Row(
        "tainted",
        "nodes-architecture",
        tainted,
        Outcome.WARNING,
        "no Ready node takes the pods of sagemaker",
        "'controllers.sagemaker.values.deployment.tolerations'",
    ),
    Row(
        "only",
        "nodes-fargate",
        fargate,
        Outcome.WARNING,
        "no Fargate profile takes the pods of applicationautoscaling and sagemaker in 'ack-system'",
        "eksctl create fargateprofile --cluster demo",
    ),
    Row(
        "other labels",
        "nodes-fargate",
        fargate_profile({"namespace": "ack-*", "labels": {"app.kubernetes.io/name": "sagemaker*"}}),
        Outcome.WARNING,
        "takes the pods of applicationautoscaling in",
        "eksctl create fargateprofile",
    ),
    Row(
        "denied",
        "nodes-fargate",
        lambda broken: (fargate(broken), broken.deny("eks:ListFargateProfiles")),
        Outcome.UNPROVEN,
        "may not call 'eks:ListFargateProfiles' on",
        "has to except 'eks:ListFargateProfiles'",
    ),
    Row(
        "for one of two",
        "nodes-room",
        one_place_left,
        Outcome.WARNING,
        "no node has room for what applicationautoscaling requests",
        "`ackinstall up --cluster demo --set controllers.applicationautoscaling.values.",
    ),
    Row(
        "full",
        "nodes-room",
        node(allocatable={"cpu": "60m", "pods": "0"}),
        Outcome.WARNING,
        "room for",
        "add",
    ),
    Row(
        "going",
        "namespace-active",
        going,
        Outcome.FAILED,
        "is still Terminating: Some resources are",
        "--output yaml",
    ),
    Row(
        "level",
        "pod-security",
        baseline,
        Outcome.FAILED,
        "enforces 'baseline': sagemaker: hostNetwork",
        "leave",
    ),
    Row(
        "full",
        "resource-quota",
        full_quota,
        Outcome.FAILED,
        "the quota 'small' leaves too little pods",
        "quota",
    ),
    Row(
        "counted",
        "resource-quota",
        quota({"count/deployments.apps": "1"}),
        Outcome.FAILED,
        "too little count/deployments.apps",
        "kubectl edit resourcequota small --namespace ack-system",
    ),
    Row(
        "for pods like these",
        "resource-quota",
        quota({"pods": "1"}, scopes=["NotTerminating", "NotBestEffort"]),
        Outcome.FAILED,
        "too little pods",
        "kubectl edit resourcequota small",
    ),
    Row("narrow", "limit-range", narrow_limits, Outcome.FAILED, "a limit of memory above 64Mi", "limitrange"),
    Row(
        "refused", "admission", refusing, Outcome.FAILED, "images of public.ecr.aws are not", "configurations"
    ),
    Row(
        "grants more",
        "admission",
        only("ClusterRole", ESCALATION),
        Outcome.FAILED,
        "'ClusterRole/ack-",
        "kubectl get validatingwebhookconfigurations",
    ),
    Row(
        "no right on pods",
        "admission",
        only("Pod", FORBIDDEN),
        Outcome.UNPROVEN,
        "cannot be rehearsed: 'ada' may not patch 'pods'",
        "kubectl get validatingwebhookconfigurations",
    ),
    Row(
        "of helm template",
        "other-controllers",
        applied_by_hand,
        Outcome.FAILED,
        "'ack-system/ack' (by manifests)",
        "kubectl delete deployment ack --namespace ack-system",
    ),
    Row(
        "Terraform's",
        "other-controllers",
        installed_by(annotations={"meta.helm.sh/release-name": "ack-sagemaker"}),
        Outcome.FAILED,
        "'ml/ack-sagemaker' (Helm release 'ack-sagemaker') runs a controller of sagemaker",
        "helm uninstall ack-sagemaker --namespace ml",
    ),
    Row(
        "of Argo CD",
        "other-controllers",
        installed_by(annotations={"argocd.argoproj.io/tracking-id": "ack:apps/Deployment:ml/ack-sagemaker"}),
        Outcome.FAILED,
        "(by Argo CD, 'ack')",
        "argocd app delete ack`",
    ),
    Row(
        "of Flux",
        "other-controllers",
        installed_by(
            annotations={"meta.helm.sh/release-name": "ack"},
            labels={"helm.toolkit.fluxcd.io/name": "ack", "helm.toolkit.fluxcd.io/namespace": "flux-system"},
        ),
        Outcome.FAILED,
        "(by Flux, helmrelease 'ack')",
        "`flux get helmreleases ack --namespace flux-system`",
    ),
    Row(
        "of Flux without Helm",
        "other-controllers",
        installed_by(labels={"kustomize.toolkit.fluxcd.io/name": "apps"}),
        Outcome.FAILED,
        "(by Flux, kustomization 'apps')",
        "`flux get kustomizations apps`",
    ),
    Row(
        "of an operator",
        "other-controllers",
        installed_by(labels={"olm.owner": "ack-sagemaker-controller.v1.2.12"}),
        Outcome.FAILED,
        "(by the Operator Lifecycle Manager, 'ack-sagemaker-controller.v1.2.12')",
        "`kubectl delete csv ack-sagemaker-controller.v1.2.12 --namespace ml`",
    ),
    Row(
        "with others",
        "other-controllers",
        umbrella,
        Outcome.FAILED,
        "'ml/ack-sagemaker' (Helm release 'ack')",
        "which has 'ack-s3' too: `helm get values ack --namespace ml`",
    ),
    Row(
        "there", "eks-capability", capability, Outcome.FAILED, "the capability 'managed'", "delete-capability"
    ),
    Row(
        "denied",
        "eks-capability",
        lambda broken: broken.deny("eks:ListCapabilities"),
        Outcome.UNPROVEN,
        "may not call 'eks:ListCapabilities' on 'arn:aws:eks:us-west-2:123456789012:cluster/demo': an ",
        "another Allow does not help",
    ),
    Row(
        "there",
        "legacy-operator",
        definition("trainingjobs", "sagemaker.aws.amazon.com"),
        Outcome.WARNING,
        "'trainingjobs.sagemaker.aws.amazon.com'",
        "trainingjobs.sagemaker.services.k8s.aws",
    ),
    Row(
        "of Argo CD",
        "definitions-owner",
        definition("models", "sagemaker.services.k8s.aws", managedFields=[{"manager": "argocd-controller"}]),
        Outcome.WARNING,
        "of 'argocd-controller'",
        "--adopt",
    ),
    Row("none", "helm", no_helm, Outcome.FAILED, "'helm' is not on PATH", "helm.sh"),
    Row("no version", "charts", no_version, Outcome.FAILED, "has no version '9.9.9'", "version=1.8.2"),
    Row(
        "foreign",
        "names",
        foreign_role,
        Outcome.FAILED,
        f"'iam-role/{ROLE}' exists and is not ours",
        "--adopt",
    ),
    Row("taken", "bucket-name", taken_bucket, Outcome.FAILED, "another account has the name", "bucket.name"),
]


@pytest.mark.parametrize("row", BEFORE, ids=str)
def test_before(broken: Broken, row: Row) -> None:
    """What is wrong before an installation is found, with its remedy."""
    row.prove(broken, lists.before())


@pytest.mark.parametrize(
    "spec",
    [
        {"scopes": ["BestEffort"]},
        {"scopes": ["Terminating"]},
        {"scopes": ["PriorityClass"]},
        {"scopes": ["CrossNamespacePodAffinity"]},
        {"scopeSelector": scoped("PriorityClass", "In", "high")},
        {"scopeSelector": scoped("PriorityClass", "Exists")},
        {"scopeSelector": scoped("NotBestEffort", "DoesNotExist")},
    ],
    ids=str,
)
def test_a_quota_of_other_pods(broken: Broken, spec: dict[str, object]) -> None:
    """A quota whose scope the controllers' pods are not in says nothing about them."""
    quota({"pods": "0"}, **spec)(broken)
    assert broken.look("resource-quota", lists.before()).outcome is Outcome.PASSED


def test_a_quota_that_leaves_pods_out_by_priority(broken: Broken) -> None:
    """One for all pods but those of a class counts the controllers'."""
    quota({"pods": "0"}, scopeSelector=scoped("PriorityClass", "NotIn", "high"))(broken)
    assert broken.look("resource-quota", lists.before()).outcome is Outcome.FAILED


def test_a_binding_needs_no_role_to_be_rehearsed(broken: Broken) -> None:
    """That the role of a binding is not there yet is no refusal: the role is rehearsed itself."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "ack"},
        "roleRef": {"kind": "ClusterRole", "name": "ack"},
    }
    missing = ApiError(404, "NotFound", 'clusterroles.rbac.authorization.k8s.io "ack" not found')
    only("ClusterRoleBinding", missing)(broken)
    broken.instead_of_helm(render=lambda *_: (binding,))
    assert broken.look("admission", lists.before()).outcome is Outcome.PASSED


def test_a_region_without_capabilities(broken: Broken) -> None:
    """Where EKS does not know the operation it denies it, to everybody."""
    unknown = "Unable to determine service/operation name to be authorized"
    error = aws_error("AccessDeniedException", unknown, "ListCapabilities", 403)
    broken.instead_of_client("eks", list_capabilities=raising(error))
    assert broken.look("eks-capability", lists.before()).outcome is Outcome.PASSED


def test_permissions_for_new_roles_need_no_charts(broken: Broken) -> None:
    """What a role takes that is not there does not depend on the charts, so nobody waits for the registry;
    what has to change in one that is there does.
    """
    pulled: list[str] = []

    def pull(chart: str, version: str, directory: Path) -> Path:
        pulled.append(chart)
        return broken.world.helm.pull(chart, version, directory)

    broken.instead_of_helm(pull=pull)
    assert broken.look("aws-permissions", lists.before()).outcome is Outcome.PASSED
    assert not pulled
    foreign_role(broken)
    assert broken.look("aws-permissions", lists.before()).outcome is Outcome.PASSED
    assert pulled


@pytest.mark.parametrize("id_", ["nodes-architecture", "nodes-fargate", "nodes-room"])
def test_fargate_alone_will_do(broken: Broken, id_: str) -> None:
    """Where a Fargate profile takes the controllers' pods, other nodes are not needed."""
    fargate_profile({"namespace": "other"}, {"namespace": "ack-system"})(broken)
    assert broken.look(id_, lists.before()).outcome is Outcome.PASSED


def test_a_stale_login_at_the_registry(
    broken: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login at ECR says itself when it ends."""
    password = base64.b64encode(json.dumps({"expiration": 1_700_000_000}).encode()).decode()
    auth = base64.b64encode(f"AWS:{password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"public.ecr.aws": {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = broken.look("registry-login", lists.before())
    assert found.outcome is Outcome.WARNING
    assert "has expired; `ackinstall` asks it without" in found.message
    assert "helm registry logout public.ecr.aws" in found.hint


@pytest.mark.parametrize(
    ("host", "command"),
    [
        ("example.com", "helm registry logout example.com"),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            (
                "aws ecr get-login-password --region eu-west-1 | helm registry login --username AWS "
                "--password-stdin 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
            ),
        ),
    ],
)
def test_a_stale_login_of_another_registry(
    broken: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, command: str
) -> None:
    """A private registry of ECR wants a new login; on a Mac it is kept in another place."""
    password = base64.b64encode(json.dumps({"expiration": 1_700_000_000}).encode()).decode()
    auth = base64.b64encode(f"AWS:{password}".encode()).decode()
    file = tmp_path / "Library" / "Preferences" / "helm" / "registry" / "config.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    for name in ("HELM_CONFIG_HOME", "HELM_REGISTRY_CONFIG", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "darwin")
    broken.choice["settings"] = [f"controllers.sagemaker.chart=oci://{host}/sagemaker-chart"]
    check = next(one for one in lists.before() if one.id == "registry-login")
    assert check.look(broken.context()).hint == f"run `{command}`"


def test_every_check_was_made_to_fail() -> None:
    """No check is left out of the table."""
    assert {row.check for row in BEFORE} | {"registry-login", "oidc-issuer"} == {
        one.id for one in lists.before()
    }
