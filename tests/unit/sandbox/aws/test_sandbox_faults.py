"""Faults on purpose, and the record of calls."""

import json
import time
import urllib.error
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from running_aws import ACCOUNT, REGION, Client, Json, RunningAws

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:user/sandbox-administrator"


def ask(aws: RunningAws, method: str, path: str, body: Json = None) -> Json:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{aws.url}/sandbox/{path}", data, method=method)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as reply:  # noqa: S310 - loopback
        return json.load(reply)


def refused(aws: RunningAws, method: str, path: str, body: Json = None) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(aws, method, path, body)
    with caught.value as error:
        return error.code, error.read().decode().strip()


def error_of(call: Json, **parameters: Json) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make_role(aws: RunningAws, name: str = "role") -> None:
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)


def test_faults_are_merged_shown_and_cleared(aws: RunningAws) -> None:
    ask(aws, "POST", "faults", {"latency": {"iam": 0.1}, "throttle": {"eks": 2}})
    ask(aws, "POST", "faults", {"latency": {"*": 0.0}})
    assert ask(aws, "GET", "faults") == {"latency": {"iam": 0.1, "*": 0.0}, "throttle": {"eks": 2}}
    assert ask(aws, "DELETE", "faults") == {}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the body is no JSON"),
        (b"[]", "the body is no JSON object"),
        ({"latencies": {}}, "'latencies' was unexpected"),
        ({"latency": {"iam": "slow"}}, "'latency.iam': 'slow' is not of type 'number'"),
        ({"throttle": {"iam": -1}}, "'throttle.iam': -1 is less than the minimum of 0"),
        ({"latency": {"iams": 1}}, "'latency.iams': there is no service 'iams'"),
        ({"deny": {"iam:MakeRole": "*"}}, "'deny.iam:MakeRole': there is no operation 'MakeRole' of 'iam'"),
        ({"lose_reply": {"iam": 1}}, "'lose_reply': 'iam' does not match"),
    ],
)
def test_what_cannot_be_set_is_named(aws: RunningAws, body: Json, sentence: str) -> None:
    status, text = refused(aws, "POST", "faults", body)
    assert status == 400
    assert sentence in text
    assert "\n" not in text


def test_an_address_that_is_not_there(aws: RunningAws) -> None:
    assert refused(aws, "GET", "nope")[0] == 404
    assert refused(aws, "DELETE", "ready") == (405, "'/sandbox/ready' takes GET, not DELETE")


def test_latency(aws: RunningAws) -> None:
    iam = aws.client("iam")
    iam.list_roles()
    ask(aws, "POST", "faults", {"latency": {"iam": 0.3}})
    started = time.monotonic()
    iam.list_roles()
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("iam", "list_roles", "Throttling"),
        ("sagemaker", "list_models", "ThrottlingException"),
        ("eks", "list_clusters", "ThrottlingException"),
        ("s3", "list_buckets", "SlowDown"),
    ],
)
def test_throttling_and_a_client_that_retries(
    aws: RunningAws, service: str, operation: str, code: str
) -> None:
    ask(aws, "POST", "faults", {"throttle": {service: 1}})
    assert error_of(getattr(aws.client(service), operation))[0] == code
    ask(aws, "POST", "faults", {"throttle": {service: 1}})
    patient = aws.client(service, config=Config(retries={"mode": "standard", "max_attempts": 3}))
    assert getattr(patient, operation)()["ResponseMetadata"]["RetryAttempts"] == 1


def test_a_lost_reply_of_a_call_that_was_carried_out(aws: RunningAws) -> None:
    ask(aws, "POST", "faults", {"lose_reply": {"iam:CreateRole": 1}})
    with pytest.raises(ConnectionClosedError):
        make_role(aws)
    assert error_of(make_role, aws=aws)[0] == "EntityAlreadyExists"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "code", "resource"),
    [
        (
            "iam",
            "create_role",
            {"RoleName": "r", "Path": "/p/", "AssumeRolePolicyDocument": TRUST},
            "iam:CreateRole",
            "AccessDenied",
            f"arn:aws:iam::{ACCOUNT}:role/p/r",
        ),
        (
            "iam",
            "create_open_id_connect_provider",
            {"Url": "https://oidc.example/id/1"},
            "iam:CreateOpenIDConnectProvider",
            "AccessDenied",
            f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example/id/1",
        ),
        (
            "eks",
            "describe_cluster",
            {"name": "demo"},
            "eks:DescribeCluster",
            "AccessDeniedException",
            f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/demo",
        ),
        (
            "sagemaker",
            "describe_training_job",
            {"TrainingJobName": "j"},
            "sagemaker:DescribeTrainingJob",
            "AccessDeniedException",
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/j",
        ),
        (
            "s3",
            "get_public_access_block",
            {"Bucket": "b"},
            "s3:GetBucketPublicAccessBlock",
            "AccessDenied",
            '"arn:aws:s3:::b"',
        ),
    ],
)
def test_a_refused_action_is_worded_as_in_aws(  # noqa: PLR0913, PLR0917 - one refusal has so many parts
    aws: RunningAws, service: str, operation: str, parameters: Json, action: str, code: str, resource: str
) -> None:
    ask(aws, "POST", "faults", {"deny": {action: "*"}})
    assert error_of(getattr(aws.client(service), operation), **parameters) == (
        code,
        (
            f"User: {ADMINISTRATOR} is not authorized to perform: {action} on resource: {resource} "
            f"because no identity-based policy allows the {action} action"
        ),
    )


def test_a_refusal_by_resource_and_of_an_operation_with_another_action(aws: RunningAws) -> None:
    ask(aws, "POST", "faults", {"deny": {"iam:CreateRole": "arn:*:role/no-*", "s3:HeadBucket": "*"}})
    make_role(aws, "yes")
    assert error_of(make_role, aws=aws, name="no-role")[0] == "AccessDenied"
    assert error_of(aws.client("s3").head_bucket, Bucket="b")[0] == "403"
    ask(aws, "DELETE", "faults")
    make_role(aws, "no-role")


def names(iam: Client) -> list[str]:
    return [role["RoleName"] for role in iam.list_roles()["Roles"]]


def test_stale_reads_answer_as_before_the_write(aws: RunningAws) -> None:
    iam = aws.client("iam")
    make_role(aws, "other")
    ask(aws, "POST", "faults", {"stale": {"iam": 1}})
    assert error_of(iam.get_role, RoleName="role")[0] == "NoSuchEntity"
    assert names(iam) == ["other"]
    make_role(aws)
    assert error_of(iam.get_role, RoleName="role")[0] == "NoSuchEntity"
    assert names(iam) == ["other"]
    assert iam.get_role(RoleName="other")["Role"]["RoleName"] == "other"
    deadline = time.monotonic() + 10
    while "role" not in names(iam):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert iam.get_role(RoleName="role")["Role"]["RoleName"] == "role"


def test_stale_reads_end_with_the_fault(aws: RunningAws) -> None:
    """What was read while reads were stale is forgotten once they are not."""
    iam = aws.client("iam")
    ask(aws, "POST", "faults", {"stale": {"iam": 60}})
    assert names(iam) == []
    ask(aws, "DELETE", "faults")
    make_role(aws)
    assert names(iam) == ["role"]
    ask(aws, "POST", "faults", {"stale": {"iam": 60}})
    assert names(iam) == ["role"]


def test_calls_are_recorded_without_secrets(aws: RunningAws) -> None:
    make_role(aws)
    aws.client("sts").get_caller_identity()
    error_of(aws.client("iam").get_role, RoleName="nope")
    error_of(
        aws.client("sts").assume_role_with_web_identity,
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/role",
        RoleSessionName="me",
        WebIdentityToken=aws.token(),
    )
    made = ask(aws, "GET", "calls")
    assert [(call["service"], call["operation"], call["write"], call["status"]) for call in made] == [
        ("iam", "CreateRole", True, 200),
        ("sts", "GetCallerIdentity", False, 200),
        ("iam", "GetRole", False, 404),
        ("sts", "AssumeRoleWithWebIdentity", False, 400),
    ]
    assert made[0]["parameters"] == {"RoleName": "role"}
    assert made[0]["caller"] == ADMINISTRATOR
    assert set(made[3]["parameters"]) == {"RoleArn", "RoleSessionName"}
    assert ask(aws, "DELETE", "calls") == []
