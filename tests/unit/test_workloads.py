"""Custom resources as objects in AWS: what they are, what their removal means, in which order they go."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ackinstall import retained, workloads
from ackinstall.controllers import Controllers, Deployed, read
from ackinstall.kube import Manifest
from ackinstall.workloads import POLICY, Workload, describe, lines, next_to_go, order


def manifest(
    kind: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] | None = None, **metadata: object
) -> Manifest:
    """Return a custom resource in the namespace `work`."""
    service = "applicationautoscaling" if kind.startswith("Scal") else "sagemaker"
    return {
        "apiVersion": f"{service}.services.k8s.aws/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "work", **metadata},
        "spec": dict(spec),
        "status": dict(status or {}),
    }


def workload(kind: str, name: str, spec: Mapping[str, Any], **metadata: object) -> Workload:
    """Return a described custom resource."""
    return describe(manifest(kind, name, spec, **metadata), {})


ENDPOINT = "endpoint/ep/variant/AllTraffic"
ALL = [
    workload("Model", "m", {"modelName": "model"}),
    workload(
        "EndpointConfig",
        "c",
        {"endpointConfigName": "config", "productionVariants": [{"modelName": "model"}]},
    ),
    workload("Endpoint", "e", {"endpointName": "ep", "endpointConfigName": "config"}),
    workload("ScalableTarget", "t", {"resourceID": ENDPOINT}),
    workload("ScalingPolicy", "p", {"resourceID": ENDPOINT, "policyName": "p"}),
    workload("MonitoringSchedule", "s", {"config": {"monitoringJobDefinitionName": "quality"}}),
    workload(
        "DataQualityJobDefinition", "q", {"jobDefinitionName": "quality", "input": {"endpointName": "ep"}}
    ),
    workload("TrainingJob", "j", {"trainingJobName": "job"}),
    workload("PipelineExecution", "x", {"pipelineName": "pipe"}),
    workload("Pipeline", "l", {"pipelineName": "pipe"}),
    workload("NotebookInstance", "n", {"notebookInstanceName": "n", "lifecycleConfigName": "life"}),
    workload("NotebookInstanceLifecycleConfig", "f", {"notebookInstanceLifecycleConfigName": "life"}),
]


def test_they_go_in_the_order_of_their_references() -> None:
    """Each round takes what nothing that is left refers to."""
    left, rounds = list(ALL), []
    while left:
        ready = next_to_go(left)
        rounds.append({one.ref.kind for one in ready})
        left = [one for one in left if one not in ready]
    assert rounds == [
        {"ScalingPolicy", "MonitoringSchedule", "TrainingJob", "PipelineExecution", "NotebookInstance"},
        {"ScalableTarget", "DataQualityJobDefinition", "Pipeline", "NotebookInstanceLifecycleConfig"},
        {"Endpoint"},
        {"EndpointConfig"},
        {"Model"},
    ]


def test_what_is_on_its_way_is_not_asked_again() -> None:
    """An object that is being deleted is waited for, and what it refers to waits with it."""
    going = workload(
        "Endpoint",
        "e",
        {"endpointName": "ep", "endpointConfigName": "config"},
        deletionTimestamp="2026-01-01T00:00:00Z",
    )
    assert next_to_go([going, ALL[1]]) == []


def test_an_empty_spec_is_ordered_by_the_table() -> None:
    """An adopted object tells nothing yet, so all that it could refer to waits for it."""
    bare = workload("Endpoint", "adopted", {})
    waiting = order([bare, *ALL])
    assert bare.ref in waiting[ALL[0].ref]
    assert bare.ref not in waiting[ALL[3].ref]


def test_equal_names_of_different_kinds_make_no_ring() -> None:
    """People give one name to all; the table's direction keeps the order without a ring."""
    same = [
        workload("Endpoint", "x", {"endpointName": "x", "endpointConfigName": "x"}),
        workload(
            "EndpointConfig", "x", {"endpointConfigName": "x", "productionVariants": [{"modelName": "x"}]}
        ),
        workload("Model", "x", {"modelName": "x"}),
    ]
    assert [one.ref.kind for one in next_to_go(same)] == ["Endpoint"]


@pytest.mark.parametrize(
    ("own", "namespace", "flag", "policy", "source"),
    [
        ("retain", "delete", "delete", "retain", "its own annotation"),
        (None, "retain", "delete", "retain", "the namespace 'work'"),
        (None, None, "retain", "retain", "the controller"),
        (None, None, "delete", "delete", "the controller"),
    ],
)
def test_the_deletion_policy_and_where_it_comes_from(
    own: str | None, namespace: str | None, flag: str, policy: str, source: str
) -> None:
    """The object's annotation goes before the namespace's, that before the controller's flag."""
    annotations = {POLICY: own} if own else {}
    around = {"work": {"metadata": {"annotations": {f"sagemaker.{POLICY}": namespace} if namespace else {}}}}
    found = describe(manifest("Model", "m", {"modelName": "m"}, annotations=annotations), around, flag)
    assert (found.policy, found.policy_from) == (policy, source)


def test_dangerous_ones_are_named_among_many() -> None:
    """Many of a kind are summed up, but the endpoint that serves is named with what its end means."""
    idle = [describe(manifest("Endpoint", f"e{n}", {"endpointName": f"e{n}"}), {}) for n in range(30)]
    serving = describe(
        manifest("Endpoint", "live", {"endpointName": "live"}, {"endpointStatus": "InService"}), {}
    )
    text = lines([*idle, serving])
    assert text == [
        "! Endpoint/work/live InService: stops serving (delete, by the controller)",
        "30 more of Endpoint",
    ]
    assert workloads.dangerous([serving])
    assert not workloads.dangerous(idle)


@pytest.mark.parametrize(
    ("metadata", "manager"),
    [
        ({"labels": {"argocd.argoproj.io/instance": "models"}}, "Argo CD 'models'"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux 'apps'"),
        ({"labels": {"pipeline/runid": "42"}}, "Kubeflow run '42'"),
        ({"ownerReferences": [{"kind": "Experiment", "name": "one"}]}, "Experiment 'one'"),
        ({}, ""),
    ],
)
def test_who_would_make_it_again(metadata: dict[str, object], manager: str) -> None:
    """Labels, annotations and owners tell who manages an object."""
    assert workload("Model", "m", {"modelName": "m"}, **metadata).manager == manager


def test_trouble_is_the_controllers_message() -> None:
    """A denied deletion is hopeless, a deletion under way is not."""

    def condition(message: str) -> dict[str, Any]:
        return {"conditions": [{"type": "ACK.Recoverable", "status": "True", "message": message}]}

    denied = describe(manifest("Endpoint", "e", {}, condition("AccessDeniedException: no")), {})
    busy = describe(manifest("Endpoint", "e", {}, condition("Endpoint is Deleting.")), {})
    assert denied.trouble == "Recoverable: AccessDeniedException: no"
    assert denied.is_hopeless
    assert not busy.is_hopeless


def test_adoption_names_the_object_in_aws() -> None:
    """The manifest holds no spec, and the fields by which the controller finds the object."""
    target = workload(
        "ScalableTarget",
        "t",
        {"resourceID": ENDPOINT, "scalableDimension": "d", "serviceNamespace": "sagemaker", "minCapacity": 1},
    )
    made = retained.adoption(target)
    assert "spec" not in made
    annotations = made["metadata"]["annotations"]
    assert annotations["services.k8s.aws/adoption-policy"] == "adopt"
    assert json.loads(annotations["services.k8s.aws/adoption-fields"]) == {
        "resourceID": ENDPOINT,
        "scalableDimension": "d",
        "serviceNamespace": "sagemaker",
    }
    assert retained.fields(ALL[6]) == {"jobDefinitionName": "quality"}


class Deployments:
    """A cluster that has these Deployments."""

    def __init__(self, *found: Manifest) -> None:
        self.found = list(found)

    def list(self, *_: str) -> list[Manifest]:
        """Return them."""
        return self.found


def deployment(image: str, available: int, *args: str) -> Manifest:
    """Return a Deployment of one container."""
    container = {"image": image, "args": list(args), "env": [{"name": "DELETION_POLICY", "value": "retain"}]}
    return {
        "metadata": {"name": "one", "namespace": "ack-system"},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": {"availableReplicas": available},
    }


def test_controllers_are_told_by_their_image() -> None:
    """Whoever installed them, under whatever name; the policy's flag is looked up in the environment."""
    kube = Deployments(
        deployment("registry/x/sagemaker-controller:1", 1, "--deletion-policy", "$(DELETION_POLICY)"),
        deployment("registry/x/iam-controller@sha256:0", 0),
        deployment("nginx", 1),
    )
    found = read(kube)  # type: ignore[arg-type]
    assert [(one.service, one.is_available, one.policy) for one in found.deployed] == [
        ("sagemaker", True, "retain"),
        ("iam", False, "delete"),
    ]
    assert found.helpless(["sagemaker"]) == ""
    assert found.helpless(["iam", "s3", ""]) == (
        "the controller of 'iam' is not available and the controller of 's3' is gone"
    )
    assert found.policy("sagemaker") == "retain"
    assert found.policy("s3") == "delete"
    assert found.there(["iam"]) == "the controller 'ack-system/one' is still there"
    assert (
        Controllers(
            (Deployed(service="a", namespace="b", name="c", is_available=True, policy="delete"),)
        ).there(["x"])
        == ""
    )
