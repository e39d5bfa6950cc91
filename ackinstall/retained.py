"""What stays in AWS when custom resources are let go: named, proven, written so that it can be adopted.

https://aws-controllers-k8s.github.io/community/docs/user-docs/features/#resource-adoption
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ackinstall.clients import Aws
from ackinstall.errors import is_absent
from ackinstall.kube import Manifest
from ackinstall.workloads import Workload

# The fields, beside the one that a kind's own name gives, by which a controller finds the object in AWS.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "App": ("domainID", "userProfileName", "spaceName", "appType", "appName"),
    "Domain": ("domainID",),
    "ScalableTarget": ("resourceID", "scalableDimension", "serviceNamespace"),
    "ScalingPolicy": ("resourceID", "scalableDimension", "serviceNamespace", "policyName"),
    "Space": ("domainID", "spaceName"),
    "UserProfile": ("domainID", "userProfileName"),
}
_LISTED = {
    "ScalableTarget": ("describe_scalable_targets", "ResourceIds", "resourceID", "ScalableTargets"),
    "ScalingPolicy": ("describe_scaling_policies", "PolicyNames", "policyName", "ScalingPolicies"),
}
SERVICES = {"sagemaker": "sagemaker", "applicationautoscaling": "application-autoscaling"}
"""ACK's name of a service to boto3's."""


def adoption(workload: Workload) -> Manifest:
    """Return the manifest with which a controller takes the object over again."""
    annotations = {
        "services.k8s.aws/adoption-policy": "adopt",
        "services.k8s.aws/adoption-fields": json.dumps(fields(workload), sort_keys=True),
    }
    metadata = {"name": workload.ref.name, "namespace": workload.ref.namespace, "annotations": annotations}
    return {"apiVersion": workload.ref.api_version, "kind": workload.ref.kind, "metadata": metadata}


def fields(workload: Workload) -> dict[str, str]:
    """Return what identifies the object in AWS, under ACK's field names."""
    kind, manifest = workload.ref.kind, workload.manifest
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    own = "jobDefinitionName" if kind.endswith("JobDefinition") else f"{kind[0].lower()}{kind[1:]}Name"
    found = {key: spec.get(key) or status.get(key) for key in _FIELDS.get(kind, (own,))}
    known = {key: str(value) for key, value in found.items() if value}
    return known or {"arn": workload.arn}


def is_there(aws: Aws, workload: Workload) -> bool | None:
    """Tell whether the object exists in AWS; None when there is no way to ask for its kind."""
    group = workload.ref.api_version.split(".", 1)[0]
    if group not in SERVICES:
        return None
    client = aws.client(SERVICES[group])
    known = {key.lower(): value for key, value in fields(workload).items()}
    if workload.ref.kind in _LISTED:
        operation, argument, field, answer = _LISTED[workload.ref.kind]
        asked = {argument: [known[field.lower()]], "ServiceNamespace": known["servicenamespace"]}
        return bool(getattr(client, operation)(**asked)[answer])
    return _described(client, workload.ref.kind, known)


def _described(client: Any, kind: str, known: Mapping[str, str]) -> bool | None:  # noqa: ANN401 (boto3's)
    operation = f"Describe{kind}"
    if operation not in client.meta.service_model.operation_names:
        return None
    required = client.meta.service_model.operation_model(operation).input_shape.required_members
    arguments = {member: known[member.lower()] for member in required if member.lower() in known}
    if len(arguments) < len(required):
        return None
    try:
        getattr(client, _snake(operation))(**arguments)
    except Exception as error:
        if is_absent(error) or "could not find" in str(error).lower() or "not found" in str(error).lower():
            return False
        raise
    return True


def _snake(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def lost(aws: Aws, workloads: Sequence[Workload]) -> list[Workload]:
    """Return those that had an object in AWS and that AWS does not know any more."""
    return [one for one in workloads if one.arn and is_there(aws, one) is False]
