"""Which pods a ResourceQuota counts, and what pods take of one. Pure.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ackinstall.checks.quantities import Amounts, added, parsed
from ackinstall.kube import Manifest


def counts(quota: Manifest, pod: Mapping[str, Any]) -> bool:
    """Tell whether the scopes of a quota let it count a pod with the spec `pod`."""
    expressions = (quota["spec"].get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(_is_in(scope, pod) for scope in quota["spec"].get("scopes") or ()) and all(
        _matches(one, pod) for one in expressions
    )


def taken(pods: Iterable[Mapping[str, Any]]) -> Amounts:
    """Return what pods with these specs take together, under all the names that a quota may give it."""
    total: Amounts = {}
    for spec in pods:
        asked, limits = requests(spec), requests(spec, "limits")
        total = added(total, {**asked, "pods": Decimal(1), "count/pods": Decimal(1)})
        total = added(total, {f"requests.{name}": amount for name, amount in asked.items()})
        total = added(total, {f"limits.{name}": amount for name, amount in limits.items()})
    return total


def releases(count: int) -> Amounts:
    """Return what that many releases take that are not there yet, beside their pods: a release is a Secret,
    and makes a Deployment with a ReplicaSet.
    """
    names = ("secrets", "count/secrets", "count/deployments.apps", "count/replicasets.apps")
    return dict.fromkeys(names, Decimal(count))


def requests(spec: Mapping[str, Any], what: str = "requests") -> Amounts:
    """Return what a pod's containers request together, or their `limits`."""
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = added(total, parsed((container.get("resources") or {}).get(what) or {}))
    return total


def _is_in(scope: str, pod: Mapping[str, Any]) -> bool:
    match scope:
        case "BestEffort":
            return not (requests(pod) or requests(pod, "limits"))
        case "NotBestEffort":
            return bool(requests(pod) or requests(pod, "limits"))
        case "Terminating":
            return "activeDeadlineSeconds" in pod
        case "NotTerminating":
            return "activeDeadlineSeconds" not in pod
        case "PriorityClass":
            return "priorityClassName" in pod
    return False  # of pods that ask for others' nearness, or of what is no pod


def _matches(expression: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    values = expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return pod.get("priorityClassName") in values
        case "NotIn":
            return pod.get("priorityClassName") not in values
        case "DoesNotExist":
            return not _is_in(expression["scopeName"], pod)
    return _is_in(expression["scopeName"], pod)
