"""The two lists of checks, in the order in which they are shown."""

from collections.abc import Iterable
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
from ackinstall.checks.check import Check, Severity
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


def for_run(checks: Iterable[Check], changes: Iterable[Change]) -> list[Check]:
    """Return those of the checks that a run of `up` does not find out by itself, and that matter for what
    its plan touches.
    """
    touched = {change.resource.kind for change in changes if change.kind not in SETTLED}
    return [one for one in checks if not one.in_run and (not one.about or one.about & touched)]
