"""The part of a kubelet that a sandbox needs: takes pods, runs their containers, tells how they are."""

import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator

from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError

from ackinstall.sandbox.kube import FAILURES, Informer, Json, brief
from ackinstall.sandbox.node import pods
from ackinstall.sandbox.node.controller import Settings, controller_command
from ackinstall.sandbox.node.machine import ADDRESS
from ackinstall.sandbox.node.process import Container

TICK_SECONDS = 0.2
HOLD_SECONDS = 1.0  # after the API server refused something for a pod
END_SECONDS = 1.0  # for all processes to end with this program
RENEW_AT = 0.8  # of a token's life, as the kubelet does
log = logging.getLogger(__name__)


class RunningPod:
    """One pod on this node, from the moment it is bound to the moment it is gone."""

    def __init__(self, pod: Json, client: DynamicClient, settings: Settings) -> None:
        self._resource = client.resources.get(api_version="v1", kind="Pod")
        self._accounts = client.resources.get(api_version="v1", kind="ServiceAccount")
        self._folder = settings.directory / "pods" / pod["metadata"]["uid"]
        self._renew: dict[pods.Token, float] = {}
        self._written: Json = {}
        self._since = time.time()
        self._killed: float | None = None
        before = {item["name"]: item for item in pod.get("status", {}).get("containerStatuses", [])}
        self._containers: list[Container | None] = []
        for spec in pod["spec"]["containers"]:
            command = controller_command(pod, spec, self._folder, settings)
            # A status that is there already is from a run of this program that was killed.
            restarts = before[spec["name"]]["restartCount"] + 1 if spec["name"] in before else 0
            self._containers.append(Container(command, restarts) if command else None)

    def sync(self, pod: Json, now: float) -> bool:
        """Do what is due for the pod; False once it is gone."""
        if "deletionTimestamp" in pod["metadata"]:
            return self._terminate(pod, now)
        if not self._written:
            creating = pods.State(reason="ContainerCreating")
            self._write(pod, [creating for _ in self._containers], now)
        self._renew_tokens(pod, now)
        self._write(pod, list(self._states(pod, now)), now)
        return True

    def _states(self, pod: Json, now: float) -> Iterator[pods.State]:
        pause = pods.State(self._since, ready=True)
        for spec, item in zip(pod["spec"]["containers"], self._containers, strict=True):
            unpulled = pods.pulling(spec["image"], self._since, now)
            yield unpulled or (item.observe(now) if item else pause)

    def _write(self, pod: Json, states: list[pods.State], now: float) -> None:
        status = pods.pod_status(
            pod | ({"status": self._written} if self._written else {}), states, ADDRESS, now
        )
        if status == self._written:
            return
        self._resource.status.patch(
            body={"status": status}, content_type="application/merge-patch+json", **_identity(pod)
        )
        self._written = status

    def _renew_tokens(self, pod: Json, now: float) -> None:
        for token in pods.tokens(pod, self._folder / "volumes"):
            if now < self._renew.get(token, 0):
                continue
            token.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = token.path.with_suffix(".new")
            fresh.touch(mode=0o600)
            fresh.write_text(self._request_token(pod, token))
            fresh.replace(token.path)
            self._renew[token] = now + token.seconds * RENEW_AT

    def _request_token(self, pod: Json, token: pods.Token) -> str:
        reference = {"apiVersion": "v1", "kind": "Pod"} | {
            key: pod["metadata"][key] for key in ("name", "uid")
        }
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [token.audience] if token.audience else [],
                "expirationSeconds": token.seconds,
                "boundObjectRef": reference,
            },
        }
        answer = self._accounts.subresources["token"].create(
            body=request,
            name=pod["spec"].get("serviceAccountName", "default"),
            namespace=pod["metadata"]["namespace"],
        )
        return str(answer.status.token)

    def _terminate(self, pod: Json, now: float) -> bool:
        if self._killed is None:
            self._killed = now
            self.stop()
        if now - self._killed > pod["metadata"].get("deletionGracePeriodSeconds", 0):
            self.stop(signal.SIGKILL)
        if self.running():
            return True
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        self._resource.delete(body=options, **_identity(pod))
        self.forget()
        return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send the pod's processes a signal."""
        for container in self._containers:
            if container:
                container.stop(number)

    def running(self) -> bool:
        """Tell whether a process of the pod has not ended."""
        return any(container and container.running() for container in self._containers)

    def forget(self) -> None:
        """Remove the pod's files, its tokens among them; its log stays."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _identity(pod: Json) -> dict[str, str]:
    return {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}


class Kubelet:
    """The loop over all pods of the node."""

    def __init__(self, client: DynamicClient, node: Json, settings: Settings) -> None:
        self._client = client
        self._resource = client.resources.get(api_version="v1", kind="Pod")
        self._machine = node
        self._node: str = node["metadata"]["name"]
        self._settings = settings
        self._running: dict[str, RunningPod] = {}
        self._hold: dict[str, float] = {}
        self._wake = threading.Event()
        self._informer = Informer(self._resource, self._wake.set)

    def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        """Run pods until the event is set, then end all processes; calls `ready` once the pods are known."""
        self._informer.start()
        self._informer.synced.wait()
        ready()
        while not stop.is_set():
            self._wake.clear()
            self._sync_all(time.time())
            self._wake.wait(TICK_SECONDS)
        self._end()

    def wake(self) -> None:
        """Look again at once."""
        self._wake.set()

    def _sync_all(self, now: float) -> None:
        objects = self._informer.objects()
        for uid in self._running.keys() - objects.keys():
            gone = self._running.pop(uid)
            gone.stop(signal.SIGKILL)
            gone.forget()
        for uid, pod in objects.items():
            if now < self._hold.get(uid, 0):
                continue
            try:
                self._sync(uid, pod, now)
            except (ConflictError, NotFoundError):
                pass  # the pod has changed or gone meanwhile: the watch is about to say so
            except FAILURES as failure:
                log.warning("pod '%s' has to wait: %s", pod["metadata"]["name"], brief(failure))
                self._hold[uid] = now + HOLD_SECONDS

    def _sync(self, uid: str, pod: Json, now: float) -> None:
        node = pod["spec"].get("nodeName")
        if not node and "deletionTimestamp" not in pod["metadata"]:
            self._schedule(pod, now)
        ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if node != self._node or (ended and "deletionTimestamp" not in pod["metadata"]):
            return
        if uid not in self._running:
            self._running[uid] = RunningPod(pod, self._client, self._settings)
        if not self._running[uid].sync(pod, now):
            del self._running[uid]

    def _schedule(self, pod: Json, now: float) -> None:
        """Take a pod that has no node yet, or say in its status why it cannot be taken."""
        there = (one for one in self._informer.objects().values() if one["spec"].get("nodeName"))
        why = pods.misfits(pod, self._machine, there)
        if not why:
            self._bind(pod)
        elif not pods.is_unscheduled(pod, why):
            self._resource.status.patch(
                body={"status": pods.unscheduled(why, now)},
                content_type="application/merge-patch+json",
                **_identity(pod),
            )

    def _bind(self, pod: Json) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": _identity(pod),
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._node},
        }
        self._resource.subresources["binding"].create(body=binding, **_identity(pod))

    def _end(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        everything = list(self._running.values())
        for pod in everything:
            pod.stop()
        while any(pod.running() for pod in everything) and time.monotonic() < deadline:
            self._wake.clear()
            self._wake.wait(TICK_SECONDS / 4)
        for pod in everything:
            pod.stop(signal.SIGKILL)
            pod.forget()
