"""What a pod's specification means for a process, and how a process's state reads as a pod's status. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from ackinstall.kube import amount
from ackinstall.sandbox.kube import Json

SERVICE_ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
REFERENCE = re.compile(r"\$\$|\$\(([^)]*)\)")
CAPACITY = {"cpu": "2", "memory": "8Gi", "pods": "29", "ephemeral-storage": "80Gi"}
"""What the node has, as an m5.large."""
PULL_SECONDS = 1.0
NOT_CREATED = frozenset({"ContainerCreating", "ErrImagePull", "ImagePullBackOff"})
IMAGE = re.compile(r"(?:^|/)(?P<service>[a-z0-9-]+)-controller(?::[^/]*)?(?:@[^/]*)?$")


@dataclass(frozen=True)
class Token:
    """A service account token that a pod mounts: where it is written, for whom, and its life in seconds."""

    path: Path
    audience: str | None
    seconds: int


@dataclass(frozen=True)
class Exit:
    """How a container's process ended: exit code, and times in seconds since the epoch."""

    code: int
    started: float
    finished: float


@dataclass(frozen=True)
class State:
    """How a container is. It is running since `started`, or waits for `reason` where that is given."""

    started: float = 0
    ready: bool = False
    reason: str = ""
    message: str = ""
    restarts: int = 0
    last: Exit | None = None


def service_of(image: str) -> str:
    """Return the service whose ACK controller the image holds, "" for any other image."""
    match = IMAGE.search(image)
    return match["service"] if match else ""


def misfits(pod: Json, node: Json, others: Iterable[Json]) -> str:
    """Return why the node cannot take the pod beside the others on it, as the scheduler words it; "" when it
    can. Taints, affinities and ports are not looked at.
    """
    labels = node["metadata"]["labels"]
    selector: Mapping[str, str] = pod["spec"].get("nodeSelector", {})
    if any(labels.get(key) != value for key, value in selector.items()):
        return "1 node(s) didn't match Pod's node affinity/selector"
    taken = [_requests(one) for one in others]
    for name, wanted in _requests(pod).items():
        if sum((one.get(name, Decimal(0)) for one in taken), wanted) > amount(CAPACITY[name]):
            return f"1 Insufficient {name}"
    return ""


def _requests(pod: Json) -> dict[str, Decimal]:
    """Return how much of what the node has the pod asks for."""
    found = {"pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        for name, wanted in container.get("resources", {}).get("requests", {}).items():
            if name in CAPACITY:
                found[name] = found.get(name, Decimal(0)) + amount(wanted)
    return found


def unscheduled(why: str, now: float) -> Json:
    """Return the status of a pod that no node can take, because of `why`."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": f"0/1 nodes are available: {why}.",
        "lastTransitionTime": timestamp(now),
    }
    return {"phase": "Pending", "conditions": [condition]}


def is_unscheduled(pod: Json, why: str) -> bool:
    """Tell whether the pod's status says already that no node can take it because of `why`."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "PodScheduled" and why in one.get("message", "") for one in conditions)


def unpullable(image: str) -> str:
    """Return why an image cannot be pulled; "" where it counts as there. Names under `.invalid` never
    resolve: https://www.rfc-editor.org/rfc/rfc2606#section-2
    """
    host = image.partition("/")[0].partition(":")[0]
    if not host.endswith(".invalid"):
        return ""
    return f'failed to pull image "{image}": dial tcp: lookup {host}: no such host'


def pulling(image: str, since: float, now: float) -> State | None:
    """Return how a container is whose image cannot be pulled, first tried at `since`; None for others."""
    why = unpullable(image)
    if not why:
        return None
    if now - since < PULL_SECONDS:
        return State(reason="ErrImagePull", message=why)
    return State(reason="ImagePullBackOff", message=f'Back-off pulling image "{image}": {why}')


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value as the kubelet does: `$$` is a dollar sign, an unknown name stays."""
    return REFERENCE.sub(lambda match: "$" if match[0] == "$$" else env.get(match[1], match[0]), text)


def environment(pod: Json, container: Json) -> dict[str, str]:
    """Return the container's own variables; raise ValueError for a source that the sandbox does not know."""
    env: dict[str, str] = {}
    for item in container.get("env", []):
        if "valueFrom" in item:
            env[item["name"]] = _field(pod, item["name"], item["valueFrom"])
        else:
            env[item["name"]] = expand(item.get("value", ""), env)
    return env


def _field(pod: Json, name: str, source: Json) -> str:
    fields = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
    }
    path = source.get("fieldRef", {}).get("fieldPath")
    if path not in fields:
        raise ValueError(f"the sandbox's node cannot give '{name}' a value from {source}")
    return str(fields[path])


def tokens(pod: Json, volumes: Path) -> list[Token]:
    """Return the tokens that the pod's projected volumes hold; each volume is a folder in `volumes`."""
    return [
        Token(volumes / volume["name"] / token["path"], token.get("audience"), token["expirationSeconds"])
        for volume in pod["spec"].get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
        if (token := source.get("serviceAccountToken"))
    ]


def localise(value: str, container: Json, volumes: Path) -> str:
    """Return the value, where it is a path in one of the container's mounts, as the path on this machine."""
    for mount in container.get("volumeMounts", []):
        if f"{value}/".startswith(f"{mount['mountPath']}/"):
            return f"{volumes / mount['name']}{value.removeprefix(mount['mountPath'])}"
    return value


def timestamp(seconds: float) -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def container_status(container: Json, state: State) -> Json:
    """Return a container's entry in the pod's status."""
    status: Json = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": state.ready,
        "started": not state.reason,
        "restartCount": state.restarts,
    }
    if state.reason:
        status["state"] = {"waiting": {"reason": state.reason, "message": state.message}}
    else:
        status["state"] = {"running": {"startedAt": timestamp(state.started)}}
    if state.last:
        status["lastState"] = {
            "terminated": {
                "exitCode": state.last.code,
                "reason": "Error" if state.last.code else "Completed",
                "startedAt": timestamp(state.last.started),
                "finishedAt": timestamp(state.last.finished),
            }
        }
    return status


def pod_status(pod: Json, states: Sequence[State], address: str, now: float) -> Json:
    """Return the status of a pod on this node whose containers, in the order of its spec, are so."""
    ready = all(state.ready for state in states)
    created = not any(state.reason in NOT_CREATED for state in states)
    before = {item["type"]: item for item in pod.get("status", {}).get("conditions", [])}
    truth = {
        "PodReadyToStartContainers": True,
        "Initialized": True,
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": True,
    }
    conditions = []
    for kind, true in truth.items():
        word = "True" if true else "False"
        old = before.get(kind, {})
        since = old["lastTransitionTime"] if old.get("status") == word else timestamp(now)
        reason = {} if true else {"reason": "ContainersNotReady", "message": "containers are not ready"}
        conditions.append({"type": kind, "status": word, "lastTransitionTime": since} | reason)
    return {
        "phase": "Running" if created else "Pending",
        "conditions": conditions,
        "hostIP": address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": pod.get("status", {}).get("startTime") or timestamp(now),
        "containerStatuses": [
            container_status(container, state)
            for container, state in zip(pod["spec"]["containers"], states, strict=True)
        ],
    }
