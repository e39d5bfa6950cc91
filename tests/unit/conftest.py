"""Settings and fixtures for the tests of single modules."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from support.broken import Broken
    from support.world import World

# Seconds say nothing on a machine that does other things too.
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")


@pytest.fixture
def broken(world: "World", tmp_path: Path) -> "Broken":
    """An empty account with two clusters, nothing wrong yet."""
    from support.broken import Broken  # noqa: PLC0415 (moto costs seconds, and not every test needs it)
    from support.commands import Commands  # noqa: PLC0415 (same)

    world.aws.add_clusters()
    return Broken(Commands(world, tmp_path))
