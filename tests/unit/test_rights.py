"""The rights that a plan takes on the cluster: those that Helm's calls need too."""

from typing import cast

from ackinstall.resource import Change, Kind, Resource
from ackinstall.rights import Right, to_carry_out


def needed(kind: Kind) -> set[Right]:
    """Return the rights that something happening to a release takes."""
    release = cast("Resource", type("Release", (), {"kind": "helm-release"}))
    return set(to_carry_out([Change(kind, release)], "ml"))


def test_helm_updates_the_secrets_of_a_release() -> None:
    """A release is marked as deployed by an update, as uninstalling too; old revisions are deleted."""
    for kind in (Kind.CREATE, Kind.UPDATE, Kind.DELETE):
        assert {Right(verb, "", "secrets", "ml") for verb in ("get", "list", "update")} <= needed(kind)
    assert Right("patch", "", "secrets", "ml") not in needed(Kind.CREATE)
    assert Right("delete", "", "secrets", "ml") not in needed(Kind.CREATE)
    assert Right("delete", "", "secrets", "ml") in needed(Kind.UPDATE)


def test_helm_looks_before_it_writes() -> None:
    """It reads each object before it makes it, to tell whether another release has it."""
    assert {Right(verb, "apps", "deployments", "ml") for verb in ("get", "create", "patch")} <= needed(
        Kind.CREATE
    )
