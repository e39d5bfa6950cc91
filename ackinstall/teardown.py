"""What `down` tells and proves beside its plan: what stays in AWS, and at the end, by a fresh look at
everything that carries our mark, that nothing is left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ackinstall import catalog, documents, engine, examination, remains, retained
from ackinstall.engine import Progress
from ackinstall.errors import AckinstallError
from ackinstall.execution import Execution, Proposal
from ackinstall.kube import MANAGED, Kube, Ref, ref_of
from ackinstall.report import Report
from ackinstall.resource import NOT_OURS, Change, Kind, Resource
from ackinstall.resources.bucket import HOLDS_OBJECTS
from ackinstall.resources.crds import Crds
from ackinstall.resources.namespace import Namespace
from ackinstall.resources.receipt import Receipt
from ackinstall.resources.service_account import ServiceAccount
from ackinstall.target import Target
from ackinstall.workloads import Workload

MARKED = (
    ("v1", "Namespace"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
)
"""The kinds of the objects that carry our label."""


@dataclass(frozen=True)
class Left:
    """Something that a teardown leaves: why, whether on purpose, and the command that removes it."""

    what: str
    why: str
    on_purpose: bool
    command: str = ""


def repair(run: Execution) -> None:
    """Put back what the controllers need to do their work on a teardown."""
    repairing = replace(run, part=lambda target: catalog.needed_by_releases(target.resources))
    proposal = repairing.propose()
    repairing.show(proposal)
    repairing.allow(proposal)
    examination.prepare_removal(run.context, proposal.changes, run.report)
    with repairing.alone(proposal, lambda _: False) as agreed:
        repairing.carry_out(agreed)


def tell_retained(proposal: Proposal, retained_to: Path | None, report: Report) -> None:
    """Write what will stay in AWS before anything is let go.

    Raises AckinstallError when it may not be looked at: then it could not be proven to be there afterwards.
    """
    alive = proposal.alive
    retained.lost(proposal.target.clients.aws, alive)
    manifests = [retained.adoption(one) for one in alive]
    if retained_to:
        kept = {retained_to.name: documents.manifests(manifests)}
        documents.write(kept, retained_to.parent, "another file with `--retained-to FILE`")
    for one, manifest in zip(alive, manifests, strict=True):
        report.event("retained", arn=one.arn, kind=one.ref.kind, manifest=manifest)
    if alive:
        report.say("these stay in AWS; apply the manifests to give them to a controller again:", "")
        report.say(*(f"  {one.ref.kind} {one.arn or '(nothing in AWS yet)'}" for one in alive), "")
        report.say(documents.manifests(manifests))


def prove_retained(kept: Sequence[Workload], target: Target) -> None:
    """Raise AckinstallError when something that was to stay in AWS is not there."""
    lost = retained.lost(target.clients.aws, kept)
    if lost:
        names = ", ".join(f"'{one.arn}'" for one in lost)
        name = lost[0].arn.rpartition("/")[2]
        raise AckinstallError(
            "not-retained",
            f"AWS does not know {names} any more",
            "see who removed it with `aws cloudtrail lookup-events --lookup-attributes "
            f"AttributeKey=ResourceName,AttributeValue={name}`",
        )


def prove(run: Execution, target: Target, ended: Sequence[Progress]) -> None:
    """Look again, in AWS and in the cluster, and say what is left; `ended` is how the run went.

    Raises AckinstallError when something is left that was not kept on purpose.
    """
    known = {one.id for one in target.resources}
    others = remains.find(target.clients, target.facts, policies=target.profile.inline_names)
    looked_at = [*target.resources, *(one for one in others if one.id not in known)]
    changes = engine.plan(looked_at, target.clients, run.options)
    again = replace(run.opening.choice, region=target.facts.region).again("down")
    kept = {one.resource.id: one.detail for one in ended if one.change and one.change.kind is Kind.LEAVE}
    left = [_left(one, kept, again) for one in changes if one.kind is not Kind.NOTHING]
    left += _strays(target.clients.kube, target.resources)
    run.report.event("left", resources=[asdict(one) for one in left])
    run.report.say(
        "", "left:" if left else "nothing is left", *(line for one in left for line in _lines(one))
    )
    if not all(one.on_purpose for one in left):
        raise AckinstallError(
            "something-is-left", "not all is gone", "run the same command again: it goes on from here"
        )


def _left(change: Change, kept: dict[str, str], again: str) -> Left:
    what = change.resource.id
    on_purpose = change.kind is Kind.LEAVE or what in kept
    why = kept.get(what) or change.reason or "is still there"
    data = " --delete-data" if why == HOLDS_OBJECTS else ""
    return Left(what, why, on_purpose, "" if why == NOT_OURS else again + data)


def _strays(kube: Kube, known: Iterable[Resource]) -> list[Left]:
    """Return what carries our label in the cluster and belongs to none of the `known` resources."""
    expected = {ref for one in known for ref in _refs(one)}
    labels = f"{MANAGED}=true"
    found = [
        ref_of(one) for api_version, kind in MARKED for one in kube.list(api_version, kind, labels=labels)
    ]
    return [_stray(ref) for ref in found if ref not in expected]


def _refs(resource: Resource) -> list[Ref]:
    if isinstance(resource, Crds):
        return [ref_of(one) for one in resource.manifests]
    return [resource.ref] if isinstance(resource, (Namespace, Receipt, ServiceAccount)) else []


def _stray(ref: Ref) -> Left:
    place = f" --namespace {ref.namespace}" if ref.namespace else ""
    return Left(
        f"{ref.kind}/{ref.name}",
        "carries our mark, but the profile does not speak of it",
        on_purpose=False,
        command=f"kubectl delete {ref.kind.lower()} {ref.name}{place}",
    )


def _lines(left: Left) -> list[str]:
    mark = Kind.LEAVE if left.on_purpose else Kind.REFUSE
    command = [f"      `{left.command}` removes it when nothing holds it"] if left.command else []
    return [f"  {mark.value} {left.what}: {left.why}", *command]
