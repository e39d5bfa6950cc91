"""The nodes: there are some, they are ready, they can run the controllers' images, and have room for them."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ackinstall.checks.check import PODS, Check, Finding, Severity, failed, passed, unproven, warned
from ackinstall.checks.context import Context
from ackinstall.checks.quantities import Amounts, added, fits, parsed
from ackinstall.kube import Manifest
from ackinstall.resources.helm_release import INSTANCE

CATEGORY = "nodes"
SERVED = frozenset({"amd64", "arm64"})
"""What ACK builds its images for:
https://github.com/aws-controllers-k8s/test-infra (cd/scripts/release-controller.sh)"""
FARGATE = ("eks.amazonaws.com/compute-type", "fargate")
NONE = "there is no node to look at"
FINISHED = ("Succeeded", "Failed")


def _ready(context: Context) -> Finding:
    ready = [one for one in context.nodes if _is_ready(one)]
    if context.nodes and not ready:
        return failed(f"none of {len(context.nodes)} nodes is Ready")
    if not ready:
        return warned(
            "there are no nodes yet",
            f"make some with `eksctl create nodegroup --cluster {context.cluster}{context.place}`; "
            "with EKS Auto Mode or Karpenter they come with the first pods",
        )
    return passed(f"{len(ready)} of {len(context.nodes)} are Ready")


def _architecture(context: Context) -> Finding:
    if not context.nodes:
        return unproven(NONE)
    for service, spec in context.pod_specs.items():
        found = {_architecture_of(one) for one in _usable(context, spec)}
        if not found:
            return failed(f"no Ready node takes the pods of {service}: its taints or labels do not let it")
        if not SERVED & found:
            return failed(f"ACK's images are for {_words(SERVED)}, the nodes are {_words(found)}")
    return passed(_words({_architecture_of(one) for one in context.nodes}))


def _fargate(context: Context) -> Finding:
    if not context.nodes:
        return unproven(NONE)
    if all(_label(one, FARGATE[0]) == FARGATE[1] for one in context.nodes):
        return failed(f"there is Fargate only, which takes no pods of '{context.profile.namespace}' unasked")
    return passed()


def _room(context: Context) -> Finding:
    if not context.nodes:
        return unproven(NONE)
    taken: dict[str, Amounts] = {}
    for pod in context.kube.list("v1", "Pod"):
        node = pod["spec"].get("nodeName", "")
        if node and not _is_own(pod, context) and (pod.get("status") or {}).get("phase") not in FINISHED:
            taken[node] = added(taken.get(node, {}), {**requests(pod["spec"]), "pods": Decimal(1)})
    lacking = [
        service
        for service, spec in context.pod_specs.items()
        if not any(
            fits({**requests(spec), "pods": Decimal(1)}, _free(one, taken.get(one["metadata"]["name"], {})))
            for one in _usable(context, spec)
        )
    ]
    if lacking:
        less = f"controllers.{lacking[0]}.values.resources.requests.cpu=10m"
        return failed(
            f"no node has room for what {_words(lacking)} requests",
            f"add nodes, or ask for less with `{context.choice.again('up', '--set', less)}`",
        )
    return passed(f"{len(context.pod_specs)} controllers fit")


def requests(spec: Mapping[str, Any], what: str = "requests") -> Amounts:
    """Return what a pod's containers request together, or their `limits`."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = added(total, parsed((container.get("resources") or {}).get(what) or {}))
    return total


def _is_own(pod: Manifest, context: Context) -> bool:
    releases = [controller.release for controller in context.profile.controllers]
    return _label(pod, INSTANCE) in releases and pod["metadata"]["namespace"] == context.profile.namespace


def _free(node: Manifest, taken: Amounts) -> Amounts:
    allocatable = parsed((node.get("status") or {}).get("allocatable") or {})
    return {name: amount - taken.get(name, Decimal(0)) for name, amount in allocatable.items()}


def _usable(context: Context, spec: Mapping[str, Any]) -> list[Manifest]:
    """Return the nodes that pods with this spec may be put on."""
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    return [
        one
        for one in context.nodes
        if _is_ready(one)
        and all(_label(one, key) == value for key, value in selector.items())
        and all(_is_tolerated(taint, spec) for taint in one["spec"].get("taints") or ())
    ]


def _is_tolerated(taint: Mapping[str, str], spec: Mapping[str, Any]) -> bool:
    """Tell whether a taint lets pods in. Whether a node is Ready is read off its conditions alone.

    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
    """
    if taint["effect"] == "PreferNoSchedule" or taint["key"] == "node.kubernetes.io/not-ready":
        return True
    return any(
        one.get("key", taint["key"]) == taint["key"]
        and one.get("effect", taint["effect"]) == taint["effect"]
        and (one.get("operator") == "Exists" or one.get("value", "") == taint.get("value", ""))
        for one in spec.get("tolerations") or ()
    )


def _is_ready(node: Manifest) -> bool:
    conditions: Iterator[Mapping[str, str]] = iter((node.get("status") or {}).get("conditions") or ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _architecture_of(node: Manifest) -> str:
    return _label(node, "kubernetes.io/arch") or str(node["status"]["nodeInfo"]["architecture"])


def _label(manifest: Manifest, key: str) -> str:
    return str((manifest["metadata"].get("labels") or {}).get(key, ""))


def _words(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


CHECKS = (
    Check(
        id="nodes-ready",
        category=CATEGORY,
        description="there are nodes, and some are Ready",
        severity=Severity.FATAL,
        hint="look at them with `{kubectl} describe nodes`",
        look=_ready,
        needs=("cluster-login",),
        about=PODS,
    ),
    Check(
        id="nodes-architecture",
        category=CATEGORY,
        description="nodes take the controllers' pods, and can run their images",
        severity=Severity.FATAL,
        hint=(
            "add Linux nodes with amd64 or arm64, as with "
            "`eksctl create nodegroup --cluster {cluster}{place}`; or let the pods onto those that there are "
            "with 'deployment.tolerations' in the profile's values"
        ),
        look=_architecture,
        needs=("nodes-ready", "charts"),
        about=PODS,
    ),
    Check(
        id="nodes-fargate",
        category=CATEGORY,
        description="there is more than Fargate",
        severity=Severity.WARNING,
        hint=(
            "let it with `eksctl create fargateprofile --cluster {cluster} --name {namespace} "
            "--namespace {namespace}{place}`"
        ),
        look=_fargate,
        needs=("nodes-ready",),
        about=PODS,
    ),
    Check(
        id="nodes-room",
        category=CATEGORY,
        description="the nodes have room for the controllers",
        severity=Severity.WARNING,
        hint="see what the nodes have with `{kubectl} describe nodes`",
        look=_room,
        needs=("nodes-ready", "charts"),
        about=PODS,
    ),
)
