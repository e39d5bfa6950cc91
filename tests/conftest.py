"""Fixtures for all tests: the worlds of tests/support."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.aws import InProcessAws
    from support.commands import Commands
    from support.world import World


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that renews the files of tests/golden."""
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


@pytest.fixture(scope="session")
def in_process_aws() -> "InProcessAws":
    """Make the AWS of this process once; each world that is asked for finds it empty."""
    from support.aws import InProcessAws  # noqa: PLC0415 (moto costs seconds, and not every test needs it)

    return InProcessAws()


@pytest.fixture
def world(in_process_aws: "InProcessAws") -> "World":
    """Make an empty account with one empty cluster, `demo`."""
    from support.world import World  # noqa: PLC0415 (same)

    in_process_aws.reset()
    return World(in_process_aws)


@pytest.fixture
def commands(world: "World", tmp_path: Path) -> "Commands":
    """The commands on an empty account with the clusters `demo` and `other`."""
    from support.commands import Commands  # noqa: PLC0415 (same)

    world.aws.add_clusters()
    return Commands(world, tmp_path)


@pytest.fixture
def installed(commands: "Commands") -> "Commands":
    """The commands on an installation on `demo`."""
    assert commands.run("up", "--cluster", "demo", "--yes").code == 0
    return commands
