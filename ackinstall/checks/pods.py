"""The live pods: a pod that is Ready may still run on the node's role, or be denied all that it tries."""

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ackinstall import denied
from ackinstall.catalog import AUDIENCE
from ackinstall.checks import denials
from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.kube import Manifest
from ackinstall.pods import WIDTH, held_up, trouble
from ackinstall.redaction import redact
from ackinstall.words import some

CATEGORY = "pods"
ROLE, TOKEN_FILE = "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"
"""What EKS's webhook puts into a pod: https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html"""
LINES = 1000
RESTARTS = 3
DENIED = "AccessDenied"
"""How the codes of denials begin; some services say no more."""
SHOWN = 3


def _ready(context: Context) -> Finding:
    pods = _pods(context)
    of_release = Counter(map(_release, pods))
    ready = Counter(_release(one) for one in pods if _is_ready(one))
    for controller in context.profile.controllers:
        if controller.release not in of_release:
            return failed(f"the release '{controller.release}' has no pod", ready=dict(ready))
    for pod in pods:
        if not _is_ready(pod):
            why = trouble(pod) or held_up(pod, context.kube)
            return failed(str(why or f"pod '{_name(pod)}' is not Ready"), ready=dict(ready))
    return passed(f"{len(pods)} pods", ready=dict(ready))


def _restarts(context: Context) -> Finding:
    restarts = {
        _name(pod): sum(one.get("restartCount", 0) for one in _statuses(pod)) for pod in _pods(context)
    }
    often = {name: count for name, count in restarts.items() if count > RESTARTS}
    if often:
        name, count = max(often.items(), key=lambda one: one[1])
        return failed(
            f"pod '{name}' was restarted {count} times",
            f"see why with `{context.choice.kubectl} logs {name} --namespace {context.profile.namespace} "
            "--previous`",
        )
    return passed(f"{sum(restarts.values())} restarts")


def _image(context: Context) -> Finding:
    wanted = {
        one.release: {image for manifest in release.manifest for image in _images(_template(manifest))}
        for one in context.profile.controllers
        if (release := context.release(one))
    }
    for pod in _pods(context):
        for image in _images(pod["spec"]):
            if image not in wanted.get(_release(pod), {image}):
                return failed(
                    f"pod '{_name(pod)}' runs '{image}', the chart has '{min(wanted[_release(pod)])}'"
                )
    return passed(", ".join(sorted(image for images in wanted.values() for image in images)))


def _identity(context: Context) -> Finding:
    role = context.names.controller_role_arn
    for pod in _pods(context):
        why = wrong_identity(pod, role)
        if why:
            deployment = _name(pod).rsplit("-", 2)[0]
            owner = next(
                (one["metadata"]["name"] for one in context.own_deployments(_release(pod))), deployment
            )
            return failed(
                f"pod '{_name(pod)}' {why}",
                f"run `{context.choice.kubectl} rollout restart deployment {owner} --namespace "
                f"{context.profile.namespace}`; where that does not help, `{context.choice.again('up')}`",
            )
    return passed(role)


def wrong_identity(pod: Manifest, role: str) -> str:
    """Return what is wrong with the identity that a pod carries; "" when it can act as `role` (an ARN)."""
    container = pod["spec"]["containers"][0]
    environment = {one["name"]: one.get("value", "") for one in container.get("env") or ()}
    if not environment.get(ROLE):
        return (
            f"runs on no identity: it has no {ROLE}, as when it started before its service account named the "
            "role, and acts as its node"
        )
    if environment[ROLE] != role:
        return f"runs as '{environment[ROLE]}', not as '{role}'"
    path = environment.get(TOKEN_FILE, "")
    mounts = {one["mountPath"]: one["name"] for one in container.get("volumeMounts") or ()}
    volume = next((name for mount, name in mounts.items() if path.startswith(f"{mount}/")), "")
    audiences = [token.get("audience", "") for name, token in _tokens(pod) if name == volume]
    if not audiences:
        return "has no token of its service account for AWS"
    if AUDIENCE not in audiences:
        return f"has a token for the audience '{audiences[0]}', not for '{AUDIENCE}'"
    return ""


def _tokens(pod: Manifest) -> Iterator[tuple[str, Mapping[str, str]]]:
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "serviceAccountToken" in source:
                yield volume["name"], source["serviceAccountToken"]


def _log(context: Context) -> Finding:
    pods = _pods(context)

    def read(pod: Manifest) -> str:
        container = pod["spec"]["containers"][0]["name"]
        return context.kube.logs(context.profile.namespace, _name(pod), container, LINES)

    with ThreadPoolExecutor(8) as pool:
        logs = dict(zip(map(_name, pods), pool.map(read, pods), strict=True))
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
    return passed(f"{sum(text.count(chr(10)) for text in logs.values())} lines read")


def _pods(context: Context) -> list[Manifest]:
    """Return the controllers' pods that are not going away."""
    releases = {one.release for one in context.profile.controllers}
    found = context.kube.list("v1", "Pod", context.profile.namespace)
    return [
        one
        for one in found
        if _release(one) in releases and "deletionTimestamp" not in one["metadata"] and not _is_over(one)
    ]


def _is_over(pod: Manifest) -> bool:
    """Tell whether a pod was evicted or has ended; its Deployment has made another one."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def _release(pod: Manifest) -> str:
    return str((pod["metadata"].get("labels") or {}).get("app.kubernetes.io/instance", ""))


def _name(pod: Manifest) -> str:
    return str(pod["metadata"]["name"])


def _statuses(pod: Manifest) -> list[Mapping[str, Any]]:
    return list((pod.get("status") or {}).get("containerStatuses") or ())


def _is_ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _template(manifest: Manifest) -> Mapping[str, Any]:
    spec: Mapping[str, Any] = manifest["spec"]["template"]["spec"] if manifest["kind"] == "Deployment" else {}
    return spec


def _images(spec: Mapping[str, Any]) -> list[str]:
    return [one["image"] for one in spec.get("containers") or ()]


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
