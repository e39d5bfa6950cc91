"""How long `up`, `up` again, `plan` and `down` take where AWS is as far away as it is from most desks.

    python tests/bench.py [--rounds 3] [--json]

Each round starts on a bare sandbox whose AWS calls are slowed down by LATENCY. For each command it measures
the wall time (s) of the whole process, counts its AWS calls, and computes its critical path (s): the longest
chain of AWS calls of which each began after the one before it had ended, where the length of a chain is the
sum of its calls' durations as the sandbox measured them (latency and service time; not the way there and
back). A call that really depends on another one begins after its end, so no order of the same calls in which
dependences hold is faster than the longest dependent chain; calls that merely happened to follow one another
count too, so the number is an upper bound of that. Wall ÷ path says how much of a command is anything but
waiting for AWS: starting Python and Helm, Kubernetes, pods. Of several rounds the medians are told, because
machines are noisy; wall times are those of a machine that does nothing else.
"""

import argparse
import json
import os
import statistics
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from real.sandboxed import Calls, Sandboxed

LATENCY = {"iam": 0.150, "sts": 0.060, "eks": 0.120, "s3": 0.080}
"""Seconds that a call of a service takes longer."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One command of one round, or the medians of several; times in seconds."""

    command: str
    wall: float
    path: float
    calls: int
    writes: int
    services: Mapping[str, int] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Wall time as a multiple of the critical path."""
        return self.wall / self.path if self.path else 0.0


def critical_path(calls: Calls) -> float:
    """Return the length of the longest chain of calls that do not overlap (see above), in seconds.

    This is weighted interval scheduling: the best chain that ends by a call's end either leaves the call out
    or adds it to the best chain that had ended when it began.
    """
    spans = sorted((call["time"] + call["seconds"], call["time"], call["seconds"]) for call in calls)
    ends = [end for end, _, _ in spans]
    best = [0.0]
    for count, (_, start, seconds) in enumerate(spans):
        # The record rounds times to milliseconds.
        before = bisect_right(ends, start + 0.001, hi=count)
        best.append(max(best[-1], best[before] + seconds))
    return best[-1]


def measured(world: Sandboxed, command: str, run: Callable[[], object]) -> Measured:
    """Run a command and measure it."""
    world.forget_calls()
    began = time.monotonic()
    run()
    wall = time.monotonic() - began
    calls = world.calls()
    return Measured(
        command=command,
        wall=wall,
        path=critical_path(calls),
        calls=len(calls),
        writes=sum(call["write"] for call in calls),
        services=dict(sorted(Counter(call["service"] for call in calls).items())),
    )


def one_round(world: Sandboxed) -> list[Measured]:
    """Measure all commands, from a bare sandbox to a bare sandbox."""
    return [
        measured(world, "fresh up", world.up),
        measured(world, "second up", world.up),
        measured(world, "plan", lambda: world.run("plan")),
        measured(world, "down", world.down),
    ]


def median(runs: Sequence[Measured]) -> Measured:
    """Return the medians of several runs of one command; calls by service are those of the last run."""
    last = runs[-1]
    return Measured(
        command=last.command,
        wall=statistics.median(run.wall for run in runs),
        path=statistics.median(run.path for run in runs),
        calls=round(statistics.median(run.calls for run in runs)),
        writes=round(statistics.median(run.writes for run in runs)),
        services=last.services,
    )


def table(rows: Sequence[Measured], rounds: int) -> list[str]:
    """Return the medians as lines."""
    slow = ", ".join(f"{service} {seconds * 1000:.0f} ms" for service, seconds in LATENCY.items())
    heading = f"{'COMMAND':<12}{'WALL':>8}{'PATH':>8}{'RATIO':>7}{'CALLS':>7}{'WRITES':>8}  BY SERVICE"
    lines = [f"{rounds} rounds, medians; a call takes {slow} longer", "", heading]
    for one in rows:
        services = " ".join(f"{service}={count}" for service, count in one.services.items())
        lines.append(
            f"{one.command:<12}{one.wall:>6.1f} s{one.path:>6.1f} s{one.ratio:>7.2f}{one.calls:>7}"
            f"{one.writes:>8}  {services}"
        )
    return lines


def main() -> None:
    """Measure, and print a table or one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    asked = parser.parse_args()
    name = f"bench-{os.getpid()}"
    try:
        world = Sandboxed(name)
        world.break_aws(latency=LATENCY)
        rounds = [one_round(world) for _ in range(asked.rounds)]
    finally:
        Sandboxed.remove(name)
    rows = [median(runs) for runs in zip(*rounds, strict=True)]
    if asked.json:
        medians = [{**asdict(row), "ratio": row.ratio} for row in rows]
        each = [[asdict(run) for run in runs] for runs in rounds]
        text = json.dumps({"latency": LATENCY, "medians": medians, "rounds": each}, indent=2)
    else:
        text = "\n".join(table(rows, asked.rounds))
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
