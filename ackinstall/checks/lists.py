"""The two lists of checks, in the order in which they are shown."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from ackinstall.checks import (
    aws_objects,
    charts,
    cluster,
    drift,
    identity,
    names,
    namespace,
    nodes,
    others,
    permissions,
    pods,
    proof,
    releases,
    workloads,
)
from ackinstall.checks.check import Check, Severity, left_out
from ackinstall.errors import UsageError
from ackinstall.mistakes import did_you_mean
from ackinstall.resource import SETTLED, Change


def before() -> list[Check]:
    """Return what has to hold before an installation; all of it can be asked when nothing is there yet."""
    modules = (identity, cluster, permissions, nodes, namespace, others, charts, names)
    return [check for module in modules for check in module.CHECKS]


def after() -> list[Check]:
    """Return what proves an installation; what opens the target comes first."""
    opening = [one for one in before() if one.opens]
    # A registry that does not answer says nothing about what is installed.
    first = [replace(one, severity=Severity.WARNING) if one.id == "charts" else one for one in opening]
    modules = (releases, pods, proof, workloads, aws_objects, drift)
    return [*first, *(check for module in modules for check in module.CHECKS)]


def require_known(ids: Iterable[str]) -> None:
    """Raise UsageError for an id that no check has."""
    there = [one.id for one in (*before(), *after())]
    for id_ in ids:
        if id_ not in there:
            raise UsageError(
                "unknown-check",
                f"there is no check '{id_}'{did_you_mean(id_, there)}",
                "name an id as it stands behind 'more' in the output of `check`, such as "
                "`--skip-check nodes-room`",
            )


def without(checks: Iterable[Check], ids: Collection[str]) -> list[Check]:
    """Return the checks, those with one of the `ids` left out."""
    return [left_out(one) if one.id in ids else one for one in checks]


def before_removal() -> list[Check]:
    """Return what has to hold before a removal."""
    return [check for check in permissions.CHECKS if check.about]


def for_run(checks: Iterable[Check], changes: Iterable[Change]) -> list[Check]:
    """Return those of the checks that a run does not find out by itself, and that matter for what
    its plan touches.
    """
    touched = {change.resource.kind for change in changes if change.kind not in SETTLED}
    return [one for one in checks if not one.in_run and (not one.about or one.about & touched)]
