"""Callers are held to their policies: users, groups, roles, boundaries, sessions, and what calls need."""

import json

import pytest
from botocore.exceptions import ClientError
from running_aws import ACCOUNT, CLUSTER, REGION, Client, Json, RunningAws
from test_sandbox_eks import login_token, review
from test_sandbox_faults import ask

USER = f"arn:aws:iam::{ACCOUNT}:user/ci"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
SCALING = "sagemaker.application-autoscaling.amazonaws.com"
LINKED = f"aws-service-role/{SCALING}/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


def allow(*actions: str, resource: Json = "*", **more: Json) -> Json:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def policy(*statements: Json) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Person:
    """A user who has the policy that was given last, and nothing else."""

    def __init__(self, aws: RunningAws, name: str = "ci") -> None:
        self._aws = aws
        self.name = name
        self.iam = aws.client("iam")
        self.iam.create_user(UserName=name)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.keys = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }

    def may(self, *statements: Json) -> None:
        self.iam.put_user_policy(UserName=self.name, PolicyName="p", PolicyDocument=policy(*statements))

    def client(self, service: str) -> Client:
        return self._aws.client(service, **self.keys)


@pytest.fixture
def ci(aws: RunningAws) -> Person:
    return Person(aws)


def refusal(call: Json, **parameters: Json) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"].startswith("AccessDenied")
    return str(caught.value.response["Error"]["Message"])


def test_a_new_user_may_only_ask_who_it_is(ci: Person) -> None:
    assert ci.client("sts").get_caller_identity()["Arn"] == USER
    assert refusal(ci.client("eks").describe_cluster, name=CLUSTER) == (
        f"User: {USER} is not authorized to perform: eks:DescribeCluster "
        f"on resource: arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER} "
        "because no identity-based policy allows the eks:DescribeCluster action"
    )


def test_a_policy_counts_at_once_and_for_its_resources(ci: Person) -> None:
    eks = ci.client("eks")
    ci.may(allow("eks:DescribeCluster", resource=f"arn:aws:eks:*:*:cluster/{CLUSTER}"))
    eks.describe_cluster(name=CLUSTER)
    assert refusal(eks.describe_cluster, name="other")
    ci.may(allow("eks:*"), {**allow("eks:Describe*"), "Effect": "Deny"})
    eks.list_clusters()
    assert refusal(eks.describe_cluster, name=CLUSTER).endswith(
        "with an explicit deny in an identity-based policy"
    )
    ci.iam.delete_user_policy(UserName="ci", PolicyName="p")
    assert refusal(eks.list_clusters)


def test_policies_of_groups_and_managed_ones(ci: Person) -> None:
    sagemaker = ci.client("sagemaker")
    ci.iam.create_group(GroupName="team")
    ci.iam.add_user_to_group(GroupName="team", UserName="ci")
    assert refusal(sagemaker.list_models)
    ci.iam.attach_group_policy(
        GroupName="team", PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    )
    sagemaker.list_models()
    ci.iam.remove_user_from_group(GroupName="team", UserName="ci")
    assert refusal(sagemaker.list_models)
    arn = ci.iam.create_policy(PolicyName="own", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    ci.iam.attach_user_policy(UserName="ci", PolicyArn=arn)
    assert refusal(sagemaker.list_models)
    ci.iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=policy(allow("sagemaker:*")), SetAsDefault=True
    )
    sagemaker.list_models()


def test_each_object_of_a_call_for_many_is_refused_by_itself(aws: RunningAws, ci: Person) -> None:
    owner, s3 = aws.client("s3"), ci.client("s3")
    owner.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in ("mine/a", "b"):
        owner.put_object(Bucket="bucket", Key=key, Body=b"")
    ci.may(allow("s3:DeleteObject", resource="arn:aws:s3:::bucket/mine/*"))
    objects = [{"Key": "mine/a"}, {"Key": "b"}]
    answer = s3.delete_objects(Bucket="bucket", Delete={"Objects": objects, "Quiet": True})
    (error,) = answer["Errors"]
    assert (error["Key"], error["Code"]) == ("b", "AccessDenied")
    assert error["Message"].startswith(
        f'User: {USER} is not authorized to perform: s3:DeleteObject on resource: "arn:aws:s3:::bucket/b"'
    )
    assert [one["Key"] for one in owner.list_objects_v2(Bucket="bucket")["Contents"]] == ["b"]


def test_a_permissions_boundary(ci: Person) -> None:
    bound = ci.iam.create_policy(PolicyName="bound", PolicyDocument=policy(allow("eks:*")))["Policy"]["Arn"]
    ci.may(allow("eks:*", "sagemaker:*"))
    ci.iam.put_user_permissions_boundary(UserName="ci", PermissionsBoundary=bound)
    ci.client("eks").list_clusters()
    assert refusal(ci.client("sagemaker").list_models).endswith(
        "because no permissions boundary allows the sagemaker:ListModels action"
    )
    ci.iam.delete_user_permissions_boundary(UserName="ci")
    ci.client("sagemaker").list_models()


def test_sessions_of_a_role(aws: RunningAws, ci: Person) -> None:
    ci.iam.create_role(RoleName="role", Path="/team/", AssumeRolePolicyDocument=TRUST)
    ci.iam.put_role_policy(RoleName="role", PolicyName="p", PolicyDocument=policy(allow("sagemaker:*")))
    role = f"arn:aws:iam::{ACCOUNT}:role/team/role"
    wanted = {"RoleArn": role, "RoleSessionName": "me"}
    assert role in refusal(ci.client("sts").assume_role, **wanted)
    ci.may(allow("sts:AssumeRole", resource=role))

    def sagemaker(**more: Json) -> Client:
        found = ci.client("sts").assume_role(**wanted, **more)["Credentials"]
        return aws.client(
            "sagemaker",
            aws_access_key_id=found["AccessKeyId"],
            aws_secret_access_key=found["SecretAccessKey"],
            aws_session_token=found["SessionToken"],
        )

    sagemaker().list_models()
    narrowed = sagemaker(Policy=policy(allow("sagemaker:List*")))
    narrowed.list_models()
    message = refusal(narrowed.describe_model, ModelName="m")
    assert message.startswith(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/role/me is not authorized")
    assert message.endswith("because no session policy allows the sagemaker:DescribeModel action")
    ci.iam.delete_role_policy(RoleName="role", PolicyName="p")
    assert refusal(sagemaker().list_models)


def container(**more: Json) -> Json:
    return {"Image": "i", "ModelDataUrl": "s3://b/k", **more}


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "needed"),
    [
        (
            "iam",
            "create_role",
            {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "Tags": [{"Key": "k", "Value": "v"}]},
            ["iam:CreateRole role/r", "iam:TagRole role/r"],
        ),
        (
            "iam",
            "create_open_id_connect_provider",
            {"Url": "https://o.example/id/1", "Tags": [{"Key": "k", "Value": "v"}]},
            [
                "iam:CreateOpenIDConnectProvider oidc-provider/o.example/id/1",
                "iam:TagOpenIDConnectProvider oidc-provider/o.example/id/1",
            ],
        ),
        (
            "iam",
            "create_service_linked_role",
            {"AWSServiceName": SCALING},
            [f"iam:CreateServiceLinkedRole role/{LINKED}"],
        ),
        (
            "iam",
            "get_service_linked_role_deletion_status",
            {"DeletionTaskId": "task/aws-service-role/s.amazonaws.com/R/0123"},
            ["iam:GetServiceLinkedRoleDeletionStatus role/aws-service-role/s.amazonaws.com/R"],
        ),
        ("iam", "list_access_keys", {}, ["iam:ListAccessKeys user/sandbox-administrator"]),
        ("iam", "list_open_id_connect_providers", {}, ["iam:ListOpenIDConnectProviders *"]),
        (
            "iam",
            "list_open_id_connect_provider_tags",
            {"OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/o.example"},
            ["iam:ListOpenIDConnectProviderTags oidc-provider/o.example"],
        ),
        (
            "s3",
            "create_bucket",
            {
                "Bucket": "bucket",
                "CreateBucketConfiguration": {
                    "LocationConstraint": REGION,
                    "Tags": [{"Key": "k", "Value": "v"}],
                },
            },
            ["s3:CreateBucket bucket", "s3:TagResource bucket"],
        ),
        ("s3", "list_buckets", {}, ["s3:ListAllMyBuckets *"]),
        ("s3", "get_object", {"Bucket": "b", "Key": "a/b"}, ["s3:GetObject b/a/b"]),
        (
            "s3",
            "delete_objects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y", "VersionId": "1"}]}},
            ["s3:DeleteObject b/x", "s3:DeleteObject b/y", "s3:DeleteObjectVersion b/y"],
        ),
        ("eks", "list_clusters", {}, ["eks:ListClusters *"]),
        ("eks", "list_access_entries", {"clusterName": "demo"}, ["eks:ListAccessEntries cluster/demo"]),
        (
            "eks",
            "describe_access_entry",
            {"clusterName": "demo", "principalArn": f"arn:aws:iam::{ACCOUNT}:role/p/r"},
            [f"eks:DescribeAccessEntry access-entry/demo/role/{ACCOUNT}/r/*"],
        ),
        (
            "sagemaker",
            "create_model",
            {
                "ModelName": "m",
                "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/x",
                "PrimaryContainer": container(),
                "Tags": [{"Key": "k", "Value": "v"}],
            },
            ["sagemaker:CreateModel model/m", "sagemaker:AddTags model/m", "iam:PassRole role/x"],
        ),
        (
            "sagemaker",
            "create_endpoint",
            {"EndpointName": "e", "EndpointConfigName": "c"},
            ["sagemaker:CreateEndpoint endpoint/e", "sagemaker:CreateEndpoint endpoint-config/c"],
        ),
        (
            "sagemaker",
            "describe_user_profile",
            {"DomainId": "d-1", "UserProfileName": "u"},
            ["sagemaker:DescribeUserProfile user-profile/d-1/u"],
        ),
        (
            "sagemaker",
            "update_endpoint_weights_and_capacities",
            {"EndpointName": "e", "DesiredWeightsAndCapacities": [{"VariantName": "v"}]},
            ["sagemaker:UpdateEndpointWeightsAndCapacities endpoint/e"],
        ),
        (
            "application-autoscaling",
            "register_scalable_target",
            {
                "ServiceNamespace": "sagemaker",
                "ResourceId": "endpoint/e/variant/v",
                "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/x",
            },
            [
                "application-autoscaling:RegisterScalableTarget scalable-target/*",
                "iam:PassRole role/x",
                f"iam:CreateServiceLinkedRole role/{LINKED}",
            ],
        ),
        (
            "application-autoscaling",
            "describe_scalable_targets",
            {"ServiceNamespace": "sagemaker"},
            ["application-autoscaling:DescribeScalableTargets *"],
        ),
        ("cloudwatch", "delete_alarms", {"AlarmNames": ["a"]}, ["cloudwatch:DeleteAlarms alarm:a"]),
        ("logs", "describe_log_streams", {"logGroupName": "g"}, ["logs:DescribeLogStreams log-group:g:*"]),
    ],
)
def test_what_calls_need(
    aws: RunningAws, service: str, operation: str, parameters: Json, needed: list[str]
) -> None:
    ask(aws, "DELETE", "calls")
    try:
        getattr(aws.client(service), operation)(**parameters)
    except ClientError as error:
        assert not error.response["Error"]["Code"].startswith("AccessDenied")  # noqa: PT017 - nor any other
    needs = ask(aws, "GET", "calls")[0]["needs"]
    assert [f"{need['action']} {need['resource'].split(':', 5)[-1]}" for need in needs] == needed


def test_a_role_is_passed_to_its_service_only(ci: Person) -> None:
    sagemaker, role = ci.client("sagemaker"), f"arn:aws:iam::{ACCOUNT}:role/execution"
    model = {"ModelName": "m", "ExecutionRoleArn": role, "PrimaryContainer": container()}
    ci.may(allow("sagemaker:*"))
    assert refusal(sagemaker.create_model, **model) == (
        f"User: {USER} is not authorized to perform: iam:PassRole on resource: {role} "
        "because no identity-based policy allows the iam:PassRole action"
    )
    for service, allowed in (("glue.amazonaws.com", False), ("sagemaker.amazonaws.com", True)):
        condition = {"StringEquals": {"iam:PassedToService": service}}
        ci.may(allow("sagemaker:*"), allow("iam:PassRole", resource=role, Condition=condition))
        if allowed:
            sagemaker.create_model(**model)
        else:
            assert refusal(sagemaker.create_model, **model)


def test_tags_and_names_of_services_as_conditions(ci: Person) -> None:
    iam = ci.client("iam")
    ci.may(
        allow("iam:CreateRole", "iam:TagRole", Condition={"StringEquals": {"aws:RequestTag/team": "ack"}}),
        allow("iam:DeleteRole", Condition={"StringEquals": {"aws:ResourceTag/team": "ack"}}),
        allow(
            "iam:CreateServiceLinkedRole",
            Condition={"StringEquals": {"iam:AWSServiceName": SCALING}},
        ),
    )
    role = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}
    assert refusal(iam.create_role, **role)
    assert refusal(iam.create_role, **role, Tags=[{"Key": "team", "Value": "other"}])
    iam.create_role(**role, Tags=[{"Key": "team", "Value": "ack"}])
    ci.iam.create_role(**{**role, "RoleName": "other"})
    assert refusal(iam.delete_role, RoleName="other")
    iam.delete_role(RoleName="r")
    assert refusal(iam.create_service_linked_role, AWSServiceName="eks.amazonaws.com")
    iam.create_service_linked_role(AWSServiceName=SCALING)


def test_the_simulator_answers_as_the_calls_do(ci: Person) -> None:
    iam = ci.client("iam")
    role = f"arn:aws:iam::{ACCOUNT}:role/execution"
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    ci.may(
        allow("iam:PassRole", resource=role, Condition=condition),
        allow("eks:*", resource=f"arn:aws:eks:*:*:cluster/{CLUSTER}"),
        {**allow("eks:DeleteCluster"), "Effect": "Deny"},
    )
    assert USER in refusal(
        iam.simulate_principal_policy, PolicySourceArn=USER, ActionNames=["eks:DescribeCluster"]
    )

    def decisions(actions: list[str], *resources: str, **more: Json) -> list[tuple[str, str, str]]:
        found = ci.iam.simulate_principal_policy(
            PolicySourceArn=USER, ActionNames=actions, ResourceArns=list(resources), **more
        )
        return [
            (one["EvalActionName"], each["EvalResourceName"], each["EvalResourceDecision"])
            for one in found["EvaluationResults"]
            for each in one["ResourceSpecificResults"]
        ]

    cluster = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
    assert decisions(["eks:DescribeCluster", "eks:DeleteCluster"], cluster, f"{cluster}-2") == [
        ("eks:DescribeCluster", cluster, "allowed"),
        ("eks:DescribeCluster", f"{cluster}-2", "implicitDeny"),
        ("eks:DeleteCluster", cluster, "explicitDeny"),
        ("eks:DeleteCluster", f"{cluster}-2", "explicitDeny"),
    ]
    (whole,) = ci.iam.simulate_principal_policy(PolicySourceArn=USER, ActionNames=["eks:DescribeCluster"])[
        "EvaluationResults"
    ]
    assert (whole["EvalResourceName"], whole["EvalDecision"]) == ("*", "implicitDeny")
    assert "ResourceSpecificResults" not in whole
    context = {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyType": "string",
        "ContextKeyValues": ["sagemaker.amazonaws.com"],
    }
    assert decisions(["iam:PassRole"], role)[0][2] == "implicitDeny"
    assert decisions(["iam:PassRole"], role, ContextEntries=[context])[0][2] == "allowed"
    with pytest.raises(ClientError, match="NoSuchEntity"):
        ci.iam.simulate_principal_policy(PolicySourceArn=f"{USER}-2", ActionNames=["eks:ListClusters"])


def test_the_simulator_names_the_policy_that_denies_and_the_keys_that_are_missing(ci: Person) -> None:
    ci.may(
        allow("iam:*"),
        {**allow("iam:DeleteRole"), "Effect": "Deny"},
        {
            **allow("iam:GetRole", Condition={"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
            "Effect": "Deny",
        },
    )
    role = f"arn:aws:iam::{ACCOUNT}:role/execution"
    asked = {"PolicySourceArn": USER, "ActionNames": ["iam:DeleteRole", "iam:GetRole", "iam:TagRole"]}
    found = ci.iam.simulate_principal_policy(**asked, ResourceArns=[role])["EvaluationResults"]
    told = [
        (
            one["EvalDecision"],
            [each["SourcePolicyId"] for each in one["ResourceSpecificResults"][0]["MatchedStatements"]],
            one["MissingContextValues"],
            one["ResourceSpecificResults"][0]["MissingContextValues"],
        )
        for one in found
    ]
    assert told == [
        ("explicitDeny", ["user_ci_p"], [], []),
        ("explicitDeny", ["user_ci_p"], *[["aws:MultiFactorAuthPresent"]] * 2),
        ("allowed", ["user_ci_p"], [], []),
    ]


def test_the_simulator_does_not_judge_all_actions_together(ci: Person) -> None:
    asked = {"PolicySourceArn": USER, "ActionNames": ["s3:CreateBucket", "s3:TagResource"]}
    with pytest.raises(ClientError, match=r"InvalidInput.*require different authorization information"):
        ci.iam.simulate_principal_policy(**asked, ResourceArns=["arn:aws:s3:::b"])
    assert len(ci.iam.simulate_principal_policy(**asked)["EvaluationResults"]) == 2


def test_policies_and_boundaries_of_roles_as_conditions(ci: Person) -> None:
    iam = ci.client("iam")
    power, read = (
        ci.iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("*")))["Policy"]["Arn"]
        for name in ("power", "read")
    )
    bounded = {"iam:PermissionsBoundary": power}
    ci.may(
        allow(
            "iam:CreateRole",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:PutRolePermissionsBoundary",
            Condition={"ArnLike": bounded},
        ),
        allow("iam:AttachRolePolicy", "iam:DetachRolePolicy", Condition={"ArnLike": {"iam:PolicyARN": read}}),
    )
    role = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}
    inline = {"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy(allow("s3:*"))}
    assert refusal(iam.create_role, **role)
    assert refusal(iam.create_role, **role, PermissionsBoundary=read)
    ci.iam.create_role(**role)
    assert refusal(iam.put_role_policy, **inline)
    assert refusal(iam.put_role_permissions_boundary, RoleName="r", PermissionsBoundary=read)
    iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary=power)
    iam.put_role_policy(**inline)
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    assert refusal(iam.attach_role_policy, RoleName="r", PolicyArn=power)
    iam.attach_role_policy(RoleName="r", PolicyArn=read)
    iam.detach_role_policy(RoleName="r", PolicyArn=read)


def test_the_simulator_knows_boundaries_and_more_policies(ci: Person) -> None:
    bound = policy(allow("eks:*"))
    found = ci.iam.simulate_principal_policy(
        PolicySourceArn=USER,
        ActionNames=["eks:ListClusters", "iam:ListRoles"],
        PolicyInputList=[policy(allow("*"))],
        PermissionsBoundaryPolicyInputList=[bound],
    )["EvaluationResults"]
    assert [
        (one["EvalDecision"], one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"])
        for one in found
    ] == [("allowed", True), ("implicitDeny", False)]


def test_the_actions_of_a_role_that_is_passed_can_be_refused_on_purpose(aws: RunningAws) -> None:
    ask(aws, "POST", "faults", {"deny": {"iam:PassRole": "*"}})
    assert "iam:PassRole" in refusal(
        aws.client("sagemaker").create_model,
        ModelName="m",
        ExecutionRoleArn=f"arn:aws:iam::{ACCOUNT}:role/x",
        PrimaryContainer=container(),
    )


def test_a_new_user_logs_in_to_the_cluster_once_it_has_an_access_entry(aws: RunningAws, ci: Person) -> None:
    token = login_token(aws, **ci.keys)
    assert "has no access entry" in review(aws, token)["error"]
    eks = aws.client("eks")
    eks.create_access_entry(clusterName=CLUSTER, principalArn=USER)
    eks.associate_access_policy(
        clusterName=CLUSTER,
        principalArn=USER,
        policyArn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
        accessScope={"type": "cluster"},
    )
    user = review(aws, token)["user"]
    assert (user["username"], user["groups"]) == (USER, ["system:masters"])
