"""Clusters, their access entries, and logging in to them."""

import base64
import json
import re
import urllib.request

import pytest
from botocore.exceptions import ClientError
from botocore.signers import RequestSigner
from running_aws import ACCOUNT, CLUSTER, ISSUER, REGION, Json, RunningAws

ADMINISTRATOR = f"arn:aws:iam::{ACCOUNT}:user/sandbox-administrator"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def login_token(aws: RunningAws, cluster: str = CLUSTER, expires: int = 60, **keys: Json) -> str:
    client = aws.client("sts", **keys)
    signer: RequestSigner = client._request_signer
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"{aws.url}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        operation_name="GetCallerIdentity",
        region_name=REGION,
        expires_in=expires,
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def review(aws: RunningAws, token: str, version: str = "v1") -> Json:
    body = {
        "apiVersion": f"authentication.k8s.io/{version}",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{aws.url}/sandbox/authenticate", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:  # noqa: S310 - loopback
        answer = json.load(reply)
    assert answer["apiVersion"] == body["apiVersion"]
    return answer["status"]


def test_the_cluster_is_the_one_that_is_there(aws: RunningAws) -> None:
    cluster = aws.client("eks").describe_cluster(name=CLUSTER)["cluster"]
    assert cluster["status"] == "ACTIVE"
    assert cluster["endpoint"] == "https://127.0.0.1:6443"
    assert base64.b64decode(cluster["certificateAuthority"]["data"]) == b"PEM of the CA"
    assert cluster["identity"]["oidc"]["issuer"] == ISSUER
    assert cluster["version"] == "1.36"
    assert re.fullmatch(r"eks\.\d+", cluster["platformVersion"])


def test_a_new_cluster_is_creating_first(aws: RunningAws) -> None:
    eks = aws.client("eks")
    vpc = {"subnetIds": ["subnet-1"]}
    made = eks.create_cluster(name="other", roleArn=f"arn:aws:iam::{ACCOUNT}:role/c", resourcesVpcConfig=vpc)
    assert made["cluster"]["status"] == "CREATING"
    assert "endpoint" not in made["cluster"]
    assert eks.describe_cluster(name="other")["cluster"]["status"] == "CREATING"
    eks.get_waiter("cluster_active").wait(name="other", WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    issuer = eks.describe_cluster(name="other")["cluster"]["identity"]["oidc"]["issuer"]
    assert re.fullmatch(rf"https://oidc\.eks\.{REGION}\.amazonaws\.com/id/[0-9A-F]{{32}}", issuer)
    assert sorted(eks.list_clusters()["clusters"]) == [CLUSTER, "other"]


def test_an_unknown_cluster(aws: RunningAws) -> None:
    with pytest.raises(ClientError, match="No cluster found for name: nope") as caught:
        aws.client("eks").describe_cluster(name="nope")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_lists_of_what_is_not_there_are_empty(aws: RunningAws) -> None:
    eks = aws.client("eks")
    assert eks.list_capabilities(clusterName=CLUSTER)["capabilities"] == []
    assert eks.list_pod_identity_associations(clusterName=CLUSTER)["associations"] == []
    assert eks.list_addons(clusterName=CLUSTER)["addons"] == []
    assert eks.list_identity_provider_configs(clusterName=CLUSTER)["identityProviderConfigs"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        eks.list_addons(clusterName="nope")


def test_access_entries(aws: RunningAws) -> None:
    eks = aws.client("eks")
    role = f"arn:aws:iam::{ACCOUNT}:role/ops/viewer"
    made = eks.create_access_entry(clusterName=CLUSTER, principalArn=role, kubernetesGroups=["viewers"])
    assert made["accessEntry"]["username"].endswith(":assumed-role/viewer/{{SessionName}}")
    eks.associate_access_policy(
        clusterName=CLUSTER, principalArn=role, policyArn=VIEW, accessScope={"type": "cluster"}
    )
    assert set(eks.list_access_entries(clusterName=CLUSTER)["accessEntries"]) == {ADMINISTRATOR, role}
    assert eks.list_access_entries(clusterName=CLUSTER, associatedPolicyArn=VIEW)["accessEntries"] == [role]
    described = eks.describe_access_entry(clusterName=CLUSTER, principalArn=role)["accessEntry"]
    assert described["kubernetesGroups"] == ["viewers"]
    policies = eks.list_associated_access_policies(clusterName=CLUSTER, principalArn=role)
    assert [policy["policyArn"] for policy in policies["associatedAccessPolicies"]] == [VIEW]
    eks.disassociate_access_policy(clusterName=CLUSTER, principalArn=role, policyArn=VIEW)
    eks.delete_access_entry(clusterName=CLUSTER, principalArn=role)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        eks.describe_access_entry(clusterName=CLUSTER, principalArn=role)


def test_an_access_entry_exists_once_and_takes_no_system_group(aws: RunningAws) -> None:
    eks = aws.client("eks")
    with pytest.raises(ClientError, match="ResourceInUseException"):
        eks.create_access_entry(clusterName=CLUSTER, principalArn=ADMINISTRATOR)
    with pytest.raises(ClientError, match="cannot start with system:"):
        eks.create_access_entry(
            clusterName=CLUSTER,
            principalArn=f"arn:aws:iam::{ACCOUNT}:user/u",
            kubernetesGroups=["system:masters"],
        )


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_the_administrator_logs_in(aws: RunningAws, version: str) -> None:
    status = review(aws, login_token(aws), version)
    assert status["authenticated"] is True
    assert status["user"]["username"] == ADMINISTRATOR
    assert status["user"]["groups"] == ["system:masters"]


def test_a_session_of_a_role_with_a_path_logs_in(aws: RunningAws) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/ops/viewer"
    aws.client("iam").create_role(
        RoleName="viewer",
        Path="/ops/",
        AssumeRolePolicyDocument=json.dumps(
            {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
        ),
    )
    eks = aws.client("eks")
    eks.create_access_entry(clusterName=CLUSTER, principalArn=role, kubernetesGroups=["viewers"])
    scope = {"type": "namespace", "namespaces": ["one"]}
    eks.associate_access_policy(clusterName=CLUSTER, principalArn=role, policyArn=VIEW, accessScope=scope)
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    status = review(
        aws,
        login_token(
            aws,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        ),
    )
    assert status["user"]["username"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/viewer/me"
    assert status["user"]["groups"] == ["eks:view:one", "viewers"]


def test_refused_logins_say_why(aws: RunningAws) -> None:
    user = aws.client("iam").create_user(UserName="stranger")["User"]
    key = aws.client("iam").create_access_key(UserName="stranger")["AccessKey"]
    stranger = login_token(
        aws, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    wrong_secret = login_token(aws, aws_secret_access_key="x" * 40)
    unknown_key = login_token(aws, aws_access_key_id="AKIAXXXXXXXXXXXXXXXX")
    cases = {
        stranger: f"'{user['Arn']}' has no access entry",
        login_token(aws, "other"): "another cluster than 'demo'",
        wrong_secret: "does not match the signature",
        unknown_key: "security token included in the request is invalid",
        login_token(aws, expires=901): "X-Amz-Expires",
        "nonsense": "no EKS token",
        "k8s-aws-v1.AAA": "no presigned GetCallerIdentity",
    }
    for token, error in cases.items():
        status = review(aws, token)
        assert status["authenticated"] is False
        assert error in status["error"]
