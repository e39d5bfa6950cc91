"""Settings and fixtures for the tests of single modules."""

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from support.broken import Broken
    from support.commands import Commands

# Seconds say nothing on a machine that does other things too.
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")


@pytest.fixture
def broken(commands: "Commands") -> "Broken":
    """An empty account with two clusters, nothing wrong yet."""
    from support.broken import Broken  # noqa: PLC0415 (moto costs seconds, and not every test needs it)

    return Broken(commands)
