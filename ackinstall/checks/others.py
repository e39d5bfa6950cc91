"""What others have installed: two controllers of one service would work on the same AWS objects."""

from collections.abc import Mapping

from ackinstall import controllers
from ackinstall.checks.check import DEFINITIONS, PODS, Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.errors import aws_code
from ackinstall.facts import settled
from ackinstall.kube import FIELD_MANAGER, Manifest, is_ours
from ackinstall.resources.helm_release import INSTANCE
from ackinstall.workloads import ACK

CATEGORY = "other installations"
LEGACY = "sagemaker.aws.amazon.com"
"""The API group of the operator that ACK has replaced:
https://github.com/aws/amazon-sagemaker-operator-for-k8s"""


def _controllers(context: Context) -> Finding:
    wanted = {one.service for one in context.profile.controllers}
    found = [
        (each, one)
        for one in context.deployments
        for each in [controllers.deployed(one)]
        if each and each.service in wanted and not context.is_own(one)
    ]
    if not found:
        return passed()
    told = [f"'{each.namespace}/{each.name}' ({_installer(one)})" for each, one in found]
    first, manifest = found[0]
    return failed(
        f"{' and '.join(told)} runs a controller of {first.service} already",
        f"remove it with `{_removal(manifest, context)}`: its custom resources and definitions stay",
        deployments=told,
    )


def _installer(deployment: Manifest) -> str:
    """Say who installed a Deployment, by the marks that they leave."""
    labels = deployment["metadata"].get("labels") or {}
    annotations = deployment["metadata"].get("annotations") or {}
    if "olm.owner" in labels:
        return f"by the Operator Lifecycle Manager, '{labels['olm.owner']}'"
    if "argocd.argoproj.io/tracking-id" in annotations:
        return "by Argo CD"
    if "helm.toolkit.fluxcd.io/name" in labels:
        return f"by Flux, '{labels['helm.toolkit.fluxcd.io/name']}'"
    release = annotations.get("meta.helm.sh/release-name") or labels.get(INSTANCE)
    return f"Helm release '{release}'" if release else "by manifests"


def _removal(deployment: Manifest, context: Context) -> str:
    metadata = deployment["metadata"]
    kubectl = context.choice.kubectl
    labels: Mapping[str, str] = metadata.get("labels") or {}
    release = (metadata.get("annotations") or {}).get("meta.helm.sh/release-name") or labels.get(INSTANCE)
    if "olm.owner" in labels:
        return f"{kubectl} delete csv {labels['olm.owner']} --namespace {metadata['namespace']}"
    if release:
        return f"{context.choice.helm} uninstall {release} --namespace {metadata['namespace']}"
    return f"{kubectl} delete deployment {metadata['name']} --namespace {metadata['namespace']}"


def _capability(context: Context) -> Finding:
    eks = context.clients.aws.client("eks")
    try:
        listed = settled(lambda: eks.list_capabilities(clusterName=context.cluster)["capabilities"], "eks")
    except Exception as error:
        if aws_code(error.__cause__ or error) in ("InvalidAction", "UnknownOperationException"):
            return passed("EKS has no capabilities in this region")
        raise
    acting = [one["capabilityName"] for one in listed if one.get("type") == "ACK"]
    if acting:
        return failed(
            f"EKS runs ACK for the cluster: the capability '{acting[0]}'",
            f"use that, or remove it with `aws eks delete-capability --cluster-name {context.cluster} "
            f"--capability-name {acting[0]}{context.place}`",
        )
    return passed()


def _legacy(context: Context) -> Finding:
    found = sorted(one["metadata"]["name"] for one in context.definitions if one["spec"]["group"] == LEGACY)
    if found:
        return failed(f"there are {len(found)} of its definitions, '{found[0]}' first")
    return passed()


def _definitions(context: Context) -> Finding:
    services = {f"{one.service}{ACK}" for one in context.profile.controllers}
    groups = {*services, ACK.removeprefix(".")}
    foreign = {
        one["metadata"]["name"]: _managers(one)
        for one in context.definitions
        if one["spec"]["group"] in groups and not is_ours(one)
    }
    if foreign:
        name, managers = min(foreign.items())
        return failed(
            f"{len(foreign)} are not ours, '{name}' of {' and '.join(managers) or 'nobody'} first",
            definitions=sorted(foreign),
        )
    return passed()


def _managers(manifest: Manifest) -> list[str]:
    managed = manifest["metadata"].get("managedFields") or ()
    names = {one.get("manager", "") for one in managed if one.get("subresource") != "status"}
    return sorted(f"'{name}'" for name in names - {FIELD_MANAGER, ""})


CHECKS = (
    Check(
        id="other-controllers",
        category=CATEGORY,
        description="nobody else has installed these controllers",
        severity=Severity.FATAL,
        hint="remove the other installation",
        look=_controllers,
        needs=("cluster-login",),
        about=PODS,
    ),
    Check(
        id="eks-capability",
        category=CATEGORY,
        description="EKS itself does not run ACK for the cluster",
        severity=Severity.FATAL,
        hint="see it with `aws eks list-capabilities --cluster-name {cluster}{place}`",
        look=_capability,
        needs=("cluster-active", "aws-account"),
        about=DEFINITIONS,
    ),
    Check(
        id="legacy-operator",
        category=CATEGORY,
        description="the former SageMaker operator is not there",
        severity=Severity.WARNING,
        hint=(
            "its objects stay as they are; see them with "
            "`{kubectl} get crds | grep sagemaker.aws.amazon.com`, and write full names "
            "in commands, as `trainingjobs.sagemaker.services.k8s.aws`"
        ),
        look=_legacy,
        needs=("cluster-login",),
        about=DEFINITIONS,
    ),
    Check(
        id="definitions-owner",
        category=CATEGORY,
        description="the definitions are not somebody else's",
        severity=Severity.WARNING,
        hint=("see what differs with `{plan}`; `{up} --adopt` takes them over"),
        look=_definitions,
        needs=("cluster-login",),
        about=DEFINITIONS,
    ),
)
