"""Somebody else's ACK controller beside ours: the real one for IAM, from its real chart."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import answers
import pytest
from inventory import inventory
from sandboxed import Sandboxed, until

from ackinstall.kube import Ref
from ackinstall.sandbox.building import ensure
from ackinstall.sandbox.parts import PartsMissing, missing
from ackinstall.sandbox.progress import Progress

PROGRAM, CHART = "iam-controller", "iam-chart"
RELEASE, NAMESPACE = "ack-iam-controller", "platform"
ROLE, FULL_ACCESS = "their-ack-iam-controller", "arn:aws:iam::aws:policy/IAMFullAccess"
SHARED = ("fieldexports.services.k8s.aws", "iamroleselectors.services.k8s.aws")
GROUP = "iam.services.k8s.aws"
POLICY = Ref(f"{GROUP}/v1alpha1", "Policy", "readers", NAMESPACE)
FIELD_EXPORT = ("services.k8s.aws/v1alpha1", "FieldExport")
DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def parts() -> Mapping[str, Path]:
    """Return the controller and its chart, built where the cache does not have them."""
    if reasons := missing([PROGRAM, CHART]):
        pytest.skip(PartsMissing(reasons).message)
    return {name: part.path for name, part in ensure([PROGRAM, CHART], Progress()).items()}


@pytest.fixture
def world(parts: Mapping[str, Path], worker_id: str) -> Iterator[Sandboxed]:
    """Start a sandbox of its own whose node can run the controller."""
    name = f"real-{worker_id}-{os.getpid()}-iam"
    try:
        yield Sandboxed(name, "--controller", f"iam={parts[PROGRAM]}")
    finally:
        Sandboxed.remove(name)


def test_goes_on(world: Sandboxed, parts: Mapping[str, Path]) -> None:
    """`down` beside the IAM controller leaves it the shared definitions, and the OIDC provider that its role
    trusts, says why, and exits 0; the controller and its custom resources go on. When it is uninstalled by
    hand, `down` removes what was left for it.
    """
    empty = inventory(world)
    world.up()
    names = json.loads(world.run("outputs", "--format", "json").stdout)
    provider = f"oidc-provider/{names['OIDC_PROVIDER_URL']}"
    _install(world, parts[CHART], _make_role(world, names))
    _set_policy(world, "before")
    _export(world, "before")

    left = answers.down(world)

    definitions = [resource for resource in left if resource.startswith("crds/")]
    assert left.keys() - definitions == {provider}, left
    assert ROLE in left[provider]
    assert definitions
    assert all(GROUP in left[resource] for resource in definitions), left
    assert {name for name in _definitions(world) if not name.endswith(GROUP)} == set(SHARED)
    _set_policy(world, "after")
    assert _exports(world) == ["before"]
    _export(world, "after")

    _uninstall(world)
    assert answers.down(world) == {}
    assert inventory(world) == empty


def _make_role(world: Sandboxed, names: Mapping[str, str]) -> str:
    """Make the controller's role, as ACK's documentation does it; return its ARN."""
    issuer = names["OIDC_PROVIDER_URL"]
    provider = f"arn:aws:iam::{names['AWS_ACCOUNT_ID']}:oidc-provider/{issuer}"
    subject = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"}},
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = world.aws("iam")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)["Role"]
    iam.attach_role_policy(RoleName=ROLE, PolicyArn=FULL_ACCESS)
    return str(role["Arn"])


def _install(world: Sandboxed, chart: Path, role: str) -> None:
    values = {
        "aws": {"region": world.environment["AWS_REGION"]},
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": role}},
    }
    where = ("-n", NAMESPACE, "--create-namespace")
    options = ("--wait", "--timeout", "60s", "--values", "-")
    world.ask("helm", "install", RELEASE, str(chart), *where, *options, text=json.dumps(values))


def _set_policy(world: Sandboxed, about: str) -> None:
    policy = {
        "apiVersion": POLICY.api_version,
        "kind": POLICY.kind,
        "metadata": {"name": POLICY.name, "namespace": POLICY.namespace},
        "spec": {
            "name": POLICY.name,
            "policyDocument": json.dumps(DOCUMENT),
            "tags": [{"key": "about", "value": about}],
        },
    }
    world.kubectl("apply", "-f", "-", text=json.dumps(policy))
    until(lambda: _tag(world) == about)


def _tag(world: Sandboxed) -> str:
    """Return what IAM says of the policy."""
    iam = world.aws("iam")
    arns = [one["Arn"] for one in iam.list_policies(Scope="Local")["Policies"]]
    tags = [tag for arn in arns for tag in iam.list_policy_tags(PolicyArn=arn)["Tags"]]
    return next((tag["Value"] for tag in tags if tag["Key"] == "about"), "")


def _export(world: Sandboxed, name: str) -> None:
    """Let the controller copy the policy's ARN into a ConfigMap, by an object of a shared kind."""
    world.kubectl("create", "configmap", name, "-n", NAMESPACE)
    export = {
        "apiVersion": FIELD_EXPORT[0],
        "kind": FIELD_EXPORT[1],
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "from": {
                "path": ".status.ackResourceMetadata.arn",
                "resource": {"group": GROUP, "kind": POLICY.kind, "name": POLICY.name},
            },
            "to": {"kind": "configmap", "name": name, "key": "arn"},
        },
    }
    world.kubectl("apply", "-f", "-", text=json.dumps(export))
    until(lambda: f"policy/{POLICY.name}" in _exported(world, name))


def _exported(world: Sandboxed, name: str) -> str:
    found = world.kube.get(Ref("v1", "ConfigMap", name, NAMESPACE)) or {}
    return str((found.get("data") or {}).get("arn", ""))


def _exports(world: Sandboxed) -> list[str]:
    return [one["metadata"]["name"] for one in world.kube.list(*FIELD_EXPORT)]


def _uninstall(world: Sandboxed) -> None:
    """Take the controller away in the order of ACK's documentation: resources, release, definitions, role."""
    world.kubectl("delete", "-n", NAMESPACE, "fieldexports.services.k8s.aws", "--all")
    world.kubectl("delete", "-n", NAMESPACE, f"policies.{GROUP}", "--all")
    world.ask("helm", "uninstall", RELEASE, "-n", NAMESPACE, "--wait")
    world.kubectl("delete", "crd", *(name for name in _definitions(world) if name.endswith(GROUP)))
    world.kubectl("delete", "namespace", NAMESPACE)
    world.aws("iam").detach_role_policy(RoleName=ROLE, PolicyArn=FULL_ACCESS)
    world.aws("iam").delete_role(RoleName=ROLE)


def _definitions(world: Sandboxed) -> set[str]:
    found = world.kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    return {one["metadata"]["name"] for one in found}
