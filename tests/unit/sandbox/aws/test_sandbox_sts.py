"""Callers, and web identities that assume roles."""

import json

import jwt
import pytest
from botocore.exceptions import ClientError
from running_aws import ACCOUNT, ISSUER, Client, Json, RunningAws, new_key

SUBJECT = "system:serviceaccount:ack-system:ack-sagemaker-controller"
PROVIDER = ISSUER.removeprefix("https://")


def trust_policy(**changes: Json) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{PROVIDER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{PROVIDER}:aud": "sts.amazonaws.com", f"{PROVIDER}:sub": SUBJECT}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **changes}]})


@pytest.fixture
def iam(aws: RunningAws) -> Client:
    client = aws.client("iam")
    client.create_open_id_connect_provider(Url=ISSUER, ClientIDList=["sts.amazonaws.com"])
    client.create_role(RoleName="controller", AssumeRolePolicyDocument=trust_policy())
    return client


def assume(aws: RunningAws, token: str, role: str = "controller") -> Json:
    return aws.client("sts").assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="session", WebIdentityToken=token
    )


def refusal(aws: RunningAws, token: str, role: str = "controller") -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        assume(aws, token, role)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_administrator_is_a_user(aws: RunningAws) -> None:
    identity = aws.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/sandbox-administrator"
    assert identity["Account"] == ACCOUNT


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("eks", "list_clusters", "UnrecognizedClientException"),
        ("sagemaker", "list_models", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ],
)
def test_an_unknown_key_is_refused(aws: RunningAws, service: str, operation: str, code: str) -> None:
    client = aws.client(service, aws_access_key_id="AKIAXXXXXXXXXXXXXXXX")
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)()
    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("service", ["sts", "s3", "eks", "sagemaker", "application-autoscaling"])
def test_a_wrong_secret_is_refused(aws: RunningAws, service: str) -> None:
    operations = {
        "sts": ("get_caller_identity", {}),
        "s3": ("list_buckets", {}),
        "eks": ("describe_cluster", {"name": "demo"}),
        "sagemaker": ("list_models", {}),
        "application-autoscaling": ("describe_scalable_targets", {"ServiceNamespace": "sagemaker"}),
    }
    operation, parameters = operations[service]
    getattr(aws.client(service), operation)(**parameters)
    with pytest.raises(ClientError) as caught:
        getattr(aws.client(service, aws_secret_access_key="x" * 40), operation)(**parameters)
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_a_service_account_assumes_its_role_and_its_keys_work(aws: RunningAws, iam: Client) -> None:
    iam.attach_role_policy(
        RoleName="controller", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    )
    result = assume(aws, aws.token())
    credentials = result["Credentials"]
    temporary = {
        "aws_access_key_id": credentials["AccessKeyId"],
        "aws_secret_access_key": credentials["SecretAccessKey"],
        "aws_session_token": credentials["SessionToken"],
    }
    identity = aws.client("sts", **temporary).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/controller/session"
    assert identity["UserId"] == result["AssumedRoleUser"]["AssumedRoleId"]
    assert result["SubjectFromWebIdentityToken"] == SUBJECT
    assert aws.client("sagemaker", **temporary).list_models()["Models"] == []
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        aws.client("sts", **{**temporary, "aws_session_token": "other"}).get_caller_identity()


@pytest.mark.usefixtures("iam")
@pytest.mark.parametrize(
    ("claims", "code", "message"),
    [
        ({"aud": ["other"]}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"iss": ISSUER + "/"}, "InvalidIdentityToken", "No OpenIDConnect provider found"),
        ({"exp": 1_700_000_001}, "ExpiredTokenException", "Token expired"),
        ({"sub": "system:serviceaccount:ack-system:other"}, "AccessDenied", "Not authorized to perform"),
    ],
)
def test_a_wrong_claim_is_refused(aws: RunningAws, claims: Json, code: str, message: str) -> None:
    refused = refusal(aws, aws.token(**claims))
    assert refused[0] == code
    assert message in refused[1]


@pytest.mark.usefixtures("iam")
def test_what_is_no_token_of_the_issuer_is_refused(aws: RunningAws) -> None:
    claims = jwt.decode(aws.token(), options={"verify_signature": False})
    foreign = jwt.encode(claims, new_key(), algorithm="RS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in (foreign, unsigned, "nonsense"):
        assert refusal(aws, token)[0] == "InvalidIdentityToken"


def test_a_role_without_provider_or_at_all(aws: RunningAws) -> None:
    assert refusal(aws, aws.token())[0] == "InvalidIdentityToken"
    aws.client("iam").create_open_id_connect_provider(Url=ISSUER, ClientIDList=["sts.amazonaws.com"])
    assert refusal(aws, aws.token())[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"Condition": {"StringEquals": {f"{PROVIDER}:sub": ["other", SUBJECT]}}}, True),
        ({"Condition": {"StringLike": {f"{PROVIDER}:sub": "system:serviceaccount:ack-system:*"}}}, True),
        ({"Condition": {"StringEquals": {f"{PROVIDER}:sub": "system:serviceaccount:ack-system:*"}}}, False),
        ({"Condition": {"StringEquals": {f"https://{PROVIDER}:sub": SUBJECT}}}, False),
        ({"Condition": {"StringNotEquals": {f"{PROVIDER}:sub": SUBJECT}}}, False),
        ({"Principal": {"Service": "sagemaker.amazonaws.com"}}, False),
        ({"Action": "sts:AssumeRole"}, False),
        ({"Effect": "Deny"}, False),
    ],
)
def test_trust_policies(aws: RunningAws, iam: Client, changes: Json, *, allowed: bool) -> None:
    iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=trust_policy(**changes))
    if allowed:
        assert assume(aws, aws.token(), "trusting")["Credentials"]["AccessKeyId"]
    else:
        assert refusal(aws, aws.token(), "trusting")[0] == "AccessDenied"


def test_an_unknown_condition_operator_is_named(aws: RunningAws, iam: Client) -> None:
    condition = {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
    iam.create_role(RoleName="dated", AssumeRolePolicyDocument=trust_policy(Condition=condition))
    assert "'DateGreaterThan'" in refusal(aws, aws.token(), "dated")[1]


def test_an_operation_that_nobody_answers_is_named(aws: RunningAws) -> None:
    with pytest.raises(ClientError, match=r"does not support 'iam:GenerateOrganizationsAccessReport'"):
        aws.client("iam").generate_organizations_access_report(EntityPath="o-1234567890/r-1234")
