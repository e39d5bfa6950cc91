"""A permissions boundary that a security team puts on a role of ours is not weakened."""

from typing import Any

import pytest
from support.commands import Commands

ROLE = "ack-controller-role-demo"
UP = ("up", "--cluster", "demo", "--yes")
THEIRS, OURS = (f"arn:aws:iam::aws:policy/{name}" for name in ("ReadOnlyAccess", "PowerUserAccess"))
NAMED = ("--set", f"controllerRole.permissionsBoundary={OURS}")


@pytest.fixture
def bounded(commands: Commands) -> Any:  # noqa: ANN401 (boto3's)
    """Install, and let somebody bound the role; give IAM."""
    assert commands.run(*UP).code == 0
    iam = commands.world.aws.client("iam")
    iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=THEIRS)
    return iam


def _boundary(iam: Any) -> str:  # noqa: ANN401 (boto3's)
    found: str = iam.get_role(RoleName=ROLE)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    return found


def test_it_is_left_where_the_profile_names_none(commands: Commands, bounded: Any) -> None:  # noqa: ANN401 (boto3's)
    """There is nothing to do, and what else differs is mended under it."""
    assert commands.run("plan", "--cluster", "demo", "--exit-code").code == 0
    bounded.delete_role_policy(RoleName=ROLE, PolicyName="SagemakerStudioAccess")
    assert commands.run(*UP).code == 0
    assert _boundary(bounded) == THEIRS


def test_it_is_not_replaced_by_the_profiles(commands: Commands, bounded: Any) -> None:  # noqa: ANN401 (boto3's)
    """A person has to decide, also with `--adopt`; a removal goes on."""
    for options in ((), ("--adopt",)):
        answer, changed = commands.changed_by(*UP, *NAMED, *options)
        assert (answer.code, changed) == (3, False)
        assert (
            f"'iam-role/{ROLE}' has the permissions boundary '{THEIRS}', which only a person" in answer.error
        )
    assert _boundary(bounded) == THEIRS
    assert commands.run("down", "--cluster", "demo", "--yes").code == 0


def test_the_profiles_is_set_where_there_is_none(commands: Commands) -> None:
    """And stays when the profile names none any more."""
    assert commands.run(*UP).code == 0
    assert commands.run(*UP, *NAMED).code == 0
    assert commands.run(*UP).code == 0
    assert _boundary(commands.world.aws.client("iam")) == OURS
