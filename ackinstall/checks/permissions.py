"""What this identity may do: in AWS by IAM's own simulator, on the cluster by asking its authorizers."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ackinstall import iam_policy, rights, simulation
from ackinstall.checks.check import AWS, DENIED, Check, Finding, Severity, failed, passed, unproven
from ackinstall.checks.context import Context
from ackinstall.errors import translate
from ackinstall.forbidden import remedy
from ackinstall.policies import Document
from ackinstall.simulation import Cause, Verdict
from ackinstall.words import some

CATEGORY = "permissions"


def _aws(context: Context) -> Finding:
    opening = context.opening
    source = rights.principal(opening.caller.arn)
    if source.endswith(":root"):
        return passed("this is the account's root user")
    place = iam_policy.place_of(opening.caller.arn, opening.aws.region, context.cluster)
    statements = [one for change in context.aws_plan for one in iam_policy.needed(change, place)]
    try:
        iam = opening.aws.client("iam")
        source = _with_path(iam, source)
        verdicts = simulation.ask(iam, source, statements)
    except Exception as error:  # noqa: BLE001 (whatever it is, nothing is proven then)
        told = translate(error)
        return unproven(
            f"IAM does not let this identity ask what '{source}' may do"
            if told.reference in DENIED
            else told.message,
            f"allow it `iam:SimulatePrincipalPolicy` on itself; {_whole(context)}",
        )
    denied = [one for one in verdicts if one.is_denied]
    if denied:
        return failed(
            f"'{source}' may not call {some([str(one) for one in denied], 3)}",
            "; ".join((*_remedies(source, denied, statements), _whole(context))),
            denied=list(dict.fromkeys(one.action for one in denied)),
        )
    if still_open := [one for one in verdicts if one.is_open]:
        keys = sorted({key for one in still_open for key in one.missing})
        return unproven(
            f"whether '{source}' may call {some([str(one) for one in still_open], 3)} depends on "
            f"{', '.join(map(repr, keys))}, which only a real call has",
            "nothing is to be done where they allow it under these conditions; `aws iam "
            f"get-context-keys-for-principal-policy --policy-source-arn {source}` lists what they ask for",
            actions=list(dict.fromkeys(one.action for one in still_open)),
            keys=keys,
        )
    return passed(f"{source}, {len(verdicts)} rights")


def _with_path(iam: Any, arn: str) -> str:  # noqa: ANN401 (boto3's clients are made at run time)
    """Return the ARN of a caller as IAM has it: a session's does not tell its role's path, and who may not
    look at the role is asked about as if it had none.
    """
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind != "role":
        return arn
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except Exception as error:
        if translate(error).reference in DENIED:
            return arn
        raise


def _whole(context: Context) -> str:
    return f"`{context.words['iam_policy']}` prints all that is needed"


def _remedies(source: str, denied: Sequence[Verdict], statements: Iterable[Document]) -> Iterator[str]:
    """Yield what helps, by what decided."""
    by_cause = {cause: [one for one in denied if one.cause is cause] for cause in Cause}
    if silent := by_cause[Cause.SILENT]:
        yield f"allow it in the policies of '{source}': {json.dumps(list(_lacking(silent, statements)))}"
    if denying := by_cause[Cause.DENY]:
        named = sorted({f"'{policy}'" for one in denying for policy in one.policies})
        where = f"in {', '.join(named)}" if named else f"in the policies of '{source}'"
        yield f"another Allow does not help: the Deny {where} has to except {_actions(denying)}"
    if bounded := by_cause[Cause.BOUNDARY]:
        yield f"the permissions boundary of '{source}' has to allow {_actions(bounded)} too"
    if barred := by_cause[Cause.ORGANIZATION]:
        yield (
            f"an administrator of the organization has to allow {_actions(barred)} in its service control "
            "policies"
        )


def _actions(verdicts: Iterable[Verdict]) -> str:
    return ", ".join(dict.fromkeys(one.action for one in verdicts))


def _lacking(denied: Iterable[Verdict], statements: Iterable[Document]) -> Iterator[Document]:
    """Yield the statements with no more than the actions that are denied."""
    lacking = {(one.action, one.resource) for one in denied}
    for statement in statements:
        actions, resources = simulation.listed(statement["Action"]), simulation.listed(statement["Resource"])
        missing = [one for one in actions if any((one, resource) in lacking for resource in resources)]
        if missing:
            yield {**statement, "Action": missing}


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
        description="IAM allows this identity what the plan needs",
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
