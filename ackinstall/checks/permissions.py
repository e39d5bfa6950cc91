"""What this identity may do: in AWS by IAM's own simulator, on the cluster by asking its authorizers."""

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ackinstall import iam_policy, rights
from ackinstall.checks.check import AWS, DENIED, Check, Finding, Severity, failed, passed, unproven
from ackinstall.checks.context import Context
from ackinstall.errors import aws_code, translate
from ackinstall.facts import settled
from ackinstall.forbidden import remedy
from ackinstall.words import some

CATEGORY = "permissions"


def _aws(context: Context) -> Finding:
    source = _source(context)
    if source.endswith(":root"):
        return passed("this is the account's root user")
    known = context.opening.known
    place = iam_policy.Place(
        partition=known.partition, account=known.account, region=known.region, cluster=context.cluster
    )
    statements = iam_policy.document(context.profile, place, iam_policy.INSTALL)["Statement"]
    whole = f"`{context.words['iam_policy']}` prints all that is needed"
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda one: _denied(context, source, one), statements))
    except Exception as error:  # noqa: BLE001 (whatever it is, nothing is proven then)
        told = translate(error)
        is_expected = told.reference in DENIED or aws_code(error) in ("NoSuchEntity", "InvalidInput")
        return unproven(
            f"IAM does not let this identity ask what '{source}' may do" if is_expected else told.message,
            f"allow it `iam:SimulatePrincipalPolicy` on itself; {whole}",
        )
    denied = list(dict.fromkeys(action for actions in answers for action in actions))
    if denied:
        lacking = [
            {**one, "Action": actions} for one, actions in zip(statements, answers, strict=True) if actions
        ]
        return failed(
            f"'{source}' may not call {some(denied, 5)}",
            f"allow it in its policies: {json.dumps(lacking)}; {whole}",
            denied=denied,
        )
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
    return [action for action, allowed in verdicts.items() if not all(allowed)]


def _keys(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for keys in condition.values():
        for key, values in keys.items():
            listed = _listed(values)
            sort = "string" if len(listed) == 1 else "stringList"
            yield {"ContextKeyName": key, "ContextKeyValues": listed, "ContextKeyType": sort}


def _filled(resource: str, context: Context) -> str:
    """Return a resource of the policy; of the one that it does not know whole, the provider, the ARN."""
    provider = context.names.provider_arn
    return provider if resource != "*" and fnmatch.fnmatchcase(provider, resource) else resource


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _kubernetes(context: Context) -> Finding:
    namespace = context.profile.namespace
    needed = rights.to_look(namespace) + rights.to_carry_out(context.work, namespace)
    lacking = rights.lacking(context.kube, needed)
    if lacking:
        missing = [str(one) for one in lacking]
        hint = f"{remedy(context.kube.user(), lacking)}; or {context.opening.grant()}"
        return failed(f"this identity may not {some(missing, 3)}", hint, missing=missing)
    return passed(f"{len(needed)} rights")


CHECKS = (
    Check(
        id="aws-permissions",
        category=CATEGORY,
        description="IAM allows this identity what the profile needs",
        severity=Severity.FATAL,
        hint="allow the actions; `{iam_policy}` prints them",
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
