"""The case of every resource type. A new type gets one here; without it the suite fails and says so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from contract_case import Case, Deed, Property, converge
from support.aws import ACCOUNT, REGION, issuer_of
from support.helm import CHARTS
from support.world import World

from ackinstall.kube import Ref, ref_of
from ackinstall.policies import text
from ackinstall.resource import Resource
from ackinstall.resources.bucket import Bucket
from ackinstall.resources.crds import Crds
from ackinstall.resources.custom_resources import Guarded, Released, Removed, Retained
from ackinstall.resources.helm_release import HelmRelease
from ackinstall.resources.iam_role import ExecutionRole, IamRole
from ackinstall.resources.marks import marked, pairs
from ackinstall.resources.namespace import Namespace
from ackinstall.resources.oidc_provider import OidcProvider
from ackinstall.resources.receipt import Receipt
from ackinstall.resources.service_account import ROLE_ARN, ServiceAccount
from ackinstall.resources.service_linked_role import ServiceLinkedRole

SPACE = "ack-system"
OWNER = f"{REGION}/demo"
ISSUER = issuer_of("demo")
POLICY = "arn:aws:iam::aws:policy/"
TEAM = {"team": "ml"}


def _client(service: str) -> Callable[[World], Any]:
    return lambda world: world.aws.client(service)


iam, s3 = _client("iam"), _client("s3")


def _allows(principal: Mapping[str, Any], action: str = "sts:AssumeRole") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _may(action: str) -> dict[str, Any]:
    statement = {"Sid": "Own", "Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _first(*resources: Resource) -> Deed:
    return lambda world: [converge(world, one) for one in resources]


# --- identity provider

PROVIDER = OidcProvider(
    name=ISSUER.removeprefix("https://"),
    arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}",
    url=ISSUER,
    audience="sts.amazonaws.com",
    owner=OWNER,
    tags=TEAM,
)


def _provider_of_others(*audiences: str) -> Deed:
    return lambda world: iam(world).create_open_id_connect_provider(Url=ISSUER, ClientIDList=[*audiences])


PROVIDER_CASE = Case(
    resource=PROVIDER,
    drifts={
        "audiences": lambda world: iam(world).remove_client_id_from_open_id_connect_provider(
            OpenIDConnectProviderArn=PROVIDER.arn, ClientID="sts.amazonaws.com"
        ),
        "tags": lambda world: iam(world).untag_open_id_connect_provider(
            OpenIDConnectProviderArn=PROVIDER.arn, TagKeys=["team"]
        ),
    },
    foreign=_provider_of_others("kubernetes"),
    fitting=_provider_of_others("kubernetes", "sts.amazonaws.com"),
)

# --- roles

ROLE = IamRole(
    name="ack-controller-role-demo",
    owner=OWNER,
    description="A role",
    trust=_allows({"Federated": PROVIDER.arn}, "sts:AssumeRoleWithWebIdentity"),
    managed=(f"{POLICY}AmazonSageMakerFullAccess", f"{POLICY}ReadOnlyAccess"),
    inline={"one": _may("sagemaker:*"), "two": _may("cloudwatch:*")},
    boundary=f"{POLICY}PowerUserAccess",
    tags=TEAM,
)
SHARED_ROLE = ExecutionRole(
    name="ack-sagemaker-execution-role",
    arn="arn:aws:iam::123456789012:role/ack-sagemaker-execution-role",
    owner=OWNER,
    user=OWNER,
    description="A role",
    trust=ROLE.trust,
    managed=ROLE.managed,
    inline=ROLE.inline,
    boundary=ROLE.boundary,
    tags=TEAM,
)


def _role_of_others(role: IamRole, action: str | None = None) -> Deed:
    def make(world: World) -> None:
        iam(world).create_role(
            RoleName=role.name,
            AssumeRolePolicyDocument=text(role.trust),
            PermissionsBoundary=role.boundary,
            Tags=pairs({"made-by": "somebody"}),
        )
        for arn in role.managed:
            iam(world).attach_role_policy(RoleName=role.name, PolicyArn=arn)
        for name, document in role.inline.items():
            written = document if action is None else _may(action)
            iam(world).put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=text(written))

    return make


def _role_case(role: IamRole) -> Case:
    name = role.name
    return Case(
        resource=role,
        drifts={
            "trust": lambda world: iam(world).update_assume_role_policy(
                RoleName=name, PolicyDocument=text(_allows({"Service": "ec2.amazonaws.com"}))
            ),
            "managedPolicies": lambda world: iam(world).detach_role_policy(
                RoleName=name, PolicyArn=role.managed[0]
            ),
            "inlinePolicies": lambda world: (
                iam(world).delete_role_policy(RoleName=name, PolicyName="one"),
                iam(world).put_role_policy(
                    RoleName=name, PolicyName="two", PolicyDocument=text(_may("iam:*"))
                ),
            ),
            "permissionsBoundary": lambda world: iam(world).delete_role_permissions_boundary(RoleName=name),
            "tags": lambda world: iam(world).tag_role(RoleName=name, Tags=pairs({"team": "other"})),
        },
        foreign=_role_of_others(role, "s3:*"),
        fitting=_role_of_others(role),
        exempt={"path": "IAM cannot change a role's path; such a role is refused (tests/unit)"},
    )


# --- service-linked role

LINKED = ServiceLinkedRole(
    name="AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
    service="sagemaker.application-autoscaling.amazonaws.com",
    owner=OWNER,
    user=OWNER,
)

LINKED_CASE = Case(
    resource=LINKED,
    fitting=lambda world: iam(world).create_service_linked_role(AWSServiceName=LINKED.service),
    exempt={
        "path": "AWS makes the role; its path follows from the service and cannot change",
        Property.FOREIGN_DIFFERS: "whoever has it made, AWS makes the same role",
    },
)

# --- bucket

BUCKET = Bucket(
    name=f"ack-sagemaker-bucket-{ACCOUNT}",
    account=ACCOUNT,
    region=REGION,
    policy={
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": f"arn:aws:s3:::ack-sagemaker-bucket-{ACCOUNT}/*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    },
    owner=OWNER,
    user=OWNER,
    tags=TEAM,
)
OTHERS_STATEMENT = {
    "Sid": "Others",
    "Effect": "Allow",
    "Principal": {"AWS": ACCOUNT},
    "Action": "s3:GetObject",
    "Resource": f"arn:aws:s3:::{BUCKET.name}/*",
}


def _bucket_of_others(policy: Mapping[str, Any] | None) -> Deed:
    def make(world: World) -> None:
        s3(world).create_bucket(
            Bucket=BUCKET.name, CreateBucketConfiguration={"LocationConstraint": BUCKET.region}
        )
        if policy:
            s3(world).put_bucket_policy(Bucket=BUCKET.name, Policy=text(policy))

    return make


BUCKET_CASE = Case(
    resource=BUCKET,
    drifts={
        "publicAccessBlock": lambda world: s3(world).delete_public_access_block(Bucket=BUCKET.name),
        # Buckets of before 2023 were not encrypted; no call makes such a one any more.
        "encrypted": lambda world: setattr(world.aws.account.s3.buckets[BUCKET.name], "encryption", None),
        "policy": lambda world: s3(world).put_bucket_policy(
            Bucket=BUCKET.name, Policy=text({"Version": "2012-10-17", "Statement": [OTHERS_STATEMENT]})
        ),
        "tags": lambda world: s3(world).put_bucket_tagging(
            Bucket=BUCKET.name, Tagging={"TagSet": pairs(marked(OWNER, {}))}
        ),
    },
    foreign=_bucket_of_others(None),
    fitting=_bucket_of_others(BUCKET.policy),
    exempt={"region": "a bucket stays in its region; one in another is refused (tests/unit)"},
)

# --- namespace and receipt

NAMESPACE = Namespace(name=SPACE, releases=("ack-sagemaker-controller",))


def _object(
    kind: str, name: str, *, annotations: Mapping[str, str] | None = None, **fields: object
) -> dict[str, Any]:
    metadata = {"name": name, "namespace": SPACE, "annotations": dict(annotations or {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


NAMESPACE_CASE = Case(
    resource=NAMESPACE,
    fitting=lambda world: world.cluster.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
    ),
    exempt={
        "phase": "Active or Terminating, which is no drift but waited for (tests/crash)",
        Property.FOREIGN_DIFFERS: "a namespace has nothing that could differ",
    },
)

RECEIPT = Receipt(name="ackinstall", namespace=SPACE, data={"profile": "{}", "charts": "{}"})


def _in_receipt(how: Callable[[dict[str, Any]], object]) -> Deed:
    return lambda world: world.cluster.change(
        Ref("v1", "ConfigMap", RECEIPT.name, SPACE), lambda live: how(live["data"])
    )


RECEIPT_CASE = Case(
    resource=RECEIPT,
    prepare=_first(NAMESPACE),
    drifts={"data": _in_receipt(lambda data: data.update(charts="old", more="left alone"))},
    foreign=lambda world: world.cluster.create(_object("ConfigMap", RECEIPT.name, data={"profile": "mine"})),
    fitting=lambda world: world.cluster.create(_object("ConfigMap", RECEIPT.name, data=dict(RECEIPT.data))),
)

# --- service account

ACCOUNT_ROLE = replace(ROLE, name="ack-controller-role", boundary="")
SERVICE_ACCOUNT = ServiceAccount(
    name="ack-sagemaker-controller",
    namespace=SPACE,
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/{ACCOUNT_ROLE.name}",
    release="ack-sagemaker-controller",
    audience="sts.amazonaws.com",
)


def _annotated(**annotations: str) -> Deed:
    return lambda world: world.cluster.change(
        Ref("v1", "ServiceAccount", SERVICE_ACCOUNT.name, SPACE),
        lambda live: live["metadata"]["annotations"].update(annotations),
    )


def _account_of_others(role_arn: str) -> Deed:
    annotations = {ROLE_ARN: role_arn, "meta.helm.sh/release-name": SERVICE_ACCOUNT.release}
    made = _object("ServiceAccount", SERVICE_ACCOUNT.name, annotations=annotations)
    return lambda world: world.cluster.create(made)


SERVICE_ACCOUNT_CASE = Case(
    resource=SERVICE_ACCOUNT,
    prepare=_first(NAMESPACE, PROVIDER, ACCOUNT_ROLE),
    drifts={
        "roleArn": _annotated(**{ROLE_ARN: "arn:aws:iam::123456789012:role/old"}),
        "release": _annotated(**{"meta.helm.sh/release-name": "another"}),
    },
    foreign=_account_of_others("arn:aws:iam::123456789012:role/mine"),
    fitting=_account_of_others(SERVICE_ACCOUNT.role_arn),
)

# --- definitions

GROUP = "sagemaker.services.k8s.aws"


def _definition(kind: str, plural: str) -> dict[str, Any]:
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {}}}
    names = {"kind": kind, "plural": plural, "singular": plural[:-1]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


CRDS = Crds(
    name=GROUP, manifests=(_definition("Model", "models"), _definition("App", "apps")), groups=(GROUP,)
)


def _with_old_scope(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {**definition, "spec": {**definition["spec"], "preserveUnknownFields": False, "scope": "Cluster"}}


def _definitions_of_others(*manifests: Mapping[str, Any]) -> Deed:
    def make(world: World) -> None:
        for one in manifests:
            world.cluster.create(one)

    return make


CRDS_CASE = Case(
    resource=CRDS,
    drifts={
        "models": lambda world: world.cluster.change(
            ref_of(CRDS.manifests[0]), lambda live: live["spec"].update(scope="Cluster")
        ),
        "apps": lambda world: world.cluster.delete(ref_of(CRDS.manifests[1])),
    },
    foreign=_definitions_of_others(*map(_with_old_scope, CRDS.manifests)),
    fitting=_definitions_of_others(*CRDS.manifests),
)

GUARD_CASE = Case(
    resource=Guarded(name="ack", definitions=CRDS.manifests),
    prepare=_first(CRDS),
    exempt={Property.LIFE: "a guard: users make and remove custom resources (test_guard.py)"},
)

GONE = "users make custom resources; the installer only takes them back (test_custom_resources.py)"
REMOVED_CASE = Case(
    resource=Removed(name="ack", definitions=CRDS.manifests),
    prepare=_first(CRDS),
    exempt={Property.LIFE: GONE},
)
RETAINED_CASE = Case(
    resource=Retained(name="ack", definitions=CRDS.manifests),
    prepare=_first(CRDS),
    exempt={Property.LIFE: GONE},
)
RELEASED_CASE = Case(
    resource=Released(name="ack", definitions=CRDS.manifests, cluster="demo"),
    prepare=_first(CRDS),
    exempt={Property.LIFE: GONE},
)

# --- release

RELEASE = HelmRelease(
    name="ack-sagemaker-controller",
    namespace=SPACE,
    chart=CHARTS / "sagemaker-chart",
    version="sagemaker-chart-1.8.2",
    values={
        "aws": {"region": REGION},
        "deployment": {"annotations": {"ackinstall/role": "0123456789abcdef"}},
    },
)


def _release_of_others(world: World) -> None:
    world.helm.upgrade(RELEASE.name, SPACE, RELEASE.chart, {"aws": {"region": "eu-west-1"}})


def _another_chart(world: World) -> None:
    world.helm.upgrade(RELEASE.name, SPACE, CHARTS / "applicationautoscaling-chart", RELEASE.values)


def _other_values(world: World) -> None:
    values = {**RELEASE.values, "aws": {"region": "eu-west-1"}}
    world.helm.upgrade(RELEASE.name, SPACE, RELEASE.chart, values)


def _without_deployment(world: World) -> None:
    for found in world.cluster.list("apps/v1", "Deployment", SPACE):
        world.cluster.delete(ref_of(found))
    for found in world.cluster.list("rbac.authorization.k8s.io/v1", "ClusterRole"):
        world.cluster.change(ref_of(found), lambda live: live.update(rules=[]))


RELEASE_CASE = Case(
    resource=RELEASE,
    prepare=_first(NAMESPACE),
    drifts={
        "chart": _another_chart,
        "values": _other_values,
        "objects": _without_deployment,
        "status": lambda world: world.helm.leave(RELEASE.name, SPACE, status="failed"),
    },
    foreign=_release_of_others,
    exempt={Property.FOREIGN_FITS: "our values carry our mark, so a release that has them is ours"},
)

CASES: dict[str, Case] = {
    "oidc-provider": PROVIDER_CASE,
    "iam-role": _role_case(ROLE),
    "iam-role shared": _role_case(SHARED_ROLE),
    "service-linked-role": LINKED_CASE,
    "bucket": BUCKET_CASE,
    "namespace": NAMESPACE_CASE,
    "receipt": RECEIPT_CASE,
    "service-account": SERVICE_ACCOUNT_CASE,
    "crds": CRDS_CASE,
    "custom-resources": GUARD_CASE,
    "custom-resources removed": REMOVED_CASE,
    "custom-resources retained": RETAINED_CASE,
    "custom-resources released": RELEASED_CASE,
    "helm-release": RELEASE_CASE,
}
