"""The live pods: a pod that is Ready may still run on the node's role, or be denied all that it tries."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from ackinstall import denied
from ackinstall.checks import denials
from ackinstall.checks.check import Check, Finding, Severity, failed, passed, unproven
from ackinstall.checks.context import Context
from ackinstall.checks.objects import is_ready, labels_of, name_of
from ackinstall.checks.pod_identity import ASSOCIATION, KEYS, ROLE, controller_of, environment, wrong_identity
from ackinstall.kube import Manifest
from ackinstall.pods import WIDTH, held_up, trouble
from ackinstall.redaction import redact
from ackinstall.resources.helm_release import INSTANCE
from ackinstall.words import some

CATEGORY = "pods"
LINES = 1000
RESTARTS = 3
LATELY = timedelta(hours=1)
DENIED = "AccessDenied"
"""How the codes of denials begin; some services say no more."""
SHOWN = 3


def _ready(context: Context) -> Finding:
    pods = context.own_pods()
    ready = Counter(labels_of(one)[INSTANCE] for one in pods if is_ready(one))
    if absent := _absent(context, pods):
        return failed(absent, ready=dict(ready))
    for pod in pods:
        if not is_ready(pod):
            why = trouble(pod) or held_up(pod, context.kube)
            return failed(str(why or f"pod '{name_of(pod)}' is not Ready"), ready=dict(ready))
    return passed(f"{len(pods)} pods", ready=dict(ready))


def _restarts(context: Context) -> Finding:
    since = datetime.now(UTC) - LATELY
    pods = context.own_pods()
    often = [one for one in pods if _restarted(one) > RESTARTS and _ended_last(one) > since]
    if often:
        pod = max(often, key=_restarted)
        return failed(
            f"pod '{name_of(pod)}' was restarted {_restarted(pod)} times, at last at "
            f"{_ended_last(pod):%H:%M %Z}",
            f"see why with `{context.choice.kubectl} logs {name_of(pod)} --namespace "
            f"{context.profile.namespace} --previous`",
        )
    return _passed(context, pods, f"{sum(map(_restarted, pods))} restarts")


def _image(context: Context) -> Finding:
    wanted = {
        release: {one["name"]: one["image"] for template in templates for one in _containers(template)}
        for release, templates in context.released.items()
    }
    pods = context.own_pods()
    for pod in pods:
        of_chart = wanted.get(labels_of(pod)[INSTANCE], {})
        for one in _containers(pod):
            image = of_chart.get(one["name"], one["image"])
            if one["image"] != image:
                return failed(f"pod '{name_of(pod)}' runs '{one['image']}', the chart has '{image}'")
    images = {image for of_chart in wanted.values() for image in of_chart.values()}
    return _passed(context, pods, ", ".join(sorted(images)))


def _identity(context: Context) -> Finding:
    role = context.names.controller_role_arn
    pods = context.own_pods()
    for pod in pods:
        if why := wrong_identity(pod, role):
            return failed(f"pod '{name_of(pod)}' {why}", _remedy(context, pod))
    return _passed(context, pods, role)


def _remedy(context: Context, pod: Manifest) -> str:
    """Return what gives a pod the role's identity."""
    variables, kubectl = environment(pod), context.choice.kubectl
    owners = context.own_deployments(labels_of(pod)[INSTANCE])
    owner = name_of(owners[0]) if owners else name_of(pod).rsplit("-", 2)[0]
    there = f"--namespace {context.profile.namespace}"
    restart = f"`{kubectl} rollout restart deployment {owner} {there}`"
    if variables.keys() >= {*KEYS}:
        unset = " ".join(f"{key}-" for key in KEYS)
        return f"take them out with `{kubectl} set env deployment/{owner} {unset} {there}`"
    if ASSOCIATION in variables and not variables.get(ROLE):
        about = f"--cluster-name {context.cluster}{context.place}"
        account = pod["spec"].get("serviceAccountName", "default")
        listed = (
            f"aws eks list-pod-identity-associations {about} {there} --service-account {account} "
            "--query 'associations[0].associationId' --output text"
        )
        removal = f'aws eks delete-pod-identity-association {about} --association-id "$({listed})"'
        return f"remove it with `{removal}`, then run {restart}"
    return f"run {restart}; where that does not help, `{context.choice.again('up')}`"


def _log(context: Context) -> Finding:
    pods = context.own_pods()

    def read(pod: Manifest) -> str:
        container = controller_of(pod)["name"]
        return context.kube.logs(context.profile.namespace, name_of(pod), container, LINES)

    with ThreadPoolExecutor(8) as pool:
        logs = dict(zip(map(name_of, pods), pool.map(read, pods), strict=True))
    by_denial = {one: name for name, text in logs.items() for one in denied.find_all(text)}
    if by_denial:
        told = [f"the log of '{name}' says that {one.message}" for one, name in by_denial.items()]
        first, *_ = by_denial
        actions = sorted({one.action for one in by_denial})
        return failed(
            some(told, SHOWN),
            denials.remedy(context, first),
            actions=actions,
            denied=denials.data([*by_denial]),
        )
    for name, text in logs.items():
        if line := next((line for line in text.splitlines() if DENIED in line), ""):
            return failed(f"the log of '{name}' tells of a denial: {redact(line)[:WIDTH]}")
    if silent := [name for name, text in logs.items() if not text]:
        return unproven(f"the log of '{silent[0]}' is empty")
    return _passed(context, pods, f"{sum(text.count(chr(10)) for text in logs.values())} lines read")


def _passed(context: Context, pods: Sequence[Manifest], found: str) -> Finding:
    """Return that all pods were looked at, if there are any of each release."""
    absent = _absent(context, pods)
    return unproven(absent) if absent else passed(found)


def _absent(context: Context, pods: Sequence[Manifest]) -> str:
    """Return which release has no pod; "" when each has one."""
    there = {labels_of(one)[INSTANCE] for one in pods}
    absent = [one.release for one in context.profile.controllers if one.release not in there]
    return f"the release '{absent[0]}' has no pod" if absent else ""


def _statuses(pod: Manifest) -> list[Mapping[str, Any]]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())


def _restarted(pod: Manifest) -> int:
    return sum(one.get("restartCount", 0) for one in _statuses(pod))


def _ended_last(pod: Manifest) -> datetime:
    """Return when a container of the pod ended last; now, where no status tells."""
    ended = [
        ((one.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for one in _statuses(pod)
    ]
    return max((datetime.fromisoformat(one) for one in ended if one), default=datetime.now(UTC))


def _containers(pod: Manifest) -> Sequence[Mapping[str, Any]]:
    return list(pod["spec"].get("containers") or ())


CHECKS = (
    Check(
        id="pods-ready",
        category=CATEGORY,
        description="the controllers' pods are Ready",
        severity=Severity.FATAL,
        hint="see why with `{kubectl} describe pods --namespace {namespace}`",
        look=_ready,
        needs=("releases-deployed",),
        patience=120,
    ),
    Check(
        id="pods-restarts",
        category=CATEGORY,
        description="the pods are not restarted again and again",
        severity=Severity.WARNING,
        hint="see why with `{kubectl} describe pods --namespace {namespace}`",
        look=_restarts,
        needs=("releases-deployed",),
    ),
    Check(
        id="pods-image",
        category=CATEGORY,
        description="the pods run the image that the chart names",
        severity=Severity.WARNING,
        hint="run `{up}`, which puts the chart's back",
        look=_image,
        needs=("releases-deployed",),
    ),
    Check(
        id="pods-identity",
        category=CATEGORY,
        description="the live pods carry the role and a token for it",
        severity=Severity.FATAL,
        hint="run `{up}`",
        look=_identity,
        needs=("releases-deployed",),
    ),
    Check(
        id="controller-log",
        category=CATEGORY,
        description="the controllers' logs tell of nothing that was denied",
        severity=Severity.WARNING,
        hint="see them with `{kubectl} logs --namespace {namespace} --selector k8s-app`",
        look=_log,
        needs=("releases-deployed",),
    ),
)
