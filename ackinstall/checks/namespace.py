"""The namespace, and what in the cluster decides about new objects in it."""

import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from ackinstall.checks.check import (
    IN_CLUSTER,
    PODS,
    Check,
    Finding,
    Severity,
    failed,
    passed,
    unproven,
    warned,
)
from ackinstall.checks.context import Context
from ackinstall.checks.objects import is_over, labels_of, name_of
from ackinstall.checks.quantities import added, fits, less, parsed
from ackinstall.checks.quotas import counts, releases, requests, taken
from ackinstall.errors import AckinstallError, Retry, is_absent, translate
from ackinstall.kube import Manifest, Ref, ref_of
from ackinstall.resources.crds import Crds, marked
from ackinstall.resources.namespace import what_holds

CATEGORY = "namespace"
ENFORCED = "pod-security.kubernetes.io/enforce"
"""https://kubernetes.io/docs/concepts/security/pod-security-admission/"""
RIGHTS = frozenset({"ClusterRole", "ClusterRoleBinding"})
NAMESPACED = frozenset({"Deployment", "Role", "RoleBinding", "ServiceAccount"})
"""Kinds of a chart's objects that are rehearsed."""
ELSEWHERE = "default"
"""Where namespaced objects are rehearsed while their own namespace is not there."""


GRANTS = re.compile(r"may not (?:bind|escalate) ")
"""How a refusal reads that no right to write the object, but a right that it grants, is missing for."""


def _active(context: Context) -> Finding:
    found = context.kube.get(Ref("v1", "Namespace", context.profile.namespace))
    if found is None:
        return passed("there is none yet: `up` makes it")
    if why := what_holds(found):
        return failed(f"'{context.profile.namespace}' {why}")
    return passed(context.profile.namespace)


def _security(context: Context) -> Finding:
    level = labels_of(context.namespace).get(ENFORCED, "privileged") if context.namespace else "privileged"
    broken = [
        f"{service}: {why}" for service, spec in context.pod_specs.items() for why in _violations(spec, level)
    ]
    if broken:
        return failed(f"the namespace enforces '{level}': {'; '.join(broken)}")
    return passed(level)


def _violations(spec: Mapping[str, Any], level: str) -> Iterator[str]:
    """Yield what of a pod the level forbids, as far as a chart's values decide about it."""
    if level == "privileged":
        return
    if spec.get("hostNetwork"):
        yield "hostNetwork is not allowed"
    if any("hostPath" in one for one in spec.get("volumes") or ()):
        yield "volumes of hostPath are not allowed"


def _quota(context: Context) -> Finding:
    namespace = context.profile.namespace
    running = [
        one["spec"]
        for one in context.kube.list("v1", "Pod", namespace)
        if context.is_own_pod(one) and not is_over(one)
    ]
    new = releases(len(context.profile.controllers) - len(context.own_deployments()))
    for quota in context.kube.list("v1", "ResourceQuota", namespace):
        wanted = added(taken(one for one in context.pod_specs.values() if counts(quota, one)), new)
        own = taken(one for one in running if counts(quota, one))
        hard, used = (
            parsed(quota["spec"].get("hard") or {}),
            parsed(quota.get("status", {}).get("used") or {}),
        )
        free = less(hard, less(used, own))
        lacking = sorted(one for one in wanted if not fits({one: wanted[one]}, free))
        if lacking:
            return failed(
                f"the quota '{name_of(quota)}' leaves too little {', '.join(lacking)}",
                f"raise it with `{context.choice.kubectl} edit resourcequota {name_of(quota)} --namespace "
                f"{namespace}`",
            )
    return passed()


def _limits(context: Context) -> Finding:
    namespace = context.profile.namespace
    for limit in context.kube.list("v1", "LimitRange", namespace):
        for service, spec in context.pod_specs.items():
            reasons = [_outside(rule, spec) for rule in limit["spec"].get("limits") or ()]
            if why := next(filter(None, reasons), ""):
                return failed(
                    f"the limit range '{name_of(limit)}': {service} {why}",
                    f"change it with `{context.choice.kubectl} edit limitrange {name_of(limit)} --namespace "
                    f"{namespace}`, or 'controllers.{service}.values.resources' in the profile",
                )
    return passed()


def _outside(rule: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    if rule.get("type") not in ("Container", "Pod"):
        return ""
    asked, limits = requests(spec), requests(spec, "limits")
    for name, most in parsed(rule.get("max") or {}).items():
        if limits.get(name, Decimal(0)) > most:
            return f"has a limit of {name} above {rule['max'][name]}"
    for name, least in parsed(rule.get("min") or {}).items():
        if name in asked and asked[name] < least:
            return f"requests {name} below {rule['min'][name]}"
    return ""


def _admission(context: Context) -> Finding:
    objects = list(_objects(context))
    with ThreadPoolExecutor(8) as pool:
        refusals = [one for one in pool.map(lambda it: _refusal(context, it), objects) if one]
    unknown = [why for why, is_unknown in refusals if is_unknown]
    refused = [why for why, is_unknown in refusals if not is_unknown]
    if refused:
        where = "" if context.namespace else f" (rehearsed in '{ELSEWHERE}')"
        return (failed if context.namespace else warned)(f"{refused[0]}{where}", refused=refused)
    if unknown:
        return unproven(unknown[0])
    return passed(f"{len(objects)} objects rehearsed")


def _objects(context: Context) -> Iterator[Manifest]:
    """Yield what is to be rehearsed: an object of each sort, and a pod as each Deployment makes it."""
    place = context.profile.namespace if context.namespace else ELSEWHERE
    if not context.namespace:
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": context.profile.namespace}}
    definitions = [one for one in context.opening.resources if isinstance(one, Crds)]
    yield from (marked(min(one.manifests, key=lambda it: len(str(it)))) for one in definitions)
    for one in (one for objects in context.rendered.values() for one in objects):
        if one["kind"] in RIGHTS:
            yield one
        if one["kind"] in NAMESPACED:
            yield _moved(one, place)
        if one["kind"] == "Deployment":
            yield _pod(one, place)


def _pod(deployment: Manifest, namespace: str) -> Manifest:
    """Return a pod of the Deployment, with the default service account: its own need not be there yet."""
    template = deployment["spec"]["template"]
    metadata = {
        "name": f"{deployment['metadata']['name'][:50]}-rehearsal",
        "namespace": namespace,
        "labels": template["metadata"].get("labels") or {},
        "annotations": template["metadata"].get("annotations") or {},
    }
    spec = {key: one for key, one in template["spec"].items() if not key.startswith("serviceAccount")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _moved(manifest: Manifest, namespace: str) -> Manifest:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def _refusal(context: Context, manifest: Manifest) -> tuple[str, bool] | None:
    """Return why an object would be refused, and whether that is unknown only; None when it would not."""
    ref = ref_of(manifest)
    try:
        context.kube.rehearse(manifest)
    except Exception as error:
        if is_absent(error) and ref.kind.endswith("Binding"):
            return None  # its role is not there yet, and is rehearsed itself
        told = translate(error)
        is_webhook = "webhook" in told.message
        is_unasked = told.reference == "kubernetes-forbidden" and not GRANTS.search(told.message)
        if is_unasked or re.search(r"webhook.* dry run", told.message):
            return f"'{ref.kind}/{ref.name}' cannot be rehearsed: {told.message}", True
        if isinstance(told, Retry) and not is_webhook:
            raise told from error
        return f"'{ref.kind}/{ref.name}' would be refused: {_reason(told)}", False
    return None


def _reason(error: AckinstallError) -> str:
    return error.message.removeprefix("the Kubernetes API says: ")


CHECKS = (
    Check(
        id="namespace-active",
        category=CATEGORY,
        description="the namespace is not going away",
        severity=Severity.FATAL,
        hint="see what holds it with `{kubectl} get namespace {namespace} --output yaml`",
        look=_active,
        needs=("cluster-login",),
        patience=30,
        about=IN_CLUSTER,
    ),
    Check(
        id="pod-security",
        category=CATEGORY,
        description="the namespace's pod security level lets the controllers run",
        severity=Severity.FATAL,
        hint="leave `hostNetwork` and hostPath out of the profile's values, or take another namespace",
        look=_security,
        needs=("namespace-active", "charts"),
        about=PODS,
    ),
    Check(
        id="resource-quota",
        category=CATEGORY,
        description="the namespace's quotas leave room",
        severity=Severity.FATAL,
        hint="see them with `{kubectl} describe resourcequota --namespace {namespace}`",
        look=_quota,
        needs=("namespace-active", "charts"),
        about=PODS,
    ),
    Check(
        id="limit-range",
        category=CATEGORY,
        description="the namespace's limit ranges let the controllers run",
        severity=Severity.FATAL,
        hint="see them with `{kubectl} describe limitrange --namespace {namespace}`",
        look=_limits,
        needs=("namespace-active", "charts"),
        about=PODS,
    ),
    Check(
        id="admission",
        category=CATEGORY,
        description="admission webhooks and policies let the objects through",
        severity=Severity.FATAL,
        hint=(
            "see who decides with `{kubectl} get validatingwebhookconfigurations,"
            "mutatingwebhookconfigurations,validatingadmissionpolicies`, and let '{namespace}' through"
        ),
        look=_admission,
        needs=("namespace-active", "charts"),
        about=IN_CLUSTER,
    ),
)
