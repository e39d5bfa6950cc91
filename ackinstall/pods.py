"""Why a controller's pod does not come up: what its status, its events and its log tell, under which
reference, and what helps.

https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ackinstall.errors import AckinstallError, translate
from ackinstall.kube import Kube, Manifest
from ackinstall.redaction import redact

LINES = 10
"""How many lines of a log are shown."""
WIDTH = 600
"""How many characters of a line are shown: it may have a stack trace at its end."""
UNSCHEDULABLE = "Unschedulable"
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_DESCRIBE = "see why with `kubectl describe pod {pod} --namespace {namespace}`"
_CONTAINER = ("container-cannot-start", _DESCRIBE)
_CRASH = (
    "crash-loop-back-off",
    "the last lines of its log say why; all of it: `kubectl logs {pod} --namespace {namespace} --previous`",
)
_MEMORY = (
    "crash-loop-back-off",
    "it needs more memory: set 'controllers.SERVICE.values.resources.limits.memory' in the profile",
)
_IMAGE = (
    "image-pull-back-off",
    (
        "the nodes have to reach the registry (by a NAT gateway, a VPC endpoint or a mirror) and find the "
        "image there; another one is set by 'controllers.SERVICE.values.image' in the profile"
    ),
)
_NODE = (
    "pod-unschedulable",
    (
        "give it a node that fits (`kubectl describe nodes` shows room and taints), or have it ask for less "
        "and tolerate more: 'resources' and 'deployment.tolerations' under 'controllers.SERVICE.values' in "
        "the profile"
    ),
)
_SANDBOX = (
    "pod-sandbox-not-created",
    (
        "its node cannot give it a network: `aws ec2 describe-subnets --query "
        "'Subnets[].[SubnetId,AvailableIpAddressCount]'` shows the free addresses of the nodes' subnets, "
        "`kubectl logs --namespace kube-system daemonset/aws-node` what the network plugin says"
    ),
)
_VOLUME = (
    "volume-not-mounted",
    (
        "what the volume is made of has to be there: see it with `kubectl get pod {pod} --namespace "
        "{namespace} --output jsonpath={.spec.volumes}`; volumes are set by 'controllers.SERVICE.values' in "
        "the profile"
    ),
)
_UNKNOWN = ("pods-not-ready", _DESCRIBE)
_REMEDIES = {
    "CrashLoopBackOff": _CRASH,
    "CreateContainerConfigError": _CONTAINER,
    "CreateContainerError": _CONTAINER,
    "ErrImageNeverPull": _IMAGE,
    "ErrImagePull": _IMAGE,
    "FailedAttachVolume": _VOLUME,
    "FailedCreatePodSandBox": _SANDBOX,
    "FailedMount": _VOLUME,
    "ImageInspectError": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "InvalidImageName": _IMAGE,
    "OOMKilled": _MEMORY,
    "RegistryUnavailable": _IMAGE,
    "RunContainerError": _CONTAINER,
    UNSCHEDULABLE: _NODE,
}


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from running: the reason as Kubernetes calls it, and its message. `container` is ""
    where none has begun; `is_over` tells that the log of its run before this one says more.
    """

    pod: str
    container: str
    reason: str
    message: str = ""
    is_over: bool = False

    def __str__(self) -> str:
        if self.reason == UNSCHEDULABLE:
            return f"pod '{self.pod}' is not scheduled: {self.message}"
        return f"pod '{self.pod}': {self.reason} {self.message}".strip()


def trouble(pod: Manifest) -> Trouble | None:
    """Return what keeps `pod` from running; None when nothing does, or nothing that its status tells."""
    name = pod["metadata"]["name"]
    for one in _containers(pod):
        waiting = (one.get("state") or {}).get("waiting")
        if waiting and waiting.get("reason") not in _STARTING:
            return Trouble(name, one.get("name", ""), waiting.get("reason", ""), waiting.get("message", ""))
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return Trouble(name, "", UNSCHEDULABLE, condition.get("message", ""))
    return None


def held_up(pod: Manifest, kube: Kube) -> Trouble | None:
    """Return what the last warning among a pod's events says of one whose containers have not begun.

    https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
    """
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    about = [one for one in kube.list("v1", "Event", namespace) if one["involvedObject"].get("name") == name]
    warnings = [one for one in about if one.get("type") == "Warning" and one.get("reason") in _REMEDIES]
    last = max(warnings, key=_when, default=None)
    return Trouble(name, "", last["reason"], last.get("message", "")) if last else None


def _when(event: Manifest) -> str:
    """Return when an event was last seen; newer servers have it in a series, or only when it was first."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def diagnosis(pods: Sequence[Manifest], namespace: str, kube: Kube) -> AckinstallError | None:
    """Return why the first of `pods` that is in trouble does not come up, with the last lines of its log;
    None when none of them is.
    """
    living = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
    found = next((one for one in map(_deeper, living) if one), None)
    found = found or next((one for pod in living if _is_starting(pod) and (one := held_up(pod, kube))), None)
    if found is None:
        return None
    reference, hint = _REMEDIES.get(found.reason, _UNKNOWN)
    return AckinstallError(
        reference,
        str(found),
        hint.replace("{pod}", found.pod).replace("{namespace}", namespace),
        _last_lines(found, namespace, kube) if found.container else (),
    )


def _containers(pod: Manifest) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _deeper(pod: Manifest) -> Trouble | None:
    """Return what keeps a pod from running, also when it is between two crashes, or runs and is not ready."""
    name = pod["metadata"]["name"]
    unready = [one for one in _containers(pod) if not one.get("ready")]
    for one in unready:
        if code := _ended(one).get("exitCode"):
            is_oom = _ended(one).get("reason") == "OOMKilled"
            told = f"(restarted {one.get('restartCount', 0)} times, ended last with exit code {code})"
            reason = "OOMKilled" if is_oom else "CrashLoopBackOff"
            return Trouble(
                name, one.get("name", ""), reason, told, is_over="running" in (one.get("state") or {})
            )
    running = next((one.get("name", "") for one in unready if "running" in (one.get("state") or {})), "")
    return trouble(pod) or (Trouble(name, running, "runs, but is not ready") if running else None)


def _ended(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a container ended, now or the last time."""
    for state in (status.get("state"), status.get("lastState")):
        if state and state.get("terminated"):
            ended: Mapping[str, Any] = state["terminated"]
            return ended
    return {}


def _is_starting(pod: Manifest) -> bool:
    reasons = ((one.get("state") or {}).get("waiting", {}).get("reason") for one in _containers(pod))
    return any(one in _STARTING for one in reasons)


def _last_lines(found: Trouble, namespace: str, kube: Kube) -> list[str]:
    try:
        text = kube.logs(namespace, found.pod, found.container, LINES, previous=found.is_over)
    except Exception as error:  # noqa: BLE001 (the pod's trouble is what is told)
        return [f"its log cannot be read: {translate(error).message}"]
    return [redact(line)[:WIDTH] for line in text.splitlines() if line.strip()][-LINES:]
