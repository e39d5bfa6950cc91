"""Custom resources of ACK as what they are: objects in AWS. What each one is, what its removal means there,
and in which order they can go. Pure.

Deletion semantics: https://aws-controllers-k8s.github.io/community/docs/user-docs/deletion-policy/
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ackinstall.kube import Manifest, Ref, ref_of
from ackinstall.redaction import one_line

ACK = ".services.k8s.aws"
"""How the API groups of all ACK controllers end."""
POLICY = "services.k8s.aws/deletion-policy"
"""The annotation of a custom resource, and with `SERVICE.` before it of a namespace."""
DELETE, RETAIN = "delete", "retain"

# The kinds in the order in which they can go: each may refer to kinds below it, never above. The text says
# what a removal means in AWS; a text under a state holds in that state only.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Service.html
_REMOVALS: Mapping[str, Mapping[str, str]] = {
    "FieldExport": {"": "values are no longer copied"},
    "ScalingPolicy": {"": "the endpoint no longer scales by it"},
    "ScalableTarget": {"": "the endpoint no longer scales"},
    "MonitoringSchedule": {"": "monitoring stops"},
    "DataQualityJobDefinition": {"": "the definition is deleted"},
    "ModelBiasJobDefinition": {"": "the definition is deleted"},
    "ModelExplainabilityJobDefinition": {"": "the definition is deleted"},
    "ModelQualityJobDefinition": {"": "the definition is deleted"},
    "InferenceComponent": {"": "its models stop serving"},
    "Endpoint": {"": "the endpoint is deleted", "InService": "stops serving"},
    "EndpointConfig": {"": "the configuration is deleted"},
    "TransformJob": {"": "nothing: finished jobs stay in SageMaker", "InProgress": "the job is stopped"},
    "Model": {"": "the model is deleted, its data in S3 stays"},
    "TrainingJob": {"": "nothing: finished jobs stay in SageMaker", "InProgress": "the job is stopped"},
    "ProcessingJob": {"": "nothing: finished jobs stay in SageMaker", "InProgress": "the job is stopped"},
    "HyperParameterTuningJob": {
        "": "nothing: finished jobs stay in SageMaker",
        "InProgress": "the job is stopped",
    },
    "LabelingJob": {"": "nothing: finished jobs stay in SageMaker", "InProgress": "the job is stopped"},
    "PipelineExecution": {"": "nothing: finished executions stay", "Executing": "the execution is stopped"},
    "Pipeline": {"": "the pipeline is deleted"},
    "App": {"": "the app is deleted", "InService": "the running app is deleted"},
    "Space": {"": "the space is deleted with its files"},
    "UserProfile": {"": "the user profile is deleted"},
    "Domain": {"": "the domain is deleted"},
    "ModelPackage": {"": "the model package is deleted"},
    "ModelPackageGroup": {"": "the group is deleted"},
    "NotebookInstance": {
        "": "the notebook is deleted with its disk",
        "InService": "stops, and goes with its disk",
    },
    "NotebookInstanceLifecycleConfig": {"": "the configuration is deleted"},
    "FeatureGroup": {"": "the feature group is deleted with its online data"},
    "Project": {"": "the project is deleted"},
}
_RANK = {kind: rank for rank, kind in enumerate(_REMOVALS)}
_DANGEROUS = {("Endpoint", "InService"), ("NotebookInstance", "InService"), ("App", "InService")}
_LOSING = frozenset({"Domain", "FeatureGroup", "InferenceComponent", "Space"})

_MANAGERS = (
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "argocd.argoproj.io/instance", "Argo CD"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "pipeline/runid", "Kubeflow run"),
    ("labels", "workflows.argoproj.io/workflow", "Argo workflow"),
    ("annotations", "meta.helm.sh/release-name", "Helm release"),
)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One custom resource. `policy` is the effective deletion policy and `policy_from` where that comes from.

    `manager` would make it again. `trouble` is the controller's own message where it cannot go on.
    """

    ref: Ref
    arn: str
    state: str
    policy: str
    policy_from: str
    finalizers: tuple[str, ...]
    created: str
    manager: str
    trouble: str
    is_going: bool
    manifest: Manifest

    @property
    def label(self) -> str:
        """`Kind/namespace/name`."""
        return f"{self.ref.kind}/{self.ref.namespace}/{self.ref.name}"

    @property
    def meaning(self) -> str:
        """What a removal means in AWS."""
        if self.policy == RETAIN:
            return "stays in AWS"
        texts = _REMOVALS.get(self.ref.kind, {"": "its object in AWS is deleted"})
        return texts.get(self.state, texts[""])

    @property
    def is_hopeless(self) -> bool:
        """Whether its trouble will not pass by itself, as waiting for AWS does."""
        return bool(re.search(r"AccessDenied|not authorized|^Terminal", self.trouble))

    @property
    def is_dangerous(self) -> bool:
        """Whether a removal ends something that works, or loses data."""
        at_work = (self.ref.kind, self.state) in _DANGEROUS or self.ref.kind in _LOSING
        return self.policy != RETAIN and at_work


def describe(
    manifest: Manifest, namespaces: Mapping[str, Manifest], default_policy: str = DELETE
) -> Workload:
    """Return what a custom resource is; `default_policy` is its controller's flag."""
    metadata = manifest["metadata"]
    status = manifest.get("status") or {}
    policy, policy_from = _policy(manifest, namespaces, default_policy)
    return Workload(
        ref=ref_of(manifest),
        arn=(status.get("ackResourceMetadata") or {}).get("arn", ""),
        state=_state(manifest["kind"], status),
        policy=policy,
        policy_from=policy_from,
        finalizers=tuple(metadata.get("finalizers") or ()),
        created=metadata.get("creationTimestamp", ""),
        manager=_manager(metadata),
        trouble=one_line(_trouble(status)),
        is_going="deletionTimestamp" in metadata,
        manifest=manifest,
    )


def order(workloads: Sequence[Workload]) -> dict[Ref, frozenset[Ref]]:
    """Return for each workload those that must be gone before it: what refers to it.

    A workload whose spec is not filled in yet tells nothing of what it refers to; the table decides for it.
    """
    owners: dict[str, list[Workload]] = {}
    for one in workloads:
        for identity in _identities(one.manifest):
            owners.setdefault(identity, []).append(one)
    before: dict[Ref, set[Ref]] = {one.ref: set() for one in workloads}
    for one in workloads:
        used = {id(owner): owner for name in _references(one.manifest) for owner in owners.get(name, ())}
        for owner in used.values() if one.manifest.get("spec") else workloads:
            if _rank(one) < _rank(owner):
                before[owner.ref].add(one.ref)
    return {ref: frozenset(refs) for ref, refs in before.items()}


def next_to_go(workloads: Sequence[Workload]) -> list[Workload]:
    """Return those that can be deleted now: not on their way yet, and nothing that is left refers to them."""
    before = order(workloads)
    return [one for one in workloads if not one.is_going and not before[one.ref]]


def _policy(manifest: Manifest, namespaces: Mapping[str, Manifest], default: str) -> tuple[str, str]:
    own = _annotations(manifest).get(POLICY)
    if own:
        return own, "its own annotation"
    service = manifest["apiVersion"].split("/")[0].removesuffix(ACK)
    namespace = manifest["metadata"].get("namespace", "")
    inherited = _annotations(namespaces.get(namespace, {"metadata": {}})).get(f"{service}.{POLICY}")
    return (inherited, f"the namespace '{namespace}'") if inherited else (default, "the controller")


def _annotations(manifest: Manifest) -> Mapping[str, str]:
    return manifest["metadata"].get("annotations") or {}


def _state(kind: str, status: Mapping[str, Any]) -> str:
    return str(status.get(f"{kind[0].lower()}{kind[1:]}Status") or status.get("status") or "")


def _manager(metadata: Mapping[str, Any]) -> str:
    for where, key, name in _MANAGERS:
        value = (metadata.get(where) or {}).get(key)
        if value:
            return f"{name} '{value}'"
    owners = metadata.get("ownerReferences") or ()
    return f"{owners[0]['kind']} '{owners[0]['name']}'" if owners else ""


def _trouble(status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition["type"] in ("ACK.Terminal", "ACK.Recoverable") and condition["status"] == "True":
            return f"{condition['type'].removeprefix('ACK.')}: {condition.get('message', '')}"
    return ""


def _rank(workload: Workload) -> int:
    return _RANK.get(workload.ref.kind, len(_RANK))


def _identities(manifest: Manifest) -> Iterator[str]:
    """Yield the names under which others may refer to an object: in AWS, and in Kubernetes behind `@`."""
    kind, spec, status = manifest["kind"], manifest.get("spec") or {}, manifest.get("status") or {}
    name = "jobDefinitionName" if kind.endswith("JobDefinition") else f"{kind[0].lower()}{kind[1:]}Name"
    own_id = f"{kind[0].lower()}{kind[1:]}ID"
    arn = (status.get("ackResourceMetadata") or {}).get("arn")
    target = spec.get("resourceID") if kind == "ScalableTarget" else None
    yield from (one for one in (spec.get(name), status.get(own_id), arn, target) if one)
    yield f"@{manifest['metadata']['name']}"


def _references(manifest: Manifest) -> set[str]:
    """Return all texts of a spec and their parts between slashes: `endpoint/NAME/variant/V` names NAME."""
    return {part for text in _texts(manifest.get("spec") or {}) for part in (text, *text.split("/"))}


def _texts(value: Any, key: str = "") -> Iterator[str]:  # noqa: ANN401 (JSON-like)
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(one, f"{key}.{name}")
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one, key)
    elif isinstance(value, str):
        yield value
        if key.endswith((".from.name", ".from.resource.name")):
            yield f"@{value}"


def dangerous(workloads: Iterable[Workload]) -> bool:
    """Tell whether the removal of one of them ends something that works, or loses data."""
    return any(one.is_dangerous for one in workloads)


def totals(workloads: Iterable[Workload]) -> dict[str, int]:
    """Return how many there are of each kind."""
    counts: dict[str, int] = {}
    for one in workloads:
        counts[one.ref.kind] = counts.get(one.ref.kind, 0) + 1
    return dict(sorted(counts.items()))


def lines(workloads: Sequence[Workload]) -> list[str]:
    """Return what a person should know before they go: many of a kind summed up, the dangerous ones named."""
    text: list[str] = []
    for kind, count in totals(workloads).items():
        of_kind = [one for one in workloads if one.ref.kind == kind]
        named = (
            of_kind if count <= NAMED else [one for one in of_kind if one.is_dangerous or one.manager][:NAMED]
        )
        text += [line for one in named for line in _line(one)]
        if count > len(named):
            text.append(f"{count - len(named)} {'more ' if named else ''}of {kind}")
    return text


NAMED = 20
"""How many of a kind are named one by one."""


def _line(workload: Workload) -> list[str]:
    mark = "!" if workload.is_dangerous else " "
    state = f" {workload.state}" if workload.state else ""
    first = (
        f"{mark} {workload.label}{state}: {workload.meaning} ({workload.policy}, by {workload.policy_from})"
    )
    more = [workload.arn] if workload.arn else []
    more += [f"made by {workload.manager}, which would make it again"] if workload.manager else []
    more += [f"in trouble: {workload.trouble}"] if workload.trouble else []
    more += (
        [f"since {workload.created}, held by {', '.join(workload.finalizers)}"] if workload.finalizers else []
    )
    return [first, *(f"    {one}" for one in more)]


def data(workload: Workload) -> dict[str, Any]:
    """Return a workload as it stands in the JSON stream."""
    return {
        "kind": workload.ref.kind,
        "namespace": workload.ref.namespace,
        "name": workload.ref.name,
        "arn": workload.arn,
        "state": workload.state,
        "deletionPolicy": workload.policy,
        "deletionPolicyFrom": workload.policy_from,
        "finalizers": list(workload.finalizers),
        "created": workload.created,
        "manager": workload.manager,
        "meaning": workload.meaning,
        "dangerous": workload.is_dangerous,
        "trouble": workload.trouble,
    }
