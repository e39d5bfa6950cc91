"""From a plan to its end: shown, refused or allowed, then carried out by one run at a time, which a signal
stops between two calls.
"""

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ackinstall import engine, rights
from ackinstall.checks.context import Context
from ackinstall.engine import Options, Progress, Status
from ackinstall.errors import AckinstallError, Interrupted, translate
from ackinstall.opening import Opening
from ackinstall.report import Report
from ackinstall.resource import SETTLED, Change, Resource
from ackinstall.target import Target


@dataclass(frozen=True)
class Execution:
    """A command at work on an opened target."""

    opening: Opening
    target: Target
    options: Options
    report: Report

    @property
    def context(self) -> Context:
        """What checks look at: the same target, nothing of it read twice."""
        return Context(self.opening, self.options)

    def plan(self, resources: Sequence[Resource] | None = None) -> list[Change]:
        """Return what has to happen to the target's resources, or to these; writes nothing."""
        chosen = self.target.resources if resources is None else resources
        return engine.plan(chosen, self.target.clients, self.options)

    def show(self, changes: Sequence[Change]) -> None:
        """Print a plan."""
        facts = self.target.facts
        about = {
            "cluster": facts.cluster.name,
            "region": facts.region,
            "account": facts.account,
            "profile": self.target.profile.name,
        }
        self.report.plan(changes, about)

    def allow(self, changes: Sequence[Change]) -> None:
        """Raise, before the first write, what stands against a plan: a decision that a person has to take
        (Refused), or a right that the caller lacks (AckinstallError).
        """
        engine.check(changes)
        if has_work(changes):
            needed = rights.to_carry_out(changes, self.target.profile.namespace)
            rights.require(self.target.clients.kube, needed, self.opening.grant)

    def carry_out(self, changes: Sequence[Change]) -> list[Progress]:
        """Carry a plan out; return how each resource ended.

        Raises Interrupted after a signal, Locked, and the error of the last resource that failed, having
        told of the others.
        """
        stop, waited = self.options.stop, threading.Event()

        def waits(why: str) -> None:
            waited.set()
            self.report.wait(why)

        with stopped_by_signals(stop), self.target.lock(stop, waits):
            if waited.is_set():  # the run that was waited for has changed what the plan speaks of
                changes = self.plan([one.resource for one in changes])
                self.show(changes)
                engine.check(changes)
            with self.report.working():
                ended = engine.run(changes, self.target.clients, self.options, self.report.step)
        if stop.is_set():
            raise Interrupted
        failures = [_error(one) for one in ended if one.status is Status.FAILED]
        for error in failures[:-1]:
            self.report.error(error)
        if failures:
            raise failures[-1]
        return ended


def has_work(changes: Iterable[Change]) -> bool:
    """Tell whether a plan has anything to do."""
    return any(change.kind not in SETTLED for change in changes)


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the run after the calls in flight, the second one at once."""

    def handle(_number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _error(failed: Progress) -> AckinstallError:
    return failed.error or translate(Exception(failed.detail))
