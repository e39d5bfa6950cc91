"""Why a controller's pod does not come up: what its status tells, under which reference, and what helps.

https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ackinstall.errors import AckinstallError, translate
from ackinstall.kube import Manifest
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
_UNKNOWN = ("pods-not-ready", _DESCRIBE)
_REMEDIES = {
    "CrashLoopBackOff": _CRASH,
    "CreateContainerConfigError": _CONTAINER,
    "CreateContainerError": _CONTAINER,
    "ErrImageNeverPull": _IMAGE,
    "ErrImagePull": _IMAGE,
    "ImageInspectError": _IMAGE,
    "ImagePullBackOff": _IMAGE,
    "InvalidImageName": _IMAGE,
    "OOMKilled": _MEMORY,
    "RegistryUnavailable": _IMAGE,
    "RunContainerError": _CONTAINER,
    UNSCHEDULABLE: _NODE,
}

ReadLog = Callable[[str, str, int], str]
"""Returns the last lines of a log: from a pod, its container, and how many."""


@dataclass(frozen=True)
class Trouble:
    """What keeps a pod from running: the reason as Kubernetes calls it, and its message. `container` is ""
    for a pod without a node.
    """

    pod: str
    container: str
    reason: str
    message: str = ""

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


def diagnosis(pods: Sequence[Manifest], namespace: str, read_log: ReadLog) -> AckinstallError | None:
    """Return why the first of `pods` that is in trouble does not come up, with the last lines of its log;
    None when none of them is.
    """
    found = next((one for one in map(_deeper, pods) if one), None)
    if found is None:
        return None
    reference, hint = _REMEDIES.get(found.reason, _UNKNOWN)
    return AckinstallError(
        reference,
        str(found),
        hint.replace("{pod}", found.pod).replace("{namespace}", namespace),
        _last_lines(found, read_log) if found.container else (),
    )


def _containers(pod: Manifest) -> Iterator[Mapping[str, Any]]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _deeper(pod: Manifest) -> Trouble | None:
    """Return what keeps a pod from running, also when it is between two crashes, or runs and is not ready."""
    if "deletionTimestamp" in pod["metadata"]:
        return None
    name = pod["metadata"]["name"]
    unready = [one for one in _containers(pod) if not one.get("ready")]
    for one in unready:
        if code := _ended(one).get("exitCode"):
            is_oom = _ended(one).get("reason") == "OOMKilled"
            told = f"(restarted {one.get('restartCount', 0)} times, ended last with exit code {code})"
            return Trouble(name, one.get("name", ""), "OOMKilled" if is_oom else "CrashLoopBackOff", told)
    running = next((one.get("name", "") for one in unready if "running" in (one.get("state") or {})), "")
    return trouble(pod) or (Trouble(name, running, "runs, but is not ready") if running else None)


def _ended(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a container ended, now or the last time."""
    for state in (status.get("state"), status.get("lastState")):
        if state and state.get("terminated"):
            ended: Mapping[str, Any] = state["terminated"]
            return ended
    return {}


def _last_lines(found: Trouble, read_log: ReadLog) -> list[str]:
    try:
        text = read_log(found.pod, found.container, LINES)
    except Exception as error:  # noqa: BLE001 (the pod's trouble is what is told)
        return [f"its log cannot be read: {translate(error).message}"]
    return [redact(line)[:WIDTH] for line in text.splitlines() if line.strip()][-LINES:]
