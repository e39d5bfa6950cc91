"""IAM: limits, documents, identity providers and service-linked roles."""

import json
import time

import pytest
from botocore.exceptions import ClientError
from running_aws import ACCOUNT, Client, Json, RunningAws

STATEMENT = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
TRUST = {"Version": "2012-10-17", "Statement": [STATEMENT]}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
SERVICE = "sagemaker.application-autoscaling.amazonaws.com"
LINKED = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"


@pytest.fixture
def iam(aws: RunningAws) -> Client:
    client = aws.client("iam")
    client.create_role(RoleName="role", AssumeRolePolicyDocument=json.dumps(TRUST))
    return client


def refusal(call: Json, **parameters: Json) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def without(key: str) -> str:
    statement = {name: value for name, value in STATEMENT.items() if name != key}
    return json.dumps({**TRUST, "Statement": [statement]})


def test_a_name_that_is_too_long(iam: Client) -> None:
    code, message = refusal(iam.create_role, RoleName="r" * 65, AssumeRolePolicyDocument=json.dumps(TRUST))
    assert code == "ValidationError"
    assert message.endswith(
        "at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "This policy contains invalid Json"),
        ("[]", "This policy contains invalid Json"),
        (without("Principal"), "Missing required field Principal"),
        (without("Action"), "Missing required field Action"),
    ],
)
def test_a_trust_policy_that_is_none(iam: Client, document: str, message: str) -> None:
    expected = ("MalformedPolicyDocument", message)
    assert refusal(iam.create_role, RoleName="other", AssumeRolePolicyDocument=document) == expected
    assert refusal(iam.update_assume_role_policy, RoleName="role", PolicyDocument=document) == expected


def test_inline_policies_together_have_a_limit(iam: Client) -> None:
    resources = [f"arn:aws:s3:::{'x' * 60}{number}" for number in range(80)]
    big = {**POLICY, "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": resources}]}
    document = json.dumps(big, indent=8)
    iam.put_role_policy(RoleName="role", PolicyName="one", PolicyDocument=document)
    iam.put_role_policy(RoleName="role", PolicyName="one", PolicyDocument=document)
    code, message = refusal(iam.put_role_policy, RoleName="role", PolicyName="two", PolicyDocument=document)
    assert (code, message) == ("LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role role")


def test_a_boundary_must_exist(iam: Client) -> None:
    assert (
        refusal(
            iam.put_role_permissions_boundary,
            RoleName="role",
            PermissionsBoundary="arn:aws:iam::aws:policy/Nope",
        )[0]
        == "NoSuchEntity"
    )
    iam.put_role_permissions_boundary(RoleName="role", PermissionsBoundary=FULL_ACCESS)


def test_update_role_changes_only_what_is_given(iam: Client) -> None:
    iam.update_role(RoleName="role", Description="mine", MaxSessionDuration=7200)
    iam.update_role(RoleName="role", MaxSessionDuration=3600)
    role = iam.get_role(RoleName="role")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("mine", 3600)


def test_a_role_with_policies_is_kept(iam: Client) -> None:
    iam.put_role_policy(RoleName="role", PolicyName="one", PolicyDocument=json.dumps(POLICY))
    assert refusal(iam.delete_role, RoleName="role")[0] == "DeleteConflict"
    iam.attach_role_policy(RoleName="role", PolicyArn=FULL_ACCESS)
    iam.delete_role_policy(RoleName="role", PolicyName="one")
    assert refusal(iam.delete_role, RoleName="role")[0] == "DeleteConflict"
    iam.detach_role_policy(RoleName="role", PolicyArn=FULL_ACCESS)
    iam.delete_role(RoleName="role")


def test_one_call_tells_all_of_every_role(iam: Client) -> None:
    iam.create_role(
        RoleName="whole",
        Path="/some/",
        AssumeRolePolicyDocument=json.dumps(TRUST),
        Tags=[{"Key": "a", "Value": "b"}],
        PermissionsBoundary=FULL_ACCESS,
    )
    iam.tag_role(RoleName="whole", Tags=[{"Key": "c", "Value": ""}])
    iam.put_role_policy(RoleName="whole", PolicyName="one", PolicyDocument=json.dumps(POLICY))
    iam.attach_role_policy(RoleName="whole", PolicyArn=FULL_ACCESS)
    details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    role = next(role for role in details if role["RoleName"] == "whole")
    assert role["AssumeRolePolicyDocument"] == TRUST
    assert role["RolePolicyList"] == [{"PolicyName": "one", "PolicyDocument": POLICY}]
    assert [policy["PolicyArn"] for policy in role["AttachedManagedPolicies"]] == [FULL_ACCESS]
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == {"a": "b", "c": ""}
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == FULL_ACCESS


def test_identity_providers(aws: RunningAws) -> None:
    iam = aws.client("iam")
    arn = iam.create_open_id_connect_provider(
        Url="https://oidc.example/id/1", ClientIDList=["one"], Tags=[{"Key": "a", "Value": "b"}]
    )["OpenIDConnectProviderArn"]
    assert refusal(iam.create_open_id_connect_provider, Url="https://oidc.example/id/1") == (
        "EntityAlreadyExists",
        "Provider with url https://oidc.example/id/1 already exists.",
    )
    for _ in range(2):
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["a"])
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert provider["ClientIDList"] == ["two"]
    assert len(provider["ThumbprintList"]) == 1
    tags = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"]
    assert tags == [{"Key": "c", "Value": "d"}]
    missing = {"OpenIDConnectProviderArn": arn + "x", "ClientID": "two"}
    assert refusal(iam.add_client_id_to_open_id_connect_provider, **missing)[0] == "NoSuchEntity"


def deletion(iam: Client) -> Json:
    task = iam.delete_service_linked_role(RoleName=LINKED)["DeletionTaskId"]
    first = iam.get_service_linked_role_deletion_status(DeletionTaskId=task)
    assert first["Status"] == "IN_PROGRESS"
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        last = iam.get_service_linked_role_deletion_status(DeletionTaskId=task)
        if last["Status"] != "IN_PROGRESS":
            return last
        time.sleep(0.1)
    pytest.fail("the deletion never ends")


def test_a_service_linked_role_lives_and_is_deleted(iam: Client) -> None:
    role = iam.create_service_linked_role(AWSServiceName=SERVICE, Description="scaling")["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{SERVICE}/{LINKED}"
    assert iam.get_role(RoleName=LINKED)["Role"]["Description"] == "scaling"
    assert refusal(iam.create_service_linked_role, AWSServiceName=SERVICE) == (
        "InvalidInput",
        f"Service role name {LINKED} has been taken in this account, please try a different suffix.",
    )
    assert refusal(iam.delete_role, RoleName=LINKED)[0] == "UnmodifiableEntity"
    iam.tag_role(RoleName=LINKED, Tags=[{"Key": "a", "Value": "b"}])
    assert deletion(iam)["Status"] == "SUCCEEDED"
    assert refusal(iam.get_role, RoleName=LINKED)[0] == "NoSuchEntity"


def test_a_service_linked_role_in_use_stays(aws: RunningAws, iam: Client) -> None:
    scaling = aws.client("application-autoscaling")
    sagemaker = aws.client("sagemaker")
    role = f"arn:aws:iam::{ACCOUNT}:role/role"
    sagemaker.create_model(ModelName="m", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=role)
    variant = {"ModelName": "m", "VariantName": "all", "InstanceType": "ml.c5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="c")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/e/variant/all",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    assert refusal(scaling.register_scalable_target, **target)[0] == "ValidationException"
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    missing = {**target, "ResourceId": "endpoint/e/variant/nope"}
    assert refusal(scaling.register_scalable_target, **missing, MinCapacity=1, MaxCapacity=2) == (
        "ValidationException",
        "Could not find variant 'nope' of endpoint 'e'.",
    )
    shown = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert [item["RoleARN"].rsplit("/", 1)[-1] for item in shown] == [LINKED]
    assert scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"] == []
    policy = {**target, "PolicyName": "p"}
    configuration = {
        "TargetValue": 5.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    put = {
        **policy,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    }
    scaling.put_scaling_policy(**put)
    assert deletion(iam)["Status"] == "FAILED"
    assert iam.get_role(RoleName=LINKED)
    scaling.deregister_scalable_target(**target)
    assert scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    for call, parameters in (
        (scaling.deregister_scalable_target, target),
        (scaling.put_scaling_policy, put),
        (scaling.delete_scaling_policy, policy),
    ):
        assert refusal(call, **parameters)[0] == "ObjectNotFoundException"
