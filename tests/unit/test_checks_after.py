"""Each check after an installation made to fail once: what it finds, and what it says is to be done."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support.aws import ACCOUNT, REGION, issuer_of
from support.broken import NAMESPACE, ROLE, Breaking, Broken, Row
from support.chart import variant
from support.helm import CHARTS

from ackinstall.checks import lists
from ackinstall.checks.check import Outcome
from ackinstall.kube import Ref, ref_of
from ackinstall.resources.service_account import ROLE_ARN

EXECUTION = f"ack-sagemaker-execution-role-{ACCOUNT}"
ACCOUNT_REF = Ref("v1", "ServiceAccount", "ack-sagemaker-controller", NAMESPACE)
MODELS = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "models.sagemaker.services.k8s.aws")
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer_of('demo').removeprefix('https://')}"
FORMER = f"oidc.eks.{REGION}.amazonaws.com/id/FORMER"


def in_trust(how: Callable[[dict[str, Any]], object]) -> Breaking:
    return lambda broken: broken.trust(how=how)


def said(claim: str, value: str) -> Callable[[dict[str, Any]], object]:
    def change(statement: dict[str, Any]) -> None:
        keys = statement["Condition"]["StringEquals"]
        keys[next(key for key in keys if key.endswith(f":{claim}"))] = value

    return change


def only_elsewhere(statement: dict[str, Any]) -> None:
    """A condition on what no token claims stands before the one that does not hold."""
    said("sub", "system:serviceaccount:default:other")(statement)
    keys = statement["Condition"]["StringEquals"]
    statement["Condition"]["StringEquals"] = {"aws:RequestedRegion": REGION, **keys}


def former_issuer(statement: dict[str, Any]) -> None:
    keys = statement["Condition"]["StringEquals"]
    statement["Condition"]["StringEquals"] = {
        f"{FORMER}:{key.rpartition(':')[2]}": value for key, value in keys.items()
    }
    statement["Principal"] = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{FORMER}"}


def pod_spec(how: Callable[[dict[str, Any]], object]) -> Breaking:
    return lambda broken: broken.world.cluster.change(
        broken.pod, lambda one: how(one["spec"]["containers"][0])
    )


def pod_status(**fields: object) -> Breaking:
    def change(broken: Broken) -> None:
        status = {"status": {**broken.world.cluster.get(broken.pod)["status"], **fields}}  # type: ignore[index]
        broken.change(broken.pod, **status)

    return change


def restarted(broken: Broken) -> None:
    ended = {"terminated": {"exitCode": 1, "finishedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}}
    pod_status(containerStatuses=[{"name": "controller", "restartCount": 7, "lastState": ended}])(broken)


def no_identity(broken: Broken) -> None:
    def forget(pod: dict[str, Any]) -> None:
        pod["spec"]["containers"][0]["env"] = [{"name": "AWS_REGION", "value": REGION}]
        pod["spec"]["volumes"] = []

    broken.world.cluster.change(broken.pod, forget)


def with_keys(broken: Broken) -> None:
    """The chart's values may put any variable into the pod, from a Secret too."""
    keys = [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": "aws", "key": key}}}
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    ]
    pod_spec(lambda container: container["env"].extend(keys))(broken)


def instead_of_a_role(**variables: str) -> Breaking:
    def take(container: dict[str, Any]) -> None:
        container["env"] = [{"name": name, "value": value} for name, value in variables.items()]

    return pod_spec(take)


def no_deployment(broken: Broken) -> None:
    for one in broken.world.cluster.list("apps/v1", "Deployment", NAMESPACE):
        broken.world.cluster.delete(ref_of(one))


def no_group(broken: Broken) -> None:
    for one in broken.world.cluster.list(MODELS.api_version, MODELS.kind):
        if one["spec"]["group"] == "sagemaker.services.k8s.aws":
            broken.world.cluster.delete(ref_of(one))


def blind(broken: Broken) -> None:
    """Somebody who may not read IAM meets a trust policy that is not right."""
    broken.trust(how=said("aud", "other"))
    for action in ("iam:GetRole", "iam:GetAccountAuthorizationDetails", "iam:GetOpenIDConnectProvider"):
        broken.deny(action)


SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/1"
MODEL = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/churn"


def denial(action: str, resource: str, why: str) -> str:
    asked = f"User: {SESSION} is not authorized to perform: {action} on resource: {resource}"
    return f"AccessDeniedException: {asked} {why}"


def in_log(*errors: str) -> Breaking:
    lines = [json.dumps({"level": "error", "error": f"{one}\n\tstatus code: 400"}) for one in errors]
    return lambda broken: broken.world.cluster.logs.update({broken.pod: "\n".join(lines)})


denied_in_log = in_log(
    denial("sagemaker:CreateModel", MODEL, "because no identity-based policy allows the action"),
    denial("s3:GetObject", "*", "with an explicit deny in a service control policy"),
)
denied_by_organization = in_log(
    denial("sagemaker:CreateModel", MODEL, "with an explicit deny in a service control policy")
)


def resource(condition: str, message: str) -> Breaking:
    def make(broken: Broken) -> None:
        api_version = "sagemaker.services.k8s.aws/v1alpha1"
        broken.create(api_version, "Model", "churn", "ml")
        conditions = [{"type": condition, "status": "True", "message": message}]
        broken.change(Ref(api_version, "Model", "churn", "ml"), status={"conditions": conditions})

    return make


terminal = resource("ACK.Terminal", "InvalidArn: no such role")
cannot_pass = resource(
    "ACK.Recoverable",
    denial(
        "iam:PassRole",
        f"arn:aws:iam::{ACCOUNT}:role/mine",
        "because no identity-based policy allows the iam:PassRole action (Service: SageMaker; Status: 400)",
    ),
)


def no_account_annotation(broken: Broken) -> None:
    broken.world.cluster.change(ACCOUNT_REF, lambda one: one["metadata"]["annotations"].pop(ROLE_ARN))


def no_role(broken: Broken) -> None:
    broken.world.aws.account.iam.roles = {
        key: one for key, one in broken.world.aws.account.iam.roles.items() if one.name != ROLE
    }


def other_service(broken: Broken) -> None:
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    broken.iam.update_assume_role_policy(RoleName=EXECUTION, PolicyDocument=document)


def no_policies(broken: Broken) -> None:
    broken.iam.delete_role_policy(RoleName=EXECUTION, PolicyName="ack-sagemaker-bucket")
    arn = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    broken.iam.detach_role_policy(RoleName=EXECUTION, PolicyArn=arn)


def newer(broken: Broken) -> None:
    made = variant(CHARTS / "sagemaker-chart", broken.commands.folder / "published", "1.9.0")
    broken.world.gallery.publish(made)


def changed_definition(broken: Broken) -> None:
    broken.world.cluster.change(
        MODELS, lambda one: one["spec"]["versions"][0].update(schema={"changed": True})
    )


PROOF = "identity-proof"
AFTER = [
    Row(
        "failed",
        "releases-deployed",
        lambda broken: broken.world.helm.leave("ack-sagemaker-controller", NAMESPACE, status="failed"),
        Outcome.FAILED,
        "the release 'ack-sagemaker-controller' is 'failed'",
        "ackinstall up --cluster demo",
    ),
    Row(
        "values",
        "releases-current",
        lambda broken: broken.choice.update(settings=["controllers.sagemaker.values.log.level=debug"]),
        Outcome.WARNING,
        "differs in values",
        "ackinstall plan",
    ),
    Row(
        "not yet",
        "definitions-established",
        lambda broken: broken.world.cluster.change(MODELS, lambda one: one["status"].update(conditions=[])),
        Outcome.FAILED,
        "'models.sagemaker.services.k8s.aws' first",
        "kubectl get crds",
    ),
    Row(
        "group gone",
        "definitions-established",
        no_group,
        Outcome.FAILED,
        "there are none of 'sagemaker.services.k8s.aws'",
        "ackinstall up",
    ),
    Row("changed", "definitions-version", changed_definition, Outcome.WARNING, "differs in models", "plan"),
    Row(
        "waiting",
        "pods-ready",
        pod_status(
            conditions=[],
            containerStatuses=[
                {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
            ],
        ),
        Outcome.FAILED,
        "ImagePullBackOff not found",
        "kubectl describe pods",
    ),
    Row("often", "pods-restarts", restarted, Outcome.WARNING, "was restarted 7 times", "--previous"),
    Row(
        "another",
        "pods-image",
        pod_spec(lambda container: container.update(image="example.com/other:1")),  # type: ignore[attr-defined]
        Outcome.WARNING,
        "runs 'example.com/other:1'",
        "ackinstall up",
    ),
    Row(
        "none", "pods-identity", no_identity, Outcome.FAILED, "runs on no identity", "kubectl rollout restart"
    ),
    Row(
        "denied",
        "controller-log",
        denied_in_log,
        Outcome.WARNING,
        f"'{SESSION}' may not call 'sagemaker:CreateModel' on '{MODEL}': no identity-based policy",
        f'{{"Effect": "Allow", "Action": "sagemaker:CreateModel", "Resource": "{MODEL}"}} to a policy of',
    ),
    Row(
        "denied by others",
        "controller-log",
        denied_by_organization,
        Outcome.WARNING,
        "a service control policy denies it",
        "another Allow does not help: the Deny in a service control policy",
    ),
    Row(
        "not let in",
        "controller-log",
        in_log("AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        Outcome.WARNING,
        "may not call 'sts:AssumeRoleWithWebIdentity'",
        "its trust policy has to name",
    ),
    Row(
        "denied without words",
        "controller-log",
        in_log(f"AccessDenied: Access Denied for AKIA{'X' * 16}"),
        Outcome.WARNING,
        "Access Denied for (hidden)",
        "kubectl logs",
    ),
    Row(
        "keys",
        "pods-identity",
        with_keys,
        Outcome.FAILED,
        "acts by the keys in AWS_ACCESS_KEY_ID",
        "-controller-sagemaker-chart AWS_ACCESS_KEY_ID- AWS_SECRET_ACCESS_KEY- --namespace ack-system`",
    ),
    Row(
        "association",
        "pods-identity",
        instead_of_a_role(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://169.254.170.23/v1/credentials"),
        Outcome.FAILED,
        "acts by an EKS Pod Identity association",
        "aws eks delete-pod-identity-association --cluster-name demo --region us-west-2 --association-id",
    ),
    Row(
        "file",
        "pods-identity",
        instead_of_a_role(AWS_SHARED_CREDENTIALS_FILE="/var/run/secrets/aws/credentials", AWS_PROFILE="ack"),
        Outcome.FAILED,
        "acts by a profile in AWS_SHARED_CREDENTIALS_FILE",
        "kubectl rollout restart",
    ),
    Row("no pod", "pods-ready", no_deployment, Outcome.FAILED, "has no pod", "kubectl describe pods"),
    Row("no pod", "pods-restarts", no_deployment, Outcome.UNPROVEN, "has no pod", "kubectl describe pods"),
    Row("no pod", "pods-image", no_deployment, Outcome.UNPROVEN, "has no pod", "ackinstall up"),
    Row("no pod", "pods-identity", no_deployment, Outcome.UNPROVEN, "has no pod", "ackinstall up"),
    Row("no pod", "controller-log", no_deployment, Outcome.UNPROVEN, "has no pod", "kubectl logs"),
    Row("silent", "controller-log", in_log(), Outcome.UNPROVEN, "' is empty", "kubectl logs"),
    Row(
        "unseen",
        PROOF,
        blind,
        Outcome.FAILED,
        "STS says: Not authorized to perform",
        "ackinstall up",
    ),
    Row(
        "subject",
        PROOF,
        in_trust(said("sub", "system:serviceaccount:default:other")),
        Outcome.FAILED,
        "wants the subject 'system:serviceaccount:default:other', the token has 'system:serviceaccount:ack-",
        "ackinstall up",
    ),
    Row("audience", PROOF, in_trust(said("aud", "other")), Outcome.FAILED, "the audience 'other'", "up"),
    Row("issuer", PROOF, in_trust(former_issuer), Outcome.FAILED, f"believes the issuer '{FORMER}'", "up"),
    Row(
        "provider deleted",
        PROOF,
        lambda broken: broken.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=PROVIDER),
        Outcome.FAILED,
        "IAM has no OIDC provider for the cluster's issuer",
        "up",
    ),
    Row("annotation", PROOF, no_account_annotation, Outcome.FAILED, f"the annotation '{ROLE_ARN}'", "up"),
    Row("no role", PROOF, no_role, Outcome.FAILED, f"there is no role '{ROLE}'", "up"),
    Row(
        "denied",
        "custom-resources",
        cannot_pass,
        Outcome.WARNING,
        f"Model: 1 recoverable. 'Model/ml/churn': AccessDeniedException: User: {SESSION}",
        f"name the role '{EXECUTION}', which they may pass on; or allow it to the role '{ROLE}'",
    ),
    Row(
        "regional",
        PROOF,
        in_trust(only_elsewhere),
        Outcome.FAILED,
        "wants the subject 'system:serviceaccount:default:other'",
        "up",
    ),
    Row("terminal", "custom-resources", terminal, Outcome.WARNING, "Model/ml/churn': InvalidArn", "kubectl"),
    Row(
        "other",
        "execution-role",
        other_service,
        Outcome.FAILED,
        "does not let 'sagemaker.amazonaws.com'",
        "up",
    ),
    Row(
        "gone",
        "execution-bucket",
        lambda broken: broken.world.aws.client("s3").delete_bucket(Bucket=f"ack-sagemaker-bucket-{ACCOUNT}"),
        Outcome.WARNING,
        f"there is no bucket 'ack-sagemaker-bucket-{ACCOUNT}'",
        "ackinstall up",
    ),
    Row("no policies", "execution-bucket", no_policies, Outcome.WARNING, "s3:PutObject", "ackinstall plan"),
    Row(
        "receipt gone",
        "drift",
        lambda broken: broken.world.cluster.delete(Ref("v1", "ConfigMap", "ackinstall", NAMESPACE)),
        Outcome.WARNING,
        "'receipt/ackinstall' are not as the profile wants them",
        "ackinstall plan --cluster demo",
    ),
    Row("newer", "newer-versions", newer, Outcome.WARNING, "1.9.0 is published", "--upgrade"),
    Row("issuer", "oidc-issuer", in_trust(former_issuer), Outcome.WARNING, f"issuer '{FORMER}'", "up"),
]


@pytest.mark.parametrize("row", AFTER, ids=str)
def test_after(broken: Broken, row: Row) -> None:
    """What is wrong with an installation is found, with its remedy."""
    assert not broken.world.up(workers=8).failures
    checks = {one.id: one for one in (*lists.before(), *lists.after())}
    row.prove(broken, checks.values())


def test_the_identity_is_proven_without_deployments(broken: Broken) -> None:
    """The service accounts of the releases are what acts, whatever has become of the Deployments."""
    assert not broken.world.up(workers=8).failures
    no_deployment(broken)
    found = broken.look(PROOF, lists.after())
    assert found.outcome is Outcome.PASSED
    accounts = {"ack-sagemaker-controller", "ack-applicationautoscaling-controller"}
    assert found.data["identities"].keys() == accounts


def test_a_release_without_a_deployment_proves_nothing(broken: Broken) -> None:
    """Where nobody could act, nothing is proven."""
    assert not broken.world.up(workers=8).failures
    release = broken.world.clients.helm.release("ack-sagemaker-controller", NAMESPACE)
    broken.instead_of_helm(release=lambda *_: replace(release, manifest=()))  # type: ignore[type-var]
    assert "has no Deployment" in broken.look(PROOF, lists.after()).message


def test_definitions_that_are_not_there(broken: Broken) -> None:
    """A group that is gone is no difference in paths, and no pass either."""
    assert not broken.world.up(workers=8).failures
    context = broken.context()
    no_group(broken)
    check = next(one for one in lists.after() if one.id == "definitions-version")
    assert check.look(context).message == "'crds/sagemaker.services.k8s.aws' is not there"


@pytest.mark.parametrize("id_", ["pods-image", "pods-identity", "pods-restarts", "controller-log"])
def test_a_sidecar_is_nothing_odd(broken: Broken, id_: str) -> None:
    """What a mesh or an agent puts before the controller's container is not the controller."""
    assert not broken.world.up(workers=8).failures
    sidecar = {"name": "proxy", "image": "example.com/proxy:1"}
    broken.world.cluster.change(broken.pod, lambda one: one["spec"]["containers"].insert(0, sidecar))
    assert broken.look(id_, lists.after()).outcome is Outcome.PASSED


def test_restarts_of_long_ago_are_over(broken: Broken) -> None:
    """A pod that was restarted often last week, and not since, is well."""
    assert not broken.world.up(workers=8).failures
    ended = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}}
    pod_status(containerStatuses=[{"name": "controller", "restartCount": 7, "lastState": ended}])(broken)
    found = broken.look("pods-restarts", lists.after())
    assert (found.outcome, found.message) == (Outcome.PASSED, "7 restarts")


def test_a_quota_counts_what_already_runs(broken: Broken) -> None:
    """The controllers' own pods make room for their successors; others' do not."""
    assert not broken.world.up(workers=8).failures
    broken.create("v1", "ResourceQuota", "full", NAMESPACE, spec={"hard": {"pods": "2"}})
    quota = Ref("v1", "ResourceQuota", "full", NAMESPACE)
    for used, outcome in (("2", Outcome.PASSED), ("3", Outcome.FAILED)):
        broken.change(quota, status={"used": {"pods": used}})
        assert broken.look("resource-quota", lists.before()).outcome is outcome


@pytest.mark.parametrize("claim", ["aud", "sub"])
def test_another_claim_is_no_other_issuer(broken: Broken, claim: str) -> None:
    """A trust policy that differs in audience or subject trusts the same issuer, however keys are written."""
    assert not broken.world.up(workers=8).failures
    broken.trust(how=said(claim, "other"))
    found = broken.look("oidc-issuer", [*{one.id: one for one in (*lists.before(), *lists.after())}.values()])
    assert found.outcome is Outcome.PASSED


def test_every_check_was_made_to_fail() -> None:
    """No check is left out of the table, but for those that stand in the other one."""
    before = {one.id for one in lists.before()}
    assert {row.check for row in AFTER} - {"oidc-issuer"} == {one.id for one in lists.after()} - before
