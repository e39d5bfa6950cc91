"""What is waited for in vain is named: a reference of its own, the reason, what helps, the end of the log."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from support.commands import Commands, aws_error
from support.faults import Call
from support.world import World
from tables import cases

from ackinstall import engine, pods
from ackinstall.clients import Clients
from ackinstall.engine import Options
from ackinstall.errors import AckinstallError
from ackinstall.kube import Kube, Manifest, Ref
from ackinstall.resource import Resource
from ackinstall.resources.helm_release import INSTANCE, HelmRelease
from ackinstall.resources.namespace import Namespace

UP = ("up", "--cluster", "demo", "--yes", "--timeout", "0.3")
CONTROLLER = "ack-sagemaker-controller"
ROLE = "ack-controller-role-demo"
KEY = "AKIAIOSFODNN7EXAMPLE"


def pod(*containers: Mapping[str, Any], **status: Any) -> Manifest:  # noqa: ANN401 (JSON-like)
    """Return a controller's pod."""
    metadata = {"name": "ack-0", "namespace": "ack-system", "labels": {INSTANCE: CONTROLLER}}
    statuses = [{"name": "controller", "ready": False, **one} for one in containers]
    return {"metadata": metadata, "status": {**status, "containerStatuses": statuses}}


def waiting(reason: str, message: str = "") -> Mapping[str, Any]:
    """Return a container that waits."""
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, reason: str = "Error", **now: object) -> Mapping[str, Any]:
    """Return a container that ended, and is what `now` says by now."""
    return {
        "restartCount": 3,
        "state": now,
        "lastState": {"terminated": {"exitCode": code, "reason": reason}},
    }


@dataclass
class Told:
    """A cluster whose pods have logs and events; `asked` are the calls for logs."""

    log: str | Exception = ""
    events: tuple[Manifest, ...] = ()
    asked: list[tuple[object, ...]] = field(default_factory=list)

    def list(self, _api_version: str, kind: str, namespace: str) -> list[Manifest]:
        """See Kube."""
        assert (kind, namespace) == ("Event", "ack-system")
        return [*self.events]

    def logs(self, *about: object, previous: bool) -> str:
        """See Kube."""
        self.asked.append((*about, previous))
        if isinstance(self.log, Exception):
            raise self.log
        return self.log


def told_by(log: str | Exception = "", *events: Manifest) -> Kube:
    """Return such a cluster."""
    return cast("Kube", Told(log, events))


def event(reason: str, message: str, when: str, pod: str = "ack-0", **more: object) -> Manifest:
    """Return a warning about a pod."""
    about = {"kind": "Pod", "name": pod}
    return {"type": "Warning", "reason": reason, "message": message, "involvedObject": about, **more} | {
        "lastTimestamp": when
    }


UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
PODS = [
    (
        "crashing, before its next start",
        pod({**ended(1), **waiting("CrashLoopBackOff", "back-off 10s")}),
        "crash-loop-back-off",
        "pod 'ack-0': CrashLoopBackOff (restarted 3 times, ended last with exit code 1)",
    ),
    (
        "crashing, just started",
        pod(ended(2, running={})),
        "crash-loop-back-off",
        "pod 'ack-0': CrashLoopBackOff (restarted 3 times, ended last with exit code 2)",
    ),
    (
        "out of memory",
        pod(ended(137, "OOMKilled", running={})),
        "crash-loop-back-off",
        "pod 'ack-0': OOMKilled (restarted 3 times, ended last with exit code 137)",
    ),
    (
        "no image",
        pod(waiting("ImagePullBackOff", 'Back-off pulling image "a"')),
        "image-pull-back-off",
        "pod 'ack-0': ImagePullBackOff Back-off pulling image \"a\"",
    ),
    ("no image yet", pod(waiting("ErrImagePull")), "image-pull-back-off", "pod 'ack-0': ErrImagePull"),
    (
        "no configuration",
        pod(waiting("CreateContainerConfigError", 'secret "a" not found')),
        "container-cannot-start",
        "pod 'ack-0': CreateContainerConfigError secret \"a\" not found",
    ),
    (
        "no node",
        pod(conditions=[UNSCHEDULED]),
        "pod-unschedulable",
        "pod 'ack-0' is not scheduled: 0/1 nodes are available",
    ),
    (
        "not ready",
        pod({"state": {"running": {}}}),
        "pods-not-ready",
        "pod 'ack-0': runs, but is not ready",
    ),
    ("something new", pod(waiting("Sulking")), "pods-not-ready", "pod 'ack-0': Sulking"),
]


@pytest.mark.parametrize(("found", "reference", "message"), cases(PODS))
def test_a_pod_that_does_not_come_up(found: Manifest, reference: str, message: str) -> None:
    """Each state has its name and a hint with names filled in; a container that was started shows its log."""
    told = pods.diagnosis([found], "ack-system", told_by(log="one\n\ntwo\n"))
    assert told is not None
    assert (told.reference, told.message) == (reference, message)
    assert told.hint
    assert "{" not in told.hint
    assert told.details == (() if reference == "pod-unschedulable" else ("one", "two"))


WELL = [
    ("that is ready", pod({"ready": True, "state": {"running": {}}})),
    ("that begins", pod(waiting("ContainerCreating"))),
    ("without a status", {"metadata": {"name": "ack-0"}}),
    (
        "that goes",
        {**pod(waiting("CrashLoopBackOff")), "metadata": {"name": "a", "deletionTimestamp": "now"}},
    ),
]


@pytest.mark.parametrize("found", cases(WELL))
def test_a_pod_without_trouble(found: Manifest) -> None:
    """There is nothing to say about what only takes its time."""
    assert pods.diagnosis([found], "ack-system", told_by()) is None


def test_the_last_lines_of_a_log_hide_credentials() -> None:
    """Ten lines, without anything that looks like a credential; of the run that crashed, not of the next."""
    kube = Told("".join(f"line {number} of {KEY}{' ' * 600}end\n" for number in range(30)))
    told = pods.diagnosis([pod(ended(1, running={}))], "ack-system", cast("Kube", kube))
    assert told is not None
    assert kube.asked == [("ack-system", "ack-0", "controller", 10, True)]
    assert [one.strip() for one in told.details] == [f"line {number} of (hidden)" for number in range(20, 30)]
    pods.diagnosis([pod({**ended(1), **waiting("CrashLoopBackOff")})], "ack-system", cast("Kube", kube))
    assert kube.asked[1:] == [("ack-system", "ack-0", "controller", 10, False)]


def test_a_log_that_cannot_be_read_is_no_obstacle() -> None:
    """Then that is said in its place."""
    lost = told_by(ConnectionResetError(104, "reset"))
    told = pods.diagnosis([pod(ended(1, running={}))], "ack-system", lost)
    assert told is not None
    assert told.reference == "crash-loop-back-off"
    assert told.details[0].startswith("its log cannot be read: no answer")


NO_ADDRESS = 'plugin type="aws-cni" failed (add): failed to assign an IP address to container'
EVENTS = [
    (
        "no address",
        [event("FailedCreatePodSandBox", NO_ADDRESS, "2026-01-01T00:00:02Z")],
        "pod-sandbox-not-created",
        f"pod 'ack-0': FailedCreatePodSandBox {NO_ADDRESS}",
        "aws ec2 describe-subnets",
    ),
    (
        "no volume, the last of several",
        [
            event("FailedCreatePodSandBox", "x", "2026-01-01T00:00:01Z"),
            event("FailedMount", 'secret "a" not found', "2026-01-01T00:00:02Z"),
            event("FailedCreatePodSandBox", "x", "2026-01-01T00:00:03Z", pod="another"),
            event("FailedMount", "x", "2026-01-01T00:00:04Z", type="Normal"),
            event("Unhealthy", "x", "2026-01-01T00:00:05Z"),
        ],
        "volume-not-mounted",
        "pod 'ack-0': FailedMount secret \"a\" not found",
        "kubectl get pod ack-0 --namespace ack-system",
    ),
]


@pytest.mark.parametrize(("events", "reference", "message", "hint"), cases(EVENTS))
def test_a_pod_that_does_not_begin(events: list[Manifest], reference: str, message: str, hint: str) -> None:
    """What its status does not tell, its events do."""
    found = pod(waiting("ContainerCreating"))
    told = pods.diagnosis([found], "ack-system", told_by("", *events))
    assert told is not None
    assert (told.reference, told.message, told.details) == (reference, message, ())
    assert hint in told.hint


def break_pods(world: World, status: Mapping[str, Any]) -> None:
    """Let the SageMaker controller's deployment have no available pod, and its pod this status."""
    for api_version, kind in (("apps/v1", "Deployment"), ("v1", "Pod")):
        for found in world.cluster.list(api_version, kind, "ack-system"):
            if "sagemaker" in found["metadata"]["name"]:
                ref = Ref(api_version, kind, found["metadata"]["name"], "ack-system")
                new = (
                    {"status": {**found["status"], "availableReplicas": 0}} if kind == "Deployment" else None
                )
                world.cluster.change(ref, lambda one, new=new: one.update(new or {"status": status}))
                world.cluster.logs[ref] = f"starting\nunable to get caller identity with {KEY}\n"


def test_a_crashing_controller_is_named_with_its_log(commands: Commands) -> None:
    """`up` says after its patience what the pod's status and the log's last lines tell."""
    commands.run("up", "--cluster", "demo", "--yes")
    break_pods(commands.world, pod({**ended(1), **waiting("CrashLoopBackOff")})["status"])
    answer = commands.run(*UP)
    assert answer.code == 1
    assert "ended last with exit code 1) (after 0 s) [crash-loop-back-off]" in answer.error
    assert "`kubectl logs " in answer.hint
    assert "--previous`" in answer.hint
    assert "\n  | unable to get caller identity with (hidden)\n" in answer.stderr
    assert KEY not in answer.stderr
    events = [json.loads(line) for line in commands.run(*UP, "--output", "json").stdout.splitlines()]
    (error,) = [one for one in events if one["event"] == "error"]
    assert error["reference"] == "crash-loop-back-off"
    assert error["details"][-1] == "unable to get caller identity with (hidden)"


def test_pods_that_cannot_even_be_made(commands: Commands) -> None:
    """A quota that forbids them is found in the deployment's condition."""
    commands.run("up", "--cluster", "demo", "--yes")
    world = commands.world
    told = 'pods "x" is forbidden: exceeded quota: q'
    condition = {"type": "ReplicaFailure", "status": "True", "message": told}
    for found in world.cluster.list("apps/v1", "Deployment", "ack-system"):
        ref = Ref("apps/v1", "Deployment", found["metadata"]["name"], "ack-system")
        world.cluster.change(
            ref, lambda one: one["status"].update(availableReplicas=0, conditions=[condition])
        )
    answer = commands.run(*UP)
    assert "exceeded quota: q (after 0 s) [pods-not-created]" in answer.error


def test_a_role_that_does_not_let_the_service_account_in(commands: Commands) -> None:
    """STS's refusal has a reference of its own, and says which part of the trust fails."""
    refuse(commands, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    answer = commands.run(*UP)
    assert f"role/{ROLE}' cannot be assumed: the role does not let the service account in" in answer.error
    assert answer.error.endswith("[role-not-assumable]")
    assert "trust policy" in answer.hint


def test_an_issuer_that_iam_does_not_know(commands: Commands) -> None:
    """A missing provider is told from a trust policy that does not fit."""
    refuse(commands, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://x")
    answer = commands.run(*UP)
    assert answer.error.endswith("[invalid-identity-token]")
    assert "No OpenIDConnect provider found" in answer.error
    assert "IAM has no OIDC provider" in answer.hint


def refuse(commands: Commands, code: str, text: str) -> None:
    """Install, then let STS refuse every web identity."""
    commands.run("up", "--cluster", "demo", "--yes")

    def strike(_number: int, call: Call) -> None:
        if call.name.startswith("sts:AssumeRoleWithWebIdentity"):
            raise aws_error(code, text, "AssumeRoleWithWebIdentity")

    commands.world.faults.begin(strike)


def test_throttling_that_does_not_end(commands: Commands) -> None:
    """It is named as such, with the command that shows who else calls."""

    def strike(_number: int, call: Call) -> None:
        if call.name.startswith("iam:CreateRole"):
            raise aws_error("Throttling", "Rate exceeded", "CreateRole")

    commands.world.faults.begin(strike)
    answer = commands.run(*UP)
    assert "AWS throttles CreateRole (Throttling) (after 0 s) [throttled]" in answer.error
    assert "aws cloudtrail lookup-events" in answer.hint


OBSTACLE = {
    "type": "NamespaceDeletionDiscoveryFailure",
    "status": "True",
    "message": "unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1",
}


class Ending:
    """A cluster whose namespaces all end, and do not come to it."""

    def get(self, ref: Ref) -> Manifest:
        """See Kube."""
        metadata = {"name": ref.name, "deletionTimestamp": "2026-01-01T00:00:00Z"}
        return {"metadata": metadata, "status": {"phase": "Terminating", "conditions": [OBSTACLE]}}


def failed(resource: Resource, clients: Clients) -> AckinstallError:
    """Return how converging ends after a short patience."""
    with pytest.raises(AckinstallError) as caught:
        engine.converge(resource, clients, Options(timeout=0.1), lambda _: None)
    return caught.value


def test_a_namespace_that_stays_in_terminating(world: World) -> None:
    """What its controller waits for is told, an API that does not answer too."""
    (namespace,) = [one for one in world.resources() if isinstance(one, Namespace)]
    error = failed(namespace, replace(world.clients, kube=cast("Kube", Ending())))
    assert error.reference == "namespace-terminating"
    assert error.message.startswith("the namespace 'ack-system' is still Terminating: unable to retrieve the")
    assert "kubectl get apiservices" in error.hint
    assert "kubectl get namespace ack-system" in error.hint


def test_a_release_that_helm_does_not_end(world: World) -> None:
    """A revision that is pending is named, with the command that shows who works on it."""
    world.up()
    world.helm.leave(CONTROLLER, "ack-system", status="pending-upgrade")
    (release,) = [one for one in world.resources() if one.id == f"helm-release/{CONTROLLER}"]
    error = failed(release, world.clients)
    assert error.reference == "release-pending"
    assert f"helm left the release '{CONTROLLER}' 'pending-upgrade' at " in error.message
    assert f"`helm history {CONTROLLER} --namespace ack-system`" in error.hint


def test_a_diagnosis_that_fails_is_no_obstacle(world: World) -> None:
    """The reason that is known stands."""
    world.up()
    world.helm.leave(CONTROLLER, "ack-system", status="pending-upgrade")
    (release,) = [one for one in world.resources() if one.id == f"helm-release/{CONTROLLER}"]
    assert isinstance(release, HelmRelease)
    error = failed(Silent(**vars(release)), world.clients)
    assert error.reference == "not-ready-in-time"
    assert "helm left it 'pending-upgrade'" in error.message


@dataclass(frozen=True, kw_only=True)
class Silent(HelmRelease):
    """A release that cannot be looked into."""

    def diagnosis(self, clients: Clients) -> AckinstallError | None:
        """See Resource."""
        raise RuntimeError(clients)
