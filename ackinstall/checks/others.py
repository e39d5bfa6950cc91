"""What others have installed: two controllers of one service would work on the same AWS objects."""

from ackinstall import controllers
from ackinstall.checks.check import DEFINITIONS, PODS, Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.checks.installers import installer_of
from ackinstall.errors import aws_code, aws_text
from ackinstall.facts import settled
from ackinstall.kube import FIELD_MANAGER, Manifest, is_ours
from ackinstall.workloads import ACK

CATEGORY = "other installations"
LEGACY = "sagemaker.aws.amazon.com"
"""The API group of the operator that ACK has replaced:
https://github.com/aws/amazon-sagemaker-operator-for-k8s"""

UNKNOWN = "Unable to determine service/operation name"
"""What EKS answers, as a denial, where it has no capabilities, as in AWS GovCloud (US):
https://github.com/eksctl-io/eksctl/issues/8630"""


def _controllers(context: Context) -> Finding:
    wanted = {one.service for one in context.profile.controllers}
    all_ = [(each, one) for one in context.deployments for each in [controllers.deployed(one)] if each]
    foreign = [(each, one) for each, one in all_ if each.service in wanted and not context.is_own(one)]
    if not foreign:
        return passed()
    others = [one for _, one in all_]
    found = [(each, installer_of(one, others, context.choice)) for each, one in foreign]
    told = [f"'{each.namespace}/{each.name}' ({installer.told})" for each, installer in found]
    first, installer = found[0]
    return failed(
        f"{' and '.join(told)} runs a controller of {first.service} already",
        f"{installer.removal}; its custom resources and definitions stay",
        deployments=told,
    )


def _capability(context: Context) -> Finding:
    eks = context.clients.aws.client("eks")
    try:
        listed = settled(lambda: eks.list_capabilities(clusterName=context.cluster)["capabilities"], "eks")
    except Exception as error:
        cause = error.__cause__ or error
        if aws_code(cause) in ("InvalidAction", "UnknownOperationException") or UNKNOWN in aws_text(cause):
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
