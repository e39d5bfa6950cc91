"""A service-linked role: a role that an AWS service uses in the account, one for all clusters.

Its creating call takes no tags, so the mark that it is ours stands in its description.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import tenacity

from ackinstall.errors import Kept, Retry, aws_code, is_absent
from ackinstall.resource import Change, Resource, Seen, State
from ackinstall.resources.marks import PREFIX, is_ours, marked, pairs, users

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ackinstall.clients import Clients

DESCRIPTION = "Made by ackinstall"
SAGEMAKER_SCALING = "sagemaker.application-autoscaling.amazonaws.com"


@dataclass(frozen=True, kw_only=True)
class ServiceLinkedRole(Resource):
    """The role `name` of the AWS service `service` (a principal); `owner` and `user` as in IamRole."""

    kind: ClassVar[str] = "service-linked-role"

    service: str
    owner: str

    def desired(self) -> State:
        """See Resource. Its policies are the service's own."""
        return {"path": f"/aws-service-role/{self.service}/"}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        found = clients.roles.read(self.name)
        if found is None:
            return None
        ours = is_ours(found.tags, self.owner, shared=True)
        ours = ours or (found.description or self._description(clients)) == DESCRIPTION
        return Seen(state={"path": found.path}, ours=ours, users=users(found.tags))

    def _description(self, clients: "Clients") -> str:
        """Return the description, which the answer for all roles leaves out.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleDetail.html
        """
        try:
            return str(self._iam(clients).get_role(RoleName=self.name)["Role"].get("Description", ""))
        except Exception as error:
            if is_absent(error):
                raise Retry("the service-linked role went while it was looked at") from error
            raise

    def loses(self, clients: "Clients") -> str:
        """See Resource. What other regions use AWS itself keeps."""
        if self.service != SAGEMAKER_SCALING:
            return ""
        scaling = clients.aws.client("application-autoscaling")
        targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return f"it scales {targets[0]['ResourceId']}" if targets else ""

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        try:
            self._iam(clients).create_service_linked_role(
                AWSServiceName=self.service, Description=DESCRIPTION
            )
        except Exception as error:
            if aws_code(error) == "InvalidInput" and "has been taken" in str(error):
                raise Retry("the service-linked role is there already") from error
            raise

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource."""
        if change.is_leaving:
            self._iam(clients).untag_role(RoleName=self.name, TagKeys=[PREFIX + self.owner])
        else:
            self._iam(clients).tag_role(RoleName=self.name, Tags=pairs(marked(self.owner, {})))

    def delete(self, clients: "Clients") -> None:
        """See Resource. Deleting is a task of IAM's; it fails while the service uses the role."""
        try:
            task = self._iam(clients).delete_service_linked_role(RoleName=self.name)["DeletionTaskId"]
        except Exception as error:
            if is_absent(error):
                return
            raise
        self._follow(clients, task)

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(Retry),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=3),
        stop=tenacity.stop_after_delay(90),
        reraise=True,
    )
    def _follow(self, clients: "Clients", task: str) -> None:
        answer = self._iam(clients).get_service_linked_role_deletion_status(DeletionTaskId=task)
        if answer["Status"] == "FAILED":
            raise Kept(f"AWS keeps it: {_reason(answer.get('Reason', {}))}")
        if answer["Status"] != "SUCCEEDED":
            raise Retry("IAM is still deleting the role")

    def _iam(self, clients: "Clients") -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        return clients.aws.client("iam")


def _reason(reason: "Mapping[str, Any]") -> str:
    usages = [arn for usage in reason.get("RoleUsageList", ()) for arn in usage.get("Resources", ())]
    return ", ".join(usages) or str(reason.get("Reason", "")) or "it is in use"
