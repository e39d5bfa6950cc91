"""The nodes: there are some, they are ready, they can run the controllers' images, and have room for them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ackinstall.checks.check import PODS, Check, Finding, Severity, failed, passed, unproven, warned
from ackinstall.checks.context import Context
from ackinstall.checks.fargate import is_fargate, selectors, takes
from ackinstall.checks.objects import is_over, is_ready, labels_of, name_of
from ackinstall.checks.quantities import Amounts, fits, less, parsed
from ackinstall.checks.quotas import requests
from ackinstall.kube import Manifest

CATEGORY = "nodes"
SERVED = frozenset({"amd64", "arm64"})
"""What ACK builds its images for:
https://github.com/aws-controllers-k8s/test-infra (cd/scripts/release-controller.sh)"""
NONE = "there is no node to look at"


def _ready(context: Context) -> Finding:
    ready = [one for one in context.nodes if is_ready(one)]
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
    nodes = _shared(context)
    if not nodes:
        return _without_nodes(context)
    for service, spec in context.pod_specs.items():
        found = {_architecture_of(one) for one in _usable(nodes, spec)}
        if not found:
            return warned(
                f"no Ready node takes the pods of {service}: its taints or labels do not let it; an "
                "autoscaler may make one",
                f"where none does, add nodes with `eksctl create nodegroup --cluster {context.cluster}"
                f"{context.place}`, or let the pods onto those that there are with 'controllers.{service}."
                "values.deployment.tolerations' in the profile",
            )
        if not SERVED & found:
            return failed(f"ACK's images are for {_words(SERVED)}, the nodes are {_words(found)}")
    return passed(_words({_architecture_of(one) for one in nodes}))


def _fargate(context: Context) -> Finding:
    if not context.nodes:
        return unproven(NONE)
    if _shared(context):
        return passed()
    namespace, chosen = context.profile.namespace, list(selectors(context))
    outside = [
        service
        for service, one in context.pod_templates.items()
        if not any(takes(selector, namespace, labels_of(one)) for selector in chosen)
    ]
    if outside:
        return failed(
            f"there is Fargate only, and no Fargate profile takes the pods of {_words(outside)} in "
            f"'{namespace}'"
        )
    return passed("a Fargate profile takes the controllers' pods")


def _room(context: Context) -> Finding:
    nodes = _shared(context)
    if not nodes:
        return _without_nodes(context)
    free = _free(context, nodes)
    lacking = []
    for service, spec in context.pod_specs.items():
        wanted = {**requests(spec), "pods": Decimal(1)}
        place = next((name_of(one) for one in _usable(nodes, spec) if fits(wanted, free[name_of(one)])), "")
        if place:
            free[place] = less(free[place], wanted)
        else:
            lacking.append(service)
    if lacking:
        request = f"controllers.{lacking[0]}.values.resources.requests.cpu=10m"
        return failed(
            f"no node has room for what {_words(lacking)} requests",
            f"add nodes, or ask for less with `{context.choice.again('up', '--set', request)}`",
        )
    return passed(f"{len(context.pod_specs)} controllers fit")


def _shared(context: Context) -> list[Manifest]:
    """Return the nodes that pods share: not Fargate's."""
    return [one for one in context.nodes if not is_fargate(one)]


def _without_nodes(context: Context) -> Finding:
    return passed("Fargate makes a node for each pod") if context.nodes else unproven(NONE)


def _free(context: Context, nodes: Iterable[Manifest]) -> dict[str, Amounts]:
    """Return what each node has left beside the pods on it, our own left out: they will be replaced."""
    free = {name_of(one): parsed((one.get("status") or {}).get("allocatable") or {}) for one in nodes}
    for pod in context.kube.list("v1", "Pod"):
        node = pod["spec"].get("nodeName", "")
        if node in free and not is_over(pod) and not context.is_own_pod(pod):
            free[node] = less(free[node], {**requests(pod["spec"]), "pods": Decimal(1)})
    return free


def _usable(nodes: Iterable[Manifest], spec: Mapping[str, Any]) -> list[Manifest]:
    """Return the nodes that pods with this spec may be put on."""
    selector: Mapping[str, str] = spec.get("nodeSelector") or {}
    return [
        one
        for one in nodes
        if is_ready(one)
        and selector.items() <= labels_of(one).items()
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


def _architecture_of(node: Manifest) -> str:
    return labels_of(node).get("kubernetes.io/arch") or str(node["status"]["nodeInfo"]["architecture"])


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
        hint="add Linux nodes with amd64 or arm64: `eksctl create nodegroup --cluster {cluster}{place}`",
        look=_architecture,
        needs=("nodes-ready", "charts"),
        about=PODS,
    ),
    Check(
        id="nodes-fargate",
        category=CATEGORY,
        description="there is more than Fargate, or Fargate takes the controllers",
        severity=Severity.WARNING,
        hint=(
            "let it with `eksctl create fargateprofile --cluster {cluster} --name {namespace} "
            "--namespace {namespace}{place}`"
        ),
        look=_fargate,
        needs=("nodes-ready", "charts"),
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
