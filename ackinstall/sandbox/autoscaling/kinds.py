"""The two kinds of custom resource, and the calls of Application Auto Scaling behind them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ackinstall.sandbox.kube import Json

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient as Client

GROUP = "applicationautoscaling.services.k8s.aws"


@dataclass(frozen=True)
class Kind:
    """A kind: its name, the spec's fields that identify an object, the ARN's field, and its API calls."""

    name: str
    identity: tuple[str, ...]
    arn: str
    describe: Callable[["Client", Json], list[Any]]
    put: Callable[["Client", Json], object]
    delete: Callable[["Client", Json], object]

    @property
    def finalizer(self) -> str:
        """The finalizer that says: there is something in AWS to delete first."""
        return f"finalizers.{GROUP}/{self.name}"

    def key(self, spec: Json) -> Json:
        """Return the part of the spec that identifies the object in AWS."""
        return {name: spec[name] for name in self.identity}

    def find(self, client: "Client", spec: Json) -> Json | None:
        """Return what AWS has, with fields named as in spec and status, or None."""
        found = [from_aws(item) for item in self.describe(client, spec)]
        return next((item for item in found if self.key(spec).items() <= item.items()), None)


def to_aws(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return a custom resource's fields as the API names them: minCapacity is MinCapacity."""
    if isinstance(value, dict):
        names = {"resourceID": "ResourceId"}
        return {names.get(key, key[0].upper() + key[1:]): to_aws(item) for key, item in value.items()}
    return [to_aws(item) for item in value] if isinstance(value, list) else value


def from_aws(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return the API's fields as a custom resource names them."""
    if isinstance(value, dict):
        names = {"ResourceId": "resourceID"}
        return {names.get(key, key[0].lower() + key[1:]): from_aws(item) for key, item in value.items()}
    return [from_aws(item) for item in value] if isinstance(value, list) else value


def contains(observed: Any, desired: Any) -> bool:  # noqa: ANN401 (JSON)
    """Tell whether all that is desired is so; what AWS adds does not matter."""
    if isinstance(desired, dict) and isinstance(observed, dict):
        return all(key in observed and contains(observed[key], item) for key, item in desired.items())
    return bool(observed == desired)


SCALABLE_TARGET = Kind(
    "ScalableTarget",
    ("serviceNamespace", "resourceID", "scalableDimension"),
    "scalableTargetARN",
    lambda client, spec: client.describe_scalable_targets(
        ServiceNamespace=spec["serviceNamespace"],
        ResourceIds=[spec["resourceID"]],
        ScalableDimension=spec["scalableDimension"],
    )["ScalableTargets"],
    lambda client, spec: client.register_scalable_target(**to_aws(spec)),
    lambda client, key: client.deregister_scalable_target(**to_aws(key)),
)
SCALING_POLICY = Kind(
    "ScalingPolicy",
    ("serviceNamespace", "resourceID", "scalableDimension", "policyName"),
    "policyARN",
    lambda client, spec: client.describe_scaling_policies(
        ServiceNamespace=spec["serviceNamespace"],
        ResourceId=spec["resourceID"],
        ScalableDimension=spec["scalableDimension"],
        PolicyNames=[spec["policyName"]],
    )["ScalingPolicies"],
    lambda client, spec: client.put_scaling_policy(**to_aws(spec)),
    lambda client, key: client.delete_scaling_policy(**to_aws(key)),
)
KINDS = (SCALABLE_TARGET, SCALING_POLICY)
