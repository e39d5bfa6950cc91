"""The custom resources, by kind: what is synced, what will be tried again, what has ended in an error."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from ackinstall import denied
from ackinstall.checks import denials
from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.checks.objects import name_of
from ackinstall.kube import Manifest
from ackinstall.resources.crds import served
from ackinstall.words import some
from ackinstall.workloads import ACK

CATEGORY = "custom resources"
SYNCED, RECOVERABLE, TERMINAL = "synced", "recoverable", "terminal"
CONDITIONS = (("ACK.Terminal", TERMINAL), ("ACK.Recoverable", RECOVERABLE), ("ACK.ResourceSynced", SYNCED))
"""https://aws-controllers-k8s.github.io/community/docs/user-docs/resource-conditions/"""
SHOWN = 3


def _custom_resources(context: Context) -> Finding:
    groups = {f"{one.service}{ACK}" for one in context.profile.controllers}
    kinds = [one for one in context.definitions if one["spec"]["group"] in groups]
    with ThreadPoolExecutor(8) as pool:
        pages = pool.map(lambda kind: context.kube.list(*served(kind)), kinds)
        found = [one for page in pages for one in page]
    counts: dict[str, Counter[str]] = {}
    for one in found:
        counts.setdefault(one["kind"], Counter())[state(one)[0]] += 1
    told = "; ".join(f"{kind}: {_counted(states)}" for kind, states in sorted(counts.items()))
    data = {kind: dict(states) for kind, states in sorted(counts.items())}
    troubles = {_label(one): state(one) for one in found if state(one)[0] in (TERMINAL, RECOVERABLE)}
    # What was denied comes first, then what has ended: few are shown.
    named = [f"'{label}': {why}" for label, (_, why) in sorted(troubles.items(), key=_by_weight) if why]
    message = ". ".join(part for part in (told, some(named, SHOWN)) if part)
    refusals = denied.find_all("\n".join(why for _, why in troubles.values()))
    if refusals:
        hint = denials.remedy(context, refusals[0])
        return failed(message, hint, counts=data, denied=denials.data(refusals))
    ended = [one for one in found if state(one)[0] == TERMINAL]
    if ended:
        return failed(message, _description(context, ended[0]), counts=data)
    return passed(message or "none are alive", counts=data)


def _description(context: Context, manifest: Manifest) -> str:
    kind, group = manifest["kind"].lower(), manifest["apiVersion"].partition("/")[0]
    return (
        "correct its spec, or delete it; all of its conditions: "
        f"`{context.choice.kubectl} describe {kind}.{group} {name_of(manifest)} "
        f"--namespace {manifest['metadata'].get('namespace', '')}`"
    )


def _by_weight(trouble: tuple[str, tuple[str, str]]) -> tuple[bool, bool, str]:
    label, (word, why) = trouble
    return denied.find(why) is None, word != TERMINAL, label


def state(manifest: Manifest) -> tuple[str, str]:
    """Return how a custom resource stands, as its controller says, and the controller's message."""
    conditions: Mapping[str, Mapping[str, str]] = {
        one["type"]: one for one in (manifest.get("status") or {}).get("conditions") or ()
    }
    for name, word in CONDITIONS:
        if conditions.get(name, {}).get("status") == "True":
            return word, conditions[name].get("message", "")
    return "not synced", ""


def _counted(states: Counter[str]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))


def _label(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata'].get('namespace', '')}/{name_of(manifest)}"


CHECKS = (
    Check(
        id="custom-resources",
        category=CATEGORY,
        description="no custom resource has ended in an error",
        severity=Severity.WARNING,
        hint="correct its spec, or delete it; `{kubectl} describe` shows its conditions",
        look=_custom_resources,
        needs=("definitions-established",),
    ),
)
