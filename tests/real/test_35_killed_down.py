"""`down` with workloads alive, killed again and again at random moments, loses nothing and leaves nothing."""

import os
import random
import signal
import subprocess

import answers
import pytest
import tutorials
from inventory import Inventory, inventory
from sandboxed import LONGEST, Sandboxed

KILLS = 20
SEED = 7420
LONGEST_LIFE = 8.0
"""Seconds that a run may live; a `down` that is let live takes about a minute, most of it in waiting."""


def test_twenty_kills(installed: Sandboxed, empty: Inventory, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty SIGKILLs at random moments of `down --workloads delete` with the tutorials' six custom resources
    alive. The kills of a round fall on one teardown, each after a random time of a run that goes on where the
    one before was killed; when a run gets to its end in its time, a new round begins with everything
    installed and deployed again. After each round nothing is left.
    """
    world, chance = installed, random.Random(SEED)  # noqa: S311 (repeatable on purpose)
    rounds: list[int] = []
    while sum(rounds) < KILLS:
        world.up()
        tutorials.deploy(world, tutorials.names(7500 + len(rounds)))
        rounds.append(_kill_until_done(world, chance, KILLS - sum(rounds)))
        assert answers.down(world, "--workloads", "delete") == {}
        world.kubectl("delete", "namespace", "team")
        assert tutorials.without_jobs(inventory(world)) == empty
    with capsys.disabled():
        print(f"\n  kills by round: {rounds}", end=" ")  # noqa: T201 (told on purpose)


def _kill_until_done(world: Sandboxed, chance: random.Random, most: int) -> int:
    """Run `down` and kill it, with the helm that it runs, until a run ends by itself or `most` were killed;
    return how many were.
    """
    for count in range(most):
        process = world.spawn("down", "--yes", "--workloads", "delete")
        try:
            code = process.wait(chance.uniform(0.5, LONGEST_LIFE))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(LONGEST)
        else:
            assert code == 0
            return count
    return most
