"""Application Auto Scaling: targets that exist, the role that acts on them, and what goes with a target."""

from collections.abc import Mapping
from typing import Any

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.sagemaker_hosting import SageMakerHosting
from ackinstall.sandbox.aws.service_linked_roles import SAGEMAKER_SCALING, ServiceLinkedRoles

_TARGET = (
    "service namespace: {ServiceNamespace}, resource ID: {ResourceId}, "
    "scalable dimension: {ScalableDimension}"
)


class ApplicationAutoScaling:
    """The operations of Application Auto Scaling that differ from moto's."""

    def __init__(self, account: Account, hosting: SageMakerHosting, roles: ServiceLinkedRoles) -> None:
        self._account = account
        self._hosting = hosting
        self._roles = roles

    def register_scalable_target(self, call: Call) -> Mapping[str, Any]:
        """Register a variant that exists; the service makes its service-linked role when it is not there."""
        asked = call.parameters
        if asked["ServiceNamespace"] == "sagemaker":
            self._check_variant(call)
            self._roles.ensure(SAGEMAKER_SCALING)
            if not self._registered(call) and not {"MinCapacity", "MaxCapacity"} <= asked.keys():
                message = "minCapacity and maxCapacity are required to register a new scalable target"
                raise AwsError("ValidationException", message)
        return call.moto()

    def describe_scalable_targets(self, call: Call) -> Mapping[str, Any]:
        """Describe scalable targets with the role that acts on them."""
        result = call.moto()
        if call.parameters["ServiceNamespace"] == "sagemaker" and result["ScalableTargets"]:
            role = self._roles.ensure(SAGEMAKER_SCALING)
            for target in result["ScalableTargets"]:
                target["RoleARN"] = role.arn
        return result

    def deregister_scalable_target(self, call: Call) -> Mapping[str, Any]:
        """Deregister a target, and delete its scaling policies."""
        asked = call.parameters
        if not self._registered(call):
            raise AwsError(
                "ObjectNotFoundException", f"No scalable target found for {_TARGET.format(**asked)}"
            )
        backend = self._account.autoscaling(call.scope.region)
        for policy in list(backend.policies.values()):
            if (policy.resource_id, policy.scalable_dimension) == (
                asked["ResourceId"],
                asked["ScalableDimension"],
            ):
                backend.delete_scaling_policy(
                    policy.policy_name,
                    policy.service_namespace,
                    policy.resource_id,
                    policy.scalable_dimension,
                )
        return call.moto()

    def put_scaling_policy(self, call: Call) -> Mapping[str, Any]:
        """Write the scaling policy of a target that is registered."""
        if not self._registered(call):
            message = f"No scalable target registered for {_TARGET.format(**call.parameters)}"
            raise AwsError("ObjectNotFoundException", message)
        return call.moto()

    def delete_scaling_policy(self, call: Call) -> Mapping[str, Any]:
        """Delete a scaling policy that is there."""
        asked = call.parameters
        if asked["PolicyName"] not in {
            policy.policy_name
            for policy in self._account.autoscaling(call.scope.region).policies.values()
            if (policy.resource_id, policy.scalable_dimension)
            == (asked["ResourceId"], asked["ScalableDimension"])
        }:
            message = f"No scaling policy found for {_TARGET}, policy name: {{PolicyName}}"
            raise AwsError("ObjectNotFoundException", message.format(**asked))
        return call.moto()

    def describe_scaling_activities(self, call: Call) -> Mapping[str, Any]:  # noqa: ARG002 - always the same
        """Describe no activities: nothing is scaled in the sandbox."""
        return {"ScalingActivities": []}

    def _check_variant(self, call: Call) -> None:
        match call.parameters["ResourceId"].split("/"):
            case ["endpoint", endpoint, "variant", variant]:
                if variant not in self._hosting.variants(call.scope.region, endpoint):
                    message = f"Could not find variant '{variant}' of endpoint '{endpoint}'."
                    raise AwsError("ValidationException", message)
            case _:
                return

    def _registered(self, call: Call) -> bool:
        targets = self._account.autoscaling(call.scope.region).targets
        return call.parameters["ResourceId"] in targets.get(call.parameters["ScalableDimension"], {})
