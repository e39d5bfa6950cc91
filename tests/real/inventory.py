"""All that a sandbox holds and an installation could touch, as one mapping that can be compared."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError
from sandboxed import Sandboxed

from ackinstall.kube import Manifest

Inventory = dict[str, Any]
"""From an object's address (aws/role/NAME, Deployment/NAMESPACE/NAME) to how it looks."""

CLUSTERED = (
    ("v1", "Namespace"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
)
# Pods, ReplicaSets and Endpoints are left out: Kubernetes itself makes and changes them.
NAMESPACED = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)
NAMESPACE = "ack-system"
# What an API server writes by itself.
_SERVERS = frozenset({"creationTimestamp", "generation", "managedFields", "resourceVersion", "uid"})
_UNSET = frozenset({"NoSuchTagSet", "NoSuchPublicAccessBlockConfiguration", "NoSuchBucketPolicy"})


def inventory(world: Sandboxed) -> Inventory:
    """Return everything, without what changes by itself (versions, status, times)."""
    return aws_inventory(world) | {_address(one): _content(one) for one in _objects(world)}


def versions(world: Sandboxed) -> dict[str, str]:
    """Return the resourceVersion of each Kubernetes object of the inventory: a write changes it."""
    return {_address(one): one["metadata"]["resourceVersion"] for one in _objects(world)}


def aws_inventory(world: Sandboxed) -> Inventory:
    """Return what the account holds, SageMaker's objects with their status."""
    return dict([*_iam(world.aws("iam")), *_s3(world.aws("s3")), *_sagemaker(world), *_scaling(world)])


def _iam(iam: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (boto3's)
    for role in iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]:
        yield (
            f"aws/role{role['Path']}{role['RoleName']}",
            {
                "trust": role["AssumeRolePolicyDocument"],
                "managed": sorted(one["PolicyArn"] for one in role["AttachedManagedPolicies"]),
                "inline": {one["PolicyName"]: one["PolicyDocument"] for one in role["RolePolicyList"]},
                "boundary": role.get("PermissionsBoundary"),
                "tags": _tags(role),
            },
        )
    for listed in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=listed["Arn"])
        yield f"aws/provider/{found['Url']}", {"audiences": found["ClientIDList"], "tags": _tags(found)}


def _s3(s3: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (boto3's)
    for listed in s3.list_buckets()["Buckets"]:
        name = listed["Name"]

        def asked(operation: str, key: str, name: str = name) -> Any:  # noqa: ANN401 (as boto3 answers)
            try:
                return getattr(s3, operation)(Bucket=name).get(key)
            except ClientError as error:
                if error.response["Error"]["Code"] in _UNSET:
                    return None
                raise

        yield (
            f"aws/bucket/{name}",
            {
                "region": asked("get_bucket_location", "LocationConstraint"),
                "tags": _tags({"Tags": asked("get_bucket_tagging", "TagSet") or []}),
                "block": asked("get_public_access_block", "PublicAccessBlockConfiguration"),
                "encryption": asked("get_bucket_encryption", "ServerSideEncryptionConfiguration"),
                "policy": json.loads(asked("get_bucket_policy", "Policy") or "null"),
                "objects": [one["Key"] for one in asked("list_objects_v2", "Contents") or []],
            },
        )


def _sagemaker(world: Sandboxed) -> Iterator[tuple[str, Any]]:
    client = world.aws("sagemaker")
    for one in client.list_training_jobs()["TrainingJobSummaries"]:
        yield f"aws/training-job/{one['TrainingJobName']}", one["TrainingJobStatus"]
    for one in client.list_endpoints()["Endpoints"]:
        yield f"aws/endpoint/{one['EndpointName']}", one["EndpointStatus"]
    for one in client.list_models()["Models"]:
        yield f"aws/model/{one['ModelName']}", "made"
    for one in client.list_endpoint_configs()["EndpointConfigs"]:
        yield f"aws/endpoint-config/{one['EndpointConfigName']}", "made"


def _scaling(world: Sandboxed) -> Iterator[tuple[str, Any]]:
    client = world.aws("application-autoscaling")
    for one in client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]:
        yield (
            f"aws/scalable-target/{one['ResourceId']}",
            {key: one[key] for key in ("MinCapacity", "MaxCapacity")},
        )
    for one in client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]:
        yield f"aws/scaling-policy/{one['PolicyName']}", one["ResourceId"]


def _objects(world: Sandboxed) -> Iterator[Manifest]:
    for api_version, kind in CLUSTERED:
        yield from world.kube.list(api_version, kind)
    for api_version, kind in NAMESPACED:
        yield from world.kube.list(api_version, kind, NAMESPACE)
    leases = world.kube.list("coordination.k8s.io/v1", "Lease")
    yield from (one for one in leases if one["metadata"]["name"] == "ackinstall")
    yield from world.custom_resources()


def _address(one: Manifest) -> str:
    metadata = one["metadata"]
    return "/".join(filter(None, (one["kind"], metadata.get("namespace", ""), metadata["name"])))


def _content(one: Manifest) -> Mapping[str, Any]:
    metadata = {key: value for key, value in one["metadata"].items() if key not in _SERVERS}
    rest = {key: value for key, value in one.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def _tags(found: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
