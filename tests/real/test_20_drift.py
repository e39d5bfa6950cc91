"""What was changed behind our back is shown field by field, and healed."""

import json
from collections.abc import Mapping
from typing import Any

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


def test_kubernetes(installed: Sandboxed) -> None:
    """What kubectl took away or changed, all at once, comes back, and the controllers run."""
    world = installed
    world.kubectl("delete", "crd", "scalingpolicies.applicationautoscaling.services.k8s.aws")
    world.kubectl("delete", "deployment", "-n", NAMESPACE, _deployment(world, SAGEMAKER))
    world.kubectl("annotate", "serviceaccount", "-n", NAMESPACE, SAGEMAKER, "eks.amazonaws.com/role-arn-")
    world.kubectl(
        "set", "env", "-n", NAMESPACE, f"deployment/{_deployment(world, SCALING)}", "AWS_REGION=eu-west-1"
    )
    _heals(
        world,
        {
            "crds/applicationautoscaling.services.k8s.aws": "scalingpolicies",
            f"service-account/{SAGEMAKER}": "roleArn",
            f"helm-release/{SAGEMAKER}": "missing",
            f"helm-release/{SCALING}": "spec.template.spec.containers",
        },
    )
    account = world.kube.get(Ref("v1", "ServiceAccount", SAGEMAKER, NAMESPACE))
    assert account is not None
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert "all is well" in world.run("status").stdout


def test_scaled_to_nothing(installed: Sandboxed) -> None:
    """A controller that was scaled to nothing runs again."""
    deployment = _deployment(installed, SAGEMAKER)
    installed.kubectl("scale", "-n", NAMESPACE, f"deployment/{deployment}", "--replicas=0")
    _heals(installed, {f"helm-release/{SAGEMAKER}": "spec.replicas"})
    pods = installed.kubectl("get", "pods", "-n", NAMESPACE, "--no-headers")
    assert pods.count("Running") == 2, pods


def _deployment(world: Sandboxed, release: str) -> str:
    (one,) = world.kube.list("apps/v1", "Deployment", NAMESPACE, f"app.kubernetes.io/instance={release}")
    return str(one["metadata"]["name"])
