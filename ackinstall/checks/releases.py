"""The Helm releases and the definitions: there, of the charts' versions, and as they were sent."""

from collections.abc import Iterable

from ackinstall.checks.check import Check, Finding, Severity, failed, passed
from ackinstall.checks.context import Context
from ackinstall.checks.objects import name_of
from ackinstall.errors import AckinstallError
from ackinstall.resource import Kind, Resource
from ackinstall.resources.crds import SHARED, Crds, is_established
from ackinstall.workloads import ACK

CATEGORY = "releases"


def _deployed(context: Context) -> Finding:
    found = context.read_releases()
    charts = {name: one.chart for name, one in found.items() if one and one.status == "deployed"}
    missing = [name for name, release in found.items() if release is None]
    if missing:
        return failed(f"there is no release '{missing[0]}' in '{context.profile.namespace}'", charts=charts)
    for name, release in found.items():
        if release and release.status != "deployed":
            return failed(f"the release '{name}' is '{release.status}'", charts=charts)
    return passed(", ".join(charts.values()), charts=charts)


def _current(context: Context) -> Finding:
    return _as_wanted(context, context.releases.values())


def _established(context: Context) -> Finding:
    groups = {f"{one.service}{ACK}" for one in context.profile.controllers}
    found = [one for one in context.all_definitions() if one["spec"]["group"] in {*groups, SHARED}]
    absent = sorted(groups - {one["spec"]["group"] for one in found})
    waiting = sorted(name_of(one) for one in found if not is_established(one))
    if absent:
        return failed(f"there are none of '{absent[0]}'")
    if waiting:
        return failed(f"{len(waiting)} of {len(found)} are not, '{waiting[0]}' first")
    return passed(f"{len(found)} definitions")


def _versions(context: Context) -> Finding:
    return _as_wanted(context, [one for one in context.opening.resources if isinstance(one, Crds)])


def _as_wanted(context: Context, resources: Iterable[Resource]) -> Finding:
    """Return whether the plan has nothing to do with these resources."""
    for one in resources:
        look = context.looks[one.id]
        if isinstance(look, AckinstallError):
            raise look
        if look.kind is Kind.CREATE:
            return failed(f"'{one.id}' is not there")
        if look.kind not in (Kind.NOTHING, Kind.LEAVE, Kind.WAIT):
            return failed(f"'{one.id}' differs in {', '.join(sorted(look.paths)) or look.reason}")
    return passed()


CHECKS = (
    Check(
        id="releases-deployed",
        category=CATEGORY,
        description="the controllers' releases are deployed",
        severity=Severity.FATAL,
        hint="run `{up}`",
        look=_deployed,
        needs=("helm", "cluster-login"),
        patience=60,
        in_run=True,
    ),
    Check(
        id="releases-current",
        category=CATEGORY,
        description="the releases are as the profile wants them",
        severity=Severity.WARNING,
        hint="see the differences with `{plan}`, mend them with `{up}`",
        look=_current,
        needs=("releases-deployed", "charts"),
        in_run=True,
    ),
    Check(
        id="definitions-established",
        category=CATEGORY,
        description="the definitions are established",
        severity=Severity.FATAL,
        hint="run `{up}`; `{kubectl} get crds` shows them",
        look=_established,
        needs=("cluster-login",),
        patience=60,
        in_run=True,
    ),
    Check(
        id="definitions-version",
        category=CATEGORY,
        description="the definitions are those of the charts",
        severity=Severity.WARNING,
        hint="see the differences with `{plan}`, mend them with `{up}`",
        look=_versions,
        needs=("definitions-established", "charts"),
        in_run=True,
    ),
)
