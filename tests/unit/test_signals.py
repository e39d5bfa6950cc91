"""Signals to a process that runs the engine: calls in flight end, no more is begun; a second ends at once."""

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
from ackinstall.cli import _reporting
from ackinstall.execution import stopped_by_signals
from ackinstall.errors import Interrupted

def in_flight():
    print("begun", flush=True)
    sys.stdin.readline()
    print("ended", flush=True)

world = World(before={"create first": in_flight, "create second": lambda: print("second", flush=True)})
things = [Thing(name="first", world=world), Thing(name="second", world=world, needs=needs("first"))]
options = engine.Options()
changes = engine.plan(things, NO_CLIENTS, options)
try:
    with _reporting(SimpleNamespace(params={}, info_name='up')), stopped_by_signals(options.stop):
        ended = engine.run(changes, NO_CLIENTS, options, lambda step: None)
        print(*(one.status.value for one in ended), world.writes, flush=True)
        if options.stop.is_set():
            raise Interrupted
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


def started() -> "subprocess.Popen[str]":
    """Start the program and wait until its first call is in flight."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
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
