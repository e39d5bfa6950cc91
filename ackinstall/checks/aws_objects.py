"""The objects in AWS that jobs use: SageMaker can act as the execution role, which can use the bucket."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ackinstall.checks.check import Check, Finding, Severity, failed, passed, unproven
from ackinstall.checks.context import Context
from ackinstall.errors import is_absent, translate
from ackinstall.facts import settled
from ackinstall.policies import canonical
from ackinstall.resources.role_book import FoundRole

CATEGORY = "aws objects"
SERVICE = "sagemaker.amazonaws.com"
SOURCE = "aws:sourceaccount"


def _role(context: Context) -> Finding:
    name = context.names.execution_role
    if not name:
        return passed("the profile wants none")
    role = context.clients.roles.known(name)
    if role is None:
        return failed(f"there is no role '{name}'")
    if not any(_lets_in(one, context.opening.known.account) for one in canonical(role.trust)["Statement"]):
        return failed(f"the trust policy of '{name}' does not let '{SERVICE}' in")
    return passed(role.arn)


def _lets_in(statement: Mapping[str, Any], account: str) -> bool:
    principal = statement.get("Principal") or {}
    sources = [
        account in values
        for keys in (statement.get("Condition") or {}).values()
        for key, values in keys.items()
        if key == SOURCE
    ]
    return (
        statement.get("Effect") == "Allow"
        and "sts:assumerole" in statement.get("Action", ())
        and SERVICE in principal.get("Service", ())
        and all(sources)
    )


def _bucket(context: Context) -> Finding:
    names = context.names
    if not (names.bucket and names.execution_role):
        return passed("the profile wants none")
    role = context.clients.roles.known(names.execution_role)
    if role is None:
        return failed(f"there is no role '{names.execution_role}'")
    s3 = context.clients.aws.client("s3")
    if not settled(lambda: _is_there(s3, names.bucket), names.bucket, seconds=2):
        return failed(f"there is no bucket '{names.bucket}'")
    try:
        denied = _denied(context, role)
    except Exception as error:  # noqa: BLE001 (told as what it is)
        told = translate(error)
        return unproven(told.message, told.hint)
    if denied:
        return failed(f"'{role.name}' may not call {', '.join(denied)} on '{names.bucket}'")
    return passed(names.bucket)


def _is_there(s3: Any, bucket: str) -> bool:  # noqa: ANN401 (boto3's)
    try:
        s3.get_bucket_location(Bucket=bucket)
    except Exception as error:
        if is_absent(error):
            return False
        raise
    return True


def _denied(context: Context, role: FoundRole) -> list[str]:
    iam = context.clients.aws.client("iam")
    bucket = f"arn:{context.opening.known.partition}:s3:::{context.names.bucket}"
    asked = ((("s3:ListBucket",), bucket), (("s3:GetObject", "s3:PutObject"), f"{bucket}/key"))
    requests = [
        {"PolicySourceArn": role.arn, "ActionNames": list(actions), "ResourceArns": [resource]}
        for actions, resource in asked
    ]
    with ThreadPoolExecutor(len(requests)) as pool:
        ask = lambda one: settled(partial(iam.simulate_principal_policy, **one), "iam")  # noqa: E731 (one line)
        answers = list(pool.map(ask, requests))
    results = [one for answer in answers for one in answer["EvaluationResults"]]
    return [one["EvalActionName"] for one in results if one["EvalDecision"] != "allowed"]


CHECKS = (
    Check(
        id="execution-role",
        category=CATEGORY,
        description="SageMaker can act as the execution role",
        severity=Severity.FATAL,
        hint="run `{up}`",
        look=_role,
        needs=("cluster-active", "aws-account"),
        in_run=True,
    ),
    Check(
        id="execution-bucket",
        category=CATEGORY,
        description="the execution role can use the bucket",
        severity=Severity.WARNING,
        hint="run `{up}`; `{plan}` shows what differs",
        look=_bucket,
        needs=("cluster-active", "aws-account"),
        in_run=True,
    ),
)
