"""Custom resources as their controllers keep them."""

from collections.abc import Mapping
from typing import Any

from ackinstall.kube import Ref
from support.world import World

SAGEMAKER = "sagemaker.services.k8s.aws"
SCALING = "applicationautoscaling.services.k8s.aws"
ENDPOINT = "endpoint/churn/variant/AllTraffic"


def make(world: World, group: str, kind: str, name: str, spec: Mapping[str, Any], *others: str) -> Ref:
    """Make a custom resource as a controller has it: with its finalizer, and with those of `others`."""
    metadata = {"name": name, "namespace": "default", "finalizers": [f"finalizers.{group}/{kind}", *others]}
    ref = Ref(f"{group}/v1alpha1", kind, name, "default")
    world.cluster.create(
        {"apiVersion": ref.api_version, "kind": kind, "metadata": metadata, "spec": dict(spec)}
    )
    return ref


def make_scaled_endpoint(world: World) -> list[Ref]:
    """Make a model, and a scaled endpoint's target and policy."""
    scaled = {"resourceID": ENDPOINT, "serviceNamespace": "sagemaker"}
    return [
        make(world, SAGEMAKER, "Model", "churn", {"modelName": "churn"}),
        make(world, SCALING, "ScalableTarget", "target", scaled),
        make(world, SCALING, "ScalingPolicy", "policy", {**scaled, "policyName": "policy"}),
    ]
