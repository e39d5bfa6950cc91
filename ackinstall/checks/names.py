"""The names of what is to be made: free, ours, or what is there fits."""

from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.errors import AckinstallError
from ackinstall.resource import Change, Kind
from ackinstall.resources.bucket import Bucket

CATEGORY = "names"


def _names(context: Context) -> Finding:
    looks = {key: look for key, look in context.looks.items() if not key.startswith(f"{Bucket.kind}/")}
    error = next((look for look in looks.values() if isinstance(look, AckinstallError)), None)
    if error:
        raise error
    refused = [one for one in looks.values() if isinstance(one, Change) and one.kind is Kind.REFUSE]
    if refused:
        first, more = refused[0], f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        return failed(
            f"'{first.resource.id}' {first.reason}{more}",
            first.resource.advice,
            refused=[one.resource.id for one in refused],
        )
    return passed(f"{len(looks)} objects")


def _bucket(context: Context) -> Finding:
    for key, look in context.early_looks.items():
        if key.startswith(f"{Bucket.kind}/"):
            if isinstance(look, AckinstallError):
                raise look
            if look.kind is Kind.REFUSE:
                return failed(f"'{key}' {look.reason}", look.resource.advice)
    return passed(context.names.bucket or "none is wanted")


CHECKS = (
    Check(
        id="names",
        category=CATEGORY,
        description="the names are free, or what has them fits",
        severity=Severity.FATAL,
        hint="see what differs with `{plan}`",
        look=_names,
        needs=("charts", "cluster-login"),
        in_run=True,
    ),
    Check(
        id="bucket-name",
        category=CATEGORY,
        description="the bucket's name is free, or ours",
        severity=Severity.FATAL,
        hint="give another name with `{up} --set bucket.name=NAME`",
        look=_bucket,
        needs=("cluster-active", "aws-account"),
        in_run=True,
    ),
)
