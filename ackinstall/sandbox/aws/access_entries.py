"""EKS access entries: which IAM principals may log in to a cluster, and as whom.

Groups that stand for the access policies of EKS inside the sandbox's API server: AmazonEKSClusterAdminPolicy
is `system:masters`; the others are named below, with `:NAMESPACE` appended for a policy that is limited to
namespaces. Whoever runs the API server binds those groups to roles.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from ackinstall.sandbox.aws.principals import Principal

POLICY_GROUPS = {
    "AmazonEKSClusterAdminPolicy": "system:masters",
    "AmazonEKSAdminPolicy": "eks:admin",
    "AmazonEKSEditPolicy": "eks:edit",
    "AmazonEKSViewPolicy": "eks:view",
    "AmazonEKSAdminViewPolicy": "eks:admin-view",
}


@dataclass
class AssociatedPolicy:
    """An access policy of EKS (its ARN), for the whole cluster or for some namespaces."""

    arn: str
    scope: str = "cluster"
    namespaces: list[str] = field(default_factory=list)
    associated_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def groups(self) -> Iterator[str]:
        """Name the Kubernetes groups that stand for this policy."""
        group = POLICY_GROUPS.get(self.arn.rsplit("/", 1)[-1])
        if group is None:
            return
        if self.scope == "cluster":
            yield group
        yield from (f"{group}:{namespace}" for namespace in self.namespaces if self.scope == "namespace")


@dataclass
class AccessEntry:
    """One principal's entry in one cluster."""

    cluster: str
    principal_arn: str
    username: str
    groups: list[str] = field(default_factory=list)
    type: str = "STANDARD"
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, AssociatedPolicy] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    modified_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def arn(self, cluster_arn: str) -> str:
        """ARN of this entry: arn:P:eks:R:A:access-entry/CLUSTER/role/ACCOUNT/NAME/UUID."""
        prefix = cluster_arn.rsplit(":", 1)[0]
        account, resource = self.principal_arn.split(":")[4:6]
        kind, name = resource.split("/")[0], resource.split("/")[-1]
        return f"{prefix}:access-entry/{self.cluster}/{kind}/{account}/{name}/{self.id}"

    def admits(self, principal: Principal) -> bool:
        """Whether this entry is the caller's; the path of a role is not part of a session's ARN."""
        own = principal.role_arn or principal.arn
        return _without_path(own) == _without_path(self.principal_arn)

    def all_groups(self) -> list[str]:
        """Return the groups of the entry itself and of its access policies."""
        return sorted(
            {*self.groups, *(group for policy in self.policies.values() for group in policy.groups())}
        )

    def name_of(self, principal: Principal) -> str:
        """Return the Kubernetes user name of a caller who logs in by this entry."""
        return self.username.replace("{{SessionName}}", principal.session_name)


def default_username(principal_arn: str, partition: str) -> str:
    """Return the user name that EKS gives an entry for which none was asked."""
    account, resource = principal_arn.split(":")[4:6]
    if not resource.startswith("role/"):
        return principal_arn
    return f"arn:{partition}:sts::{account}:assumed-role/{resource.split('/')[-1]}/{{{{SessionName}}}}"


def _without_path(arn: str) -> str:
    kind, *_, name = arn.split("/")
    return f"{kind}/{name}"
