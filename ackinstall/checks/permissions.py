"""What this identity may do: in AWS by IAM's own simulator, on the cluster by asking its authorizers."""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ackinstall import rights
from ackinstall.checks.check import AWS, DENIED, Check, Finding, Severity, failed, passed, unproven
from ackinstall.checks.context import Context
from ackinstall.documents import installer_policy
from ackinstall.errors import aws_code, translate
from ackinstall.facts import settled

CATEGORY = "permissions"


def _aws(context: Context) -> Finding:
    source = _source(context)
    if source.endswith(":root"):
        return passed("this is the account's root user")
    statements = json.loads(installer_policy(context.opening.choice))["Statement"]
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda one: _denied(context, source, one), statements)
            denied = list(dict.fromkeys(action for actions in answers for action in actions))
    except Exception as error:  # noqa: BLE001 (whatever it is, nothing is proven then)
        told = translate(error)
        is_expected = told.reference in DENIED or aws_code(error) in ("NoSuchEntity", "InvalidInput")
        return unproven(
            f"IAM does not let this identity ask what '{source}' may do" if is_expected else told.message,
            "allow it `iam:SimulatePrincipalPolicy` on itself; what `up` needs is printed by "
            "`ackinstall render --installer-policy`",
        )
    if denied:
        return failed(f"'{source}' may not call {_some(denied, 5)}", denied=denied)
    return passed(source)


def _source(context: Context) -> str:
    """Return the ARN whose policies the caller has; a role's path is not in its session's ARN."""
    arn = rights.principal(context.opening.caller.arn)
    kind, _, name = arn.rpartition(":")[2].partition("/")
    found = context.clients.roles.read(name) if kind == "role" else None
    return found.arn if found else arn


def _denied(context: Context, source: str, statement: Mapping[str, Any]) -> list[str]:
    """Return the actions of a statement that `source` (an ARN) may not call."""
    iam = context.clients.aws.client("iam")
    resources = [_filled(one, context) for one in _listed(statement["Resource"])]
    request: dict[str, Any] = {
        "PolicySourceArn": source,
        "ActionNames": _listed(statement["Action"]),
        "ContextEntries": list(_keys(statement.get("Condition", {}))),
    }
    if resources != ["*"]:
        request["ResourceArns"] = resources

    def ask() -> list[Mapping[str, Any]]:
        pages = iam.get_paginator("simulate_principal_policy").paginate(**request)
        return [one for page in pages for one in page["EvaluationResults"]]

    verdicts: dict[str, list[bool]] = {}
    for one in settled(ask, "iam"):
        verdicts.setdefault(one["EvalActionName"], []).append(one["EvalDecision"] == "allowed")
    # An action of S3 is either one on buckets or one on objects, and is never allowed on the other sort.
    enough = any if resources[0].split(":")[2:3] == ["s3"] else all
    return [action for action, allowed in verdicts.items() if not enough(allowed)]


def _keys(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for keys in condition.values():
        for key, values in keys.items():
            listed = _listed(values)
            sort = "string" if len(listed) == 1 else "stringList"
            yield {"ContextKeyName": key, "ContextKeyValues": listed, "ContextKeyType": sort}


def _filled(resource: str, context: Context) -> str:
    """Return a resource of the policy, which is for any account, as the ARN that it is on this target."""
    if resource == "*":
        return resource
    names, known = context.names, context.opening.known
    bucket = f"arn:{known.partition}:s3:::{names.bucket}"
    own = (names.provider_arn, names.controller_role_arn, names.execution_role_arn, bucket, f"{bucket}/key")
    exact = next((one for one in own if one and fnmatch.fnmatchcase(one, resource)), "")
    _, _, service, region, account, rest = resource.split(":", 5)
    region, account = region and known.region, account and known.account
    return exact or f"arn:{known.partition}:{service}:{region}:{account}:{rest}"


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _kubernetes(context: Context) -> Finding:
    namespace = context.profile.namespace
    needed = rights.to_look(namespace) + rights.to_carry_out(context.work, namespace)
    missing = [str(one) for one in rights.lacking(context.kube, needed)]
    if missing:
        return failed(f"this identity may not {_some(missing, 3)}", context.opening.grant, missing=missing)
    return passed(f"{len(needed)} rights")


def _some(told: Sequence[str], count: int) -> str:
    more = f" and {len(told) - count} more" if len(told) > count else ""
    return f"{', '.join(told[:count])}{more}"


CHECKS = (
    Check(
        id="aws-permissions",
        category=CATEGORY,
        description="IAM allows this identity what the profile needs",
        severity=Severity.FATAL,
        hint="allow the actions; `ackinstall render --installer-policy` prints the whole policy",
        look=_aws,
        needs=("cluster-active", "aws-account"),
        about=AWS,
    ),
    Check(
        id="kubernetes-permissions",
        category=CATEGORY,
        description="the cluster allows this identity what the profile needs",
        severity=Severity.FATAL,
        hint="ask an administrator of the cluster for the rights",
        look=_kubernetes,
        needs=("charts", "cluster-login"),
        in_run=True,
    ),
)
