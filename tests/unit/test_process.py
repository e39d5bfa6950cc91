"""Which process it is: only one that surely ran here, and does not any more, is gone."""

import os
import subprocess
import sys

import pytest
from tables import cases

from ackinstall import process

HERE = process.identify(os.getpid())
pytestmark = pytest.mark.skipif(not HERE, reason="this system does not tell processes apart")


def test_a_process_that_has_ended_is_gone() -> None:
    """While it runs it is not, also when it is somebody else's; afterwards it is."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as one:
        identity = process.identify(one.pid)
        assert not process.is_gone(identity)
    assert process.is_gone(identity)
    assert process.identify(one.pid) == ""
    assert not process.is_gone(HERE)
    assert not process.is_gone(process.identify(1))


PLACE, NUMBER, STARTED = (HERE or "a/b 1 2").split(" ")
BOOT, NAMESPACE = PLACE.split("/", 1)
IDENTITIES = [
    ("the id was given again", f"{PLACE} {NUMBER} {int(STARTED) - 1}", True),
    ("another container's", f"{BOOT}/pid:[1] {NUMBER} {int(STARTED) - 1}", False),
    ("another machine's", f"3d2e/{NAMESPACE} {NUMBER} {int(STARTED) - 1}", False),
    ("nothing is told", "", False),
    ("not understood", f"{PLACE} first {STARTED}", False),
    ("too large", f"{PLACE} {2**70} {STARTED}", False),
]


@pytest.mark.parametrize(("identity", "is_gone"), cases(IDENTITIES))
def test_who_is_gone(identity: str, is_gone: bool) -> None:  # noqa: FBT001 (a table's column)
    """A process id says something only where it was given, and together with when the process started."""
    assert process.is_gone(identity) is is_gone
