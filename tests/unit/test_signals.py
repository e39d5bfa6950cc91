"""Signals to a process that runs the engine: calls in flight end, no more is begun; a second ends at once.
One that waits for another run ends at the first.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from types import SimpleNamespace
import typer
from things import NO_CLIENTS, Thing, World, needs
from ackinstall import engine
from ackinstall.execution import stopped_by_signals
from ackinstall.errors import Interrupted
from ackinstall.reporting import reporting

def in_flight():
    print("begun", flush=True)
    sys.stdin.readline()
    print("ended", flush=True)

world = World(before={"create first": in_flight, "create second": lambda: print("second", flush=True)})
things = [Thing(name="first", world=world), Thing(name="second", world=world, needs=needs("first"))]
options = engine.Options()
changes = engine.plan(things, NO_CLIENTS, options)
try:
    with reporting(SimpleNamespace(params={}, info_name='up', parent=None)), stopped_by_signals(options.stop):
        ended = engine.run(changes, NO_CLIENTS, options, lambda step: None)
        print(*(one.status.value for one in ended), world.writes, flush=True)
        if options.stop.is_set():
            raise Interrupted
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


WAITING = """
import itertools
import signal
import sys
from types import SimpleNamespace
import typer
from ackinstall.cli import _interrupt
from ackinstall.lock import Claim, LeaseLock
from ackinstall.reporting import reporting

times = itertools.count()

def lease(_):
    spec = {"holderIdentity": "ann@elsewhere/4711", "renewTime": str(next(times))}
    return {"metadata": {"resourceVersion": "1"}, "spec": spec}

lock = LeaseLock(SimpleNamespace(get=lease), Claim(patience=3600), seconds=600)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, _interrupt)
try:
    with reporting(SimpleNamespace(params={}, info_name='up', parent=None)):
        with lock.held(lambda why: print("begun", flush=True)):
            print("held", flush=True)
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


def started(program: str = PROGRAM) -> "subprocess.Popen[str]":
    """Start a program and wait until its first call is in flight, or until it waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_call_in_flight_ends_and_no_more_is_begun(number: signal.Signals) -> None:
    """After a signal the call in flight is waited for, nothing is begun any more: exit 130."""
    with started() as process:
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        out, err = process.communicate("go\n", timeout=30)
    assert out == "ended\nskipped skipped ['create first']\n"
    assert err == (
        "error: stopped before the end [interrupted]\n  hint: run the same command again to go on\n"
    )
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    """A second signal does not wait for the call in flight."""
    with started() as process:
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(number)
        process.wait(30)
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waiting_for_another_run_ends_at_once(number: signal.Signals) -> None:
    """The first signal ends the wait, which looks again only every 20 s here: exit 130."""
    with started(WAITING) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert out == ""
    assert err.startswith("error: stopped before the end [interrupted]\n")
    assert process.returncode == 130
