"""A sandbox for each process of the test run, in the state that a test asks for: `bare` or `installed`.

The state is looked at, not remembered: a test that leaves disorder costs its successor a new sandbox, and
nothing else.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed

from ackinstall.sandbox.assembly import Wishes, needed_parts
from ackinstall.sandbox.building import ensure
from ackinstall.sandbox.layout import names
from ackinstall.sandbox.parts import PartsMissing, missing
from ackinstall.sandbox.progress import Progress

HERE = Path(__file__).parent
NAME = re.compile(r"real-\w+-(\d+)(-\w+)?")
"""A sandbox of these tests: the xdist worker and its process id, by which those of a killed run are known."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and skip them, with the reason, where the parts cannot be had."""
    mine = [item for item in items if item.path.is_relative_to(HERE)]
    reasons = missing(needed_parts(Wishes("real"))) if mine else {}
    for item in mine:
        item.add_marker(pytest.mark.real)
        item.add_marker(pytest.mark.timeout(900))
        if reasons:
            item.add_marker(pytest.mark.skip(reason=PartsMissing(reasons).message))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Make the parts now, where no test's time runs: the first build takes minutes."""
    wanted = [item for item in session.items if item.get_closest_marker("real")]
    if any(not item.get_closest_marker("skip") for item in wanted) and not session.config.option.collectonly:
        ensure(needed_parts(Wishes("real")), Progress())


class Home:
    """Where the tests of one process live: a sandbox, and what it held before anything was installed."""

    def __init__(self, name: str) -> None:
        self.world = Sandboxed(name)
        self.empty: Inventory = inventory(self.world)

    def renew(self) -> None:
        """Start again from nothing."""
        self.world.stop()
        self.world = Sandboxed(self.world.name)
        self.empty = inventory(self.world)


@pytest.fixture(scope="session")
def home(worker_id: str) -> Iterator[Home]:
    """Start the sandbox; stop it at the end, also of a run that is broken off."""
    name = f"real-{worker_id}-{os.getpid()}"
    for other in names():
        found = NAME.fullmatch(other)
        if found and not psutil.pid_exists(int(found[1])):
            Sandboxed.remove(other)
    try:
        one = Home(name)
        yield one
    finally:
        Sandboxed.remove(name)


@pytest.fixture
def bare(home: Home) -> Iterator[Sandboxed]:
    """Give the sandbox with nothing installed."""
    if inventory(home.world) != home.empty:
        home.renew()
    yield home.world
    home.world.mend_aws()


@pytest.fixture
def empty(home: Home) -> Inventory:
    """Give the inventory from before anything was installed; to be asked for after the sandbox itself."""
    return home.empty


@pytest.fixture
def installed(home: Home) -> Iterator[Sandboxed]:
    """Give the sandbox with everything installed and as wanted, and no custom resources."""
    if home.world.custom_resources() or home.world.try_up().returncode != 0:
        home.renew()
        home.world.up()
    yield home.world
    home.world.mend_aws()
