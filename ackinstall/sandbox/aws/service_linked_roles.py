"""Service-linked roles: made once, by a user or by the service, and deleted by a task that takes a while."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from moto.iam.models import Role

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError

SAGEMAKER_SCALING = "sagemaker.application-autoscaling.amazonaws.com"
_DELETION_SECONDS = 3.0
# Names and policies that do not follow from the service's name as moto makes them.
_NAMES = {SAGEMAKER_SCALING: "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"}
_POLICIES = {SAGEMAKER_SCALING: "aws-service-role/AWSApplicationAutoscalingSageMakerEndpointPolicy"}


def role_name(service: str) -> str:
    """Name the role of a service; "*" when its name is not known here."""
    return _NAMES.get(service, "*")


@dataclass
class DeletionTask:
    """A deletion under way; `usage` names the resources that keep the role, as RoleUsageList of the API."""

    status: str = "IN_PROGRESS"
    usage: tuple[Mapping[str, Any], ...] = ()


class ServiceLinkedRoles:
    """The operations of IAM on service-linked roles."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._tasks: dict[str, DeletionTask] = {}

    def ensure(self, service: str) -> Role:
        """Return the role of a service, made now when it is not there, as the services themselves do."""
        return self._account.role(_NAMES[service]) or self._make(service, "")

    def create_service_linked_role(self, call: Call) -> Mapping[str, Any]:
        """Make the role of a service; InvalidInput when it is there."""
        service = call.parameters["AWSServiceName"]
        if service not in _NAMES:
            return call.moto()
        name = _NAMES[service]
        if self._account.role(name):
            message = (
                f"Service role name {name} has been taken in this account, please try a different suffix."
            )
            raise AwsError("InvalidInput", message)
        role = self._make(service, call.parameters.get("Description", ""))
        return {
            "Role": {
                "Path": role.path,
                "RoleName": role.name,
                "RoleId": role.id,
                "Arn": role.arn,
                "CreateDate": role.create_date,
                "AssumeRolePolicyDocument": role.assume_role_policy_document,
                "Description": role.description,
                "MaxSessionDuration": 3600,
            }
        }

    def delete_service_linked_role(self, call: Call) -> Mapping[str, Any]:
        """Begin to delete a role; the task that does it can be asked for its status."""
        role = self._account.iam.get_role(call.parameters["RoleName"])
        service = role.path.split("/")[2] if role.path.startswith("/aws-service-role/") else ""
        if not service:
            message = f"The role with name {role.name} is not a service linked role."
            raise AwsError("InvalidInput", message)
        task_id = f"task{role.path}{role.name}/{uuid4()}"
        self._tasks[task_id] = task = DeletionTask()
        timer = threading.Timer(_DELETION_SECONDS, self._finish, (task, role, service))
        timer.daemon = True
        timer.start()
        return {"DeletionTaskId": task_id}

    def get_service_linked_role_deletion_status(self, call: Call) -> Mapping[str, Any]:
        """Tell how far a deletion is, and why it failed."""
        task = self._tasks.get(call.parameters["DeletionTaskId"])
        if task is None:
            message = f"The deletion task with id {call.parameters['DeletionTaskId']} cannot be found."
            raise AwsError("NoSuchEntity", message, 404)
        if task.status != "FAILED":
            return {"Status": task.status}
        reason = "A service-linked role is being used by resources of the service."
        return {"Status": task.status, "Reason": {"Reason": reason, "RoleUsageList": list(task.usage)}}

    def _finish(self, task: DeletionTask, role: Role, service: str) -> None:
        task.usage = self._usage() if service == SAGEMAKER_SCALING else ()
        if not task.usage:
            self._account.iam.roles.pop(role.id, None)
        task.status = "FAILED" if task.usage else "SUCCEEDED"

    def _usage(self) -> tuple[Mapping[str, Any], ...]:
        """List the scalable targets of SageMaker, as RoleUsageList of the API."""
        targets = {
            region: [target.arn for target in backend.describe_scalable_targets("sagemaker", None, None)]
            for region, backend in self._account.autoscaling_in_use().items()
        }
        return tuple({"Region": region, "Resources": arns} for region, arns in targets.items() if arns)

    def _make(self, service: str, description: str) -> Role:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        role = self._account.iam.create_role(
            role_name=_NAMES[service],
            assume_role_policy_document=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            path=f"/aws-service-role/{service}/",
            permissions_boundary=None,
            description=description,
            tags=[],
            max_session_duration="3600",
            linked_service=service,
        )
        policy = f"arn:{self._account.partition}:iam::aws:policy/{_POLICIES[service]}"
        if policy in self._account.iam.managed_policies:
            self._account.iam.attach_role_policy(policy, role.name)
        return role
