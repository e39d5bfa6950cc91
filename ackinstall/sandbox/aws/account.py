"""The one account of the sandbox, and moto's stores of its objects."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moto.eks.models import EKSBackend, eks_backends
from moto.iam.models import IAMBackend, Role, iam_backends
from moto.s3.models import S3Backend, s3_backends
from moto.sagemaker.models import SageMakerModelBackend, sagemaker_backends
from moto.sts.models import STSBackend, sts_backends
from moto.utilities.utils import get_partition

if TYPE_CHECKING:
    from moto.applicationautoscaling.models import ApplicationAutoscalingBackend


@dataclass(frozen=True)
class Account:
    """An AWS account seen from its home region."""

    id: str
    region: str

    @property
    def partition(self) -> str:
        """The partition of the home region: aws, aws-cn or aws-us-gov."""
        return str(get_partition(self.region))

    @property
    def iam(self) -> IAMBackend:
        """Users, roles, policies and identity providers."""
        return iam_backends[self.id][self.partition]

    def role(self, name: str) -> Role | None:
        """Find a role by its name."""
        return next((role for role in list(self.iam.roles.values()) if role.name == name), None)

    @property
    def sts(self) -> STSBackend:
        """Roles that somebody has assumed, with their temporary keys."""
        return sts_backends[self.id][self.partition]

    @property
    def s3(self) -> S3Backend:
        """Buckets."""
        return s3_backends[self.id][self.partition]

    def eks(self, region: str) -> EKSBackend:
        """Clusters of a region."""
        return eks_backends[self.id][region]

    def sagemaker(self, region: str) -> SageMakerModelBackend:
        """Jobs, models and endpoints of a region."""
        return sagemaker_backends[self.id][region]

    def autoscaling(self, region: str) -> "ApplicationAutoscalingBackend":
        """Scalable targets and scaling policies of a region."""
        # moto's model of it imports all of EC2, which takes longer than everything else here together.
        from moto.applicationautoscaling.models import applicationautoscaling_backends  # noqa: PLC0415

        return applicationautoscaling_backends[self.id][region]

    def autoscaling_in_use(self) -> dict[str, "ApplicationAutoscalingBackend"]:
        """Scalable targets and scaling policies by region, of the regions that somebody has used."""
        loaded = sys.modules.get("moto.applicationautoscaling.models")
        return dict(loaded.applicationautoscaling_backends[self.id]) if loaded else {}
