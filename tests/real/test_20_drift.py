"""What was changed behind our back is shown field by field, and healed."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sandboxed import Sandboxed

from ackinstall.kube import Ref

NAMESPACE = "ack-system"
SAGEMAKER = "ack-sagemaker-controller"
SCALING = "ack-applicationautoscaling-controller"


def _names(world: Sandboxed) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(world.run("outputs", "--format", "json").stdout)
    return found


def _fields(change: Mapping[str, Any]) -> str:
    return " ".join(
        one["path"] + " " + json.dumps([one["seen"], one["wanted"]]) for one in change["differences"]
    )


def _heals(world: Sandboxed, expected: Mapping[str, str]) -> None:
    """The plan names these resources alone, each with this field; `up` heals them; nothing is left to do."""
    changes = world.changes()
    assert {
        key: field in _fields(changes[key]) for key, field in expected.items() if key in changes
    } == dict.fromkeys(expected, True), changes
    assert changes.keys() == expected.keys()
    world.up()
    assert world.changes() == {}


def test_aws(installed: Sandboxed) -> None:
    """Inline and managed policies, bucket settings and a service-linked role come back as they were."""
    world, names = installed, _names(installed)
    role, execution = names["OIDC_ROLE_NAME"], names["SAGEMAKER_EXECUTION_ROLE_NAME"]
    bucket = names["SAGEMAKER_BUCKET"]
    iam, s3 = world.aws("iam"), world.aws("s3")
    iam.delete_role_policy(RoleName=role, PolicyName="iam-pass-role-policy")
    (attached,) = iam.list_attached_role_policies(RoleName=execution)["AttachedPolicies"]
    iam.detach_role_policy(RoleName=execution, PolicyArn=attached["PolicyArn"])
    s3.delete_public_access_block(Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)

    _heals(
        world,
        {
            f"iam-role/{role}": "iam-pass-role-policy",
            f"iam-role/{execution}": "AmazonSageMakerFullAccess",
            f"bucket/{bucket}": "publicAccessBlock",
        },
    )
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())


def test_trust_of_another_issuer(installed: Sandboxed) -> None:
    """A trust policy from a cluster that had this name before is shown as a difference, and repaired."""
    names, iam = _names(installed), installed.aws("iam")
    role, issuer = names["OIDC_ROLE_NAME"], names["OIDC_PROVIDER_URL"]
    before = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    stale = issuer.rpartition("/")[0] + "/" + "0" * 32
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(before).replace(issuer, stale))

    changes = installed.changes()

    assert stale in _fields(changes[f"iam-role/{role}"])
    installed.up()
    assert iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"] == before
    assert installed.changes() == {}


def test_missing_provider(installed: Sandboxed) -> None:
    """A provider that somebody deleted is made again, and the controllers' login works again."""
    iam = installed.aws("iam")
    (provider,) = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider["Arn"])

    assert f"oidc-provider/{_names(installed)['OIDC_PROVIDER_URL']}" in installed.changes()

    installed.up()
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [provider]
    assert installed.changes() == {}


def _delete_definition(world: Sandboxed) -> None:
    world.kubectl("delete", "crd", "scalingpolicies.applicationautoscaling.services.k8s.aws")


def _delete_deployment(world: Sandboxed) -> None:
    (one,) = world.kube.list("apps/v1", "Deployment", NAMESPACE, f"app.kubernetes.io/instance={SAGEMAKER}")
    world.kubectl("delete", "deployment", "-n", NAMESPACE, one["metadata"]["name"])


def _set_environment(world: Sandboxed) -> None:
    (one,) = world.kube.list("apps/v1", "Deployment", NAMESPACE, f"app.kubernetes.io/instance={SCALING}")
    world.kubectl(
        "set", "env", "-n", NAMESPACE, f"deployment/{one['metadata']['name']}", "AWS_REGION=eu-west-1"
    )


def _scale(world: Sandboxed) -> None:
    (one,) = world.kube.list("apps/v1", "Deployment", NAMESPACE, f"app.kubernetes.io/instance={SAGEMAKER}")
    world.kubectl("scale", "-n", NAMESPACE, f"deployment/{one['metadata']['name']}", "--replicas=0")


def _forget_role(world: Sandboxed) -> None:
    world.kubectl("annotate", "serviceaccount", "-n", NAMESPACE, SAGEMAKER, "eks.amazonaws.com/role-arn-")


@pytest.mark.parametrize(
    ("spoil", "resource", "field"),
    [
        pytest.param(
            _delete_definition,
            "crds/applicationautoscaling.services.k8s.aws",
            "scalingpolicies",
            id="definition",
        ),
        pytest.param(_delete_deployment, f"helm-release/{SAGEMAKER}", "missing", id="deployment"),
        pytest.param(
            _set_environment, f"helm-release/{SCALING}", "spec.template.spec.containers", id="environment"
        ),
        pytest.param(_scale, f"helm-release/{SAGEMAKER}", "spec.replicas", id="replicas"),
        pytest.param(_forget_role, f"service-account/{SAGEMAKER}", "roleArn", id="annotation"),
    ],
)
def test_kubernetes(
    installed: Sandboxed, spoil: Callable[[Sandboxed], None], resource: str, field: str
) -> None:
    """What kubectl took away or changed comes back, and the controllers run."""
    spoil(installed)
    _heals(installed, {resource: field})
    account = installed.kube.get(Ref("v1", "ServiceAccount", SAGEMAKER, NAMESPACE))
    assert account is not None
    assert "eks.amazonaws.com/role-arn" in account["metadata"]["annotations"]
    assert "all is well" in installed.run("status").stdout
