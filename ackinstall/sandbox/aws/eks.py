"""EKS: clusters that answer as real ones, access entries, and the empty lists of what nobody added."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.eks.models import Cluster

from ackinstall.sandbox.aws.access_entries import AccessEntry, AssociatedPolicy, default_username
from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.principals import Principal

_VERSION = "1.36"
_PLATFORM_VERSION = "eks.3"
_CREATION = timedelta(seconds=4)


@dataclass(frozen=True)
class ControlPlane:
    """What a cluster has besides its name: address, PEM of its CA, issuer URL and Kubernetes version."""

    endpoint: str
    certificate_authority: str
    issuer: str
    version: str


class Eks:
    """The operations of EKS that moto lacks or answers differently.

    A cluster made through the API passes CREATING and has no machine behind it; `add_cluster` makes one
    with a control plane that is there.
    """

    def __init__(self, account: Account, creation: timedelta = _CREATION) -> None:
        self._account = account
        self._creation = creation
        self._entries: dict[tuple[str, str], dict[str, AccessEntry]] = {}

    def add_cluster(self, name: str, control_plane: ControlPlane) -> None:
        """Add an ACTIVE cluster with a control plane that is there, in the home region."""
        cluster = self._account.eks(self._account.region).create_cluster(
            name=name,
            role_arn=f"arn:{self._account.partition}:iam::{self._account.id}:role/{name}-cluster",
            resources_vpc_config={"endpointPublicAccess": True, "endpointPrivateAccess": False},
        )
        _furnish(cluster, control_plane)

    def add_administrator(self, cluster: str, principal_arn: str) -> None:
        """Let a principal of the home region's account administer a cluster of the home region."""
        entry = AccessEntry(cluster, principal_arn, default_username(principal_arn, self._account.partition))
        policy = f"arn:{self._account.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
        entry.policies[policy] = AssociatedPolicy(policy)
        self._entries.setdefault((self._account.region, cluster), {})[principal_arn] = entry

    def entry_for(self, cluster: str, principal: Principal) -> AccessEntry | None:
        """Find the access entry by which a caller may log in to a cluster of the home region."""
        entries = self._entries.get((self._account.region, cluster), {})
        return next((entry for entry in entries.values() if entry.admits(principal)), None)

    def create_cluster(self, call: Call) -> Mapping[str, Any]:
        """Make a cluster that is CREATING for a while, as a real one for ten minutes."""
        result = call.moto()
        backend = self._account.eks(call.scope.region)
        cluster = backend.clusters[result["cluster"]["name"]]
        issuer = f"https://oidc.eks.{call.scope.region}.amazonaws.com/id/{secrets.token_hex(16).upper()}"
        endpoint = f"https://{secrets.token_hex(16).upper()}.gr7.{call.scope.region}.eks.amazonaws.com"
        version = call.parameters.get("version", _VERSION)
        _furnish(cluster, ControlPlane(endpoint, "no certificate: no machine behind it", issuer, version))
        cluster.status = "CREATING"
        return {"cluster": _as_shown(result["cluster"], cluster)}

    def describe_cluster(self, call: Call) -> Mapping[str, Any]:
        """Describe a cluster; what it does not have before it is ACTIVE is left out."""
        cluster = self._cluster(call)
        return {"cluster": _as_shown(call.moto()["cluster"], cluster)}

    def delete_cluster(self, call: Call) -> Mapping[str, Any]:
        """Delete a cluster with its access entries."""
        result = call.moto()
        self._entries.pop((call.scope.region, call.parameters["name"]), None)
        return result

    def create_access_entry(self, call: Call) -> Mapping[str, Any]:
        """Let a principal in, with groups of Kubernetes but with no access policy yet."""
        cluster, asked = self._cluster(call), call.parameters
        principal_arn = asked["principalArn"]
        if principal_arn in self._entries_of(call):
            message = "The specified access entry resource is already in use on this cluster."
            raise AwsError("ResourceInUseException", message, 409)
        groups = asked.get("kubernetesGroups", [])
        if reserved := next((group for group in groups if group.startswith("system:")), None):
            message = f"The kubernetes group name {reserved} is invalid, it cannot start with system:"
            raise AwsError("InvalidParameterException", message)
        entry = AccessEntry(
            cluster=cluster.name,
            principal_arn=principal_arn,
            username=asked.get("username") or default_username(principal_arn, self._account.partition),
            groups=list(groups),
            type=asked.get("type", "STANDARD"),
            tags=dict(asked.get("tags", {})),
        )
        self._entries_of(call)[principal_arn] = entry
        return {"accessEntry": _entry_as_shown(entry, cluster)}

    def describe_access_entry(self, call: Call) -> Mapping[str, Any]:
        """Describe one principal's entry."""
        return {"accessEntry": _entry_as_shown(self._entry(call), self._cluster(call))}

    def list_access_entries(self, call: Call) -> Mapping[str, Any]:
        """List the principals that have an entry, all of them or those with one access policy."""
        self._cluster(call)
        policy = call.parameters.get("associatedPolicyArn")
        entries = self._entries_of(call).values()
        return {
            "accessEntries": [entry.principal_arn for entry in entries if policy in {None, *entry.policies}]
        }

    def update_access_entry(self, call: Call) -> Mapping[str, Any]:
        """Change groups or user name of an entry."""
        entry = self._entry(call)
        entry.groups = list(call.parameters.get("kubernetesGroups", entry.groups))
        entry.username = call.parameters.get("username", entry.username)
        entry.modified_at = datetime.now(UTC)
        return {"accessEntry": _entry_as_shown(entry, self._cluster(call))}

    def delete_access_entry(self, call: Call) -> Mapping[str, Any]:
        """Shut a principal out."""
        entry = self._entry(call)
        del self._entries_of(call)[entry.principal_arn]
        return {}

    def associate_access_policy(self, call: Call) -> Mapping[str, Any]:
        """Give an entry one of EKS's access policies."""
        entry, scope = self._entry(call), call.parameters["accessScope"]
        policy = AssociatedPolicy(
            call.parameters["policyArn"], scope["type"], list(scope.get("namespaces", []))
        )
        entry.policies[policy.arn] = policy
        return {
            "clusterName": entry.cluster,
            "principalArn": entry.principal_arn,
            "associatedAccessPolicy": _policy_as_shown(policy),
        }

    def list_associated_access_policies(self, call: Call) -> Mapping[str, Any]:
        """List the access policies of an entry."""
        entry = self._entry(call)
        return {
            "clusterName": entry.cluster,
            "principalArn": entry.principal_arn,
            "associatedAccessPolicies": [_policy_as_shown(policy) for policy in entry.policies.values()],
        }

    def disassociate_access_policy(self, call: Call) -> Mapping[str, Any]:
        """Take an access policy from an entry."""
        entry, policy_arn = self._entry(call), call.parameters["policyArn"]
        if entry.policies.pop(policy_arn, None) is None:
            message = f"The associated access policy could not be found: {policy_arn}"
            raise AwsError("ResourceNotFoundException", message, 404)
        return {}

    def list_capabilities(self, call: Call) -> Mapping[str, Any]:
        """List no capabilities of EKS: the sandbox has none."""
        self._cluster(call)
        return {"capabilities": []}

    def list_pod_identity_associations(self, call: Call) -> Mapping[str, Any]:
        """List no pod identity associations: the sandbox has none."""
        self._cluster(call)
        return {"associations": []}

    def list_addons(self, call: Call) -> Mapping[str, Any]:
        """List no add-ons: the sandbox has none."""
        self._cluster(call)
        return {"addons": []}

    def list_identity_provider_configs(self, call: Call) -> Mapping[str, Any]:
        """List no identity providers for logging in: the sandbox has none."""
        self._cluster(call)
        return {"identityProviderConfigs": []}

    def _cluster(self, call: Call) -> Cluster:
        # Operations name the cluster differently: "name" of DescribeCluster, "clusterName" of all others.
        name = call.parameters.get("clusterName") or call.parameters["name"]
        cluster: Cluster | None = self._account.eks(call.scope.region).clusters.get(name)
        if cluster is None:
            raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
        if cluster.status == "CREATING" and _age(cluster.created_at) > self._creation:
            cluster.status = "ACTIVE"
        return cluster

    def _entry(self, call: Call) -> AccessEntry:
        self._cluster(call)
        principal_arn = call.parameters["principalArn"]
        entry = self._entries_of(call).get(principal_arn)
        if entry is None:
            message = f"The specified principalArn could not be found: {principal_arn}"
            raise AwsError("ResourceNotFoundException", message, 404)
        return entry

    def _entries_of(self, call: Call) -> dict[str, AccessEntry]:
        return self._entries.setdefault((call.scope.region, call.parameters["clusterName"]), {})


def _furnish(cluster: Cluster, control_plane: ControlPlane) -> None:
    cluster.endpoint = control_plane.endpoint
    cluster.certificate_authority = {
        "data": base64.b64encode(control_plane.certificate_authority.encode()).decode()
    }
    cluster.identity = {"oidc": {"issuer": control_plane.issuer}}
    cluster.version = control_plane.version
    cluster.platformVersion = _PLATFORM_VERSION


def _as_shown(shown: Mapping[str, Any], cluster: Cluster) -> Mapping[str, Any]:
    shown = {
        **shown,
        "status": cluster.status,
        "version": cluster.version,
        "platformVersion": cluster.platformVersion,
        "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
        "health": {"issues": []},
    }
    if cluster.status == "CREATING":
        return {
            key: value
            for key, value in shown.items()
            if key not in {"endpoint", "identity", "certificateAuthority"}
        }
    return {
        **shown,
        "endpoint": cluster.endpoint,
        "identity": cluster.identity,
        "certificateAuthority": cluster.certificate_authority,
    }


def _entry_as_shown(entry: AccessEntry, cluster: Cluster) -> Mapping[str, Any]:
    return {
        "clusterName": entry.cluster,
        "principalArn": entry.principal_arn,
        "kubernetesGroups": entry.groups,
        "accessEntryArn": entry.arn(cluster.arn),
        "createdAt": entry.created_at,
        "modifiedAt": entry.modified_at,
        "tags": entry.tags,
        "username": entry.username,
        "type": entry.type,
    }


def _policy_as_shown(policy: AssociatedPolicy) -> Mapping[str, Any]:
    return {
        "policyArn": policy.arn,
        "accessScope": {"type": policy.scope, "namespaces": policy.namespaces},
        "associatedAt": policy.associated_at,
        "modifiedAt": policy.modified_at,
    }


def _age(created_at: datetime) -> timedelta:
    return datetime.now(UTC) - created_at.replace(tzinfo=UTC)
