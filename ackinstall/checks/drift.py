"""What has changed since the installation: in the world, and in what is published."""

from packaging.version import InvalidVersion, Version

from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.resource import SETTLED
from ackinstall.words import some

CATEGORY = "drift"


def _drift(context: Context) -> Finding:
    changes = [one for one in context.changes if one.kind not in SETTLED]
    if changes:
        told = some([f"'{one.resource.id}'" for one in changes], 3)
        return failed(
            f"{told} are not as the profile wants them", changes=[one.resource.id for one in changes]
        )
    return passed(f"{len(context.changes)} objects are as wanted")


def _versions(context: Context) -> Finding:
    told, beyond = [], []
    for controller in context.profile.controllers:
        fitting, newest = context.opening.published[controller.service]
        release = context.deployed[controller.release]
        installed = release.chart.rpartition("-")[2] if release else ""
        if _is_newer(fitting, installed):
            return failed(
                f"'{controller.release}' is {installed}, {fitting} is published",
                f"run `{context.choice.again('up', '--upgrade')}`",
            )
        told.append(f"{controller.service} {installed}")
        if _is_newer(newest, installed):
            beyond.append(f"{controller.service} {newest}")
    more = f"; beyond the profile's range: {', '.join(beyond)}" if beyond else ""
    return passed(f"{', '.join(told)}{more}")


def _is_newer(one: str, other: str) -> bool:
    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False


CHECKS = (
    Check(
        id="drift",
        category=CATEGORY,
        description="everything is as the profile wants it",
        severity=Severity.WARNING,
        hint="see the differences with `{plan}`, mend them with `{up}`",
        look=_drift,
        needs=("charts",),
        in_run=True,
    ),
    Check(
        id="newer-versions",
        category=CATEGORY,
        description="no newer chart in the profile's range is published",
        severity=Severity.WARNING,
        hint="run `{up} --upgrade`",
        look=_versions,
        needs=("releases-deployed", "charts"),
        in_run=True,
    ),
)
