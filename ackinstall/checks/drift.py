"""What has changed since the installation: in the world, and in what is published."""

from concurrent.futures import ThreadPoolExecutor

from packaging.version import InvalidVersion, Version

from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.profile import Controller
from ackinstall.resource import SETTLED
from ackinstall.words import some

CATEGORY = "drift"
ANY = ">=0"


def _drift(context: Context) -> Finding:
    changes = [one for one in context.changes if one.kind not in SETTLED]
    if changes:
        told = some([f"'{one.resource.id}'" for one in changes], 3)
        return failed(
            f"{told} are not as the profile wants them", changes=[one.resource.id for one in changes]
        )
    return passed(f"{len(context.changes)} objects are as wanted")


def _versions(context: Context) -> Finding:
    def newest(controller: Controller, wanted: str) -> str:
        return context.clients.helm.resolve(controller.chart, wanted)

    controllers = context.profile.controllers
    with ThreadPoolExecutor(8) as pool:
        fitting = [pool.submit(newest, one, one.version) for one in controllers]
        published = [pool.submit(newest, one, ANY) for one in controllers]
        found = zip(controllers, fitting, published, strict=True)
        told = []
        for controller, in_range, of_all in found:
            release = context.release(controller)
            installed = release.chart.rpartition("-")[2] if release else ""
            if _is_newer(in_range.result(), installed):
                return failed(
                    f"'{controller.release}' is {installed}, {in_range.result()} is published",
                    f"run `ackinstall up --cluster {context.cluster} --upgrade`",
                )
            beyond = of_all.result()
            more = f", {beyond} is beyond the profile's range" if _is_newer(beyond, installed) else ""
            told.append(f"{controller.service} {installed}{more}")
    return passed("; ".join(told))


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
        hint="see the differences with `ackinstall plan --cluster {cluster}`, mend them with `ackinstall up`",
        look=_drift,
        needs=("charts",),
        in_run=True,
    ),
    Check(
        id="newer-versions",
        category=CATEGORY,
        description="no newer chart in the profile's range is published",
        severity=Severity.WARNING,
        hint="run `ackinstall up --cluster {cluster} --upgrade`",
        look=_versions,
        needs=("releases-deployed", "charts"),
        in_run=True,
    ),
)
