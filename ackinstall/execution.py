"""From a plan to its end: shown, refused or allowed, agreed to, then carried out by one run at a time, which
a signal stops between two calls.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ackinstall import engine, rights, workloads
from ackinstall.checks.context import Context
from ackinstall.engine import Options, Progress, Status
from ackinstall.errors import AckinstallError, Interrupted, translate
from ackinstall.opening import Opening
from ackinstall.report import Report
from ackinstall.resource import SETTLED, WRITES, Change, Kind, Resource
from ackinstall.resources.custom_resources import CustomResources, Released, Retained
from ackinstall.target import Target
from ackinstall.workloads import Workload


@dataclass(frozen=True)
class Proposal:
    """What a run would do to a target; `alive` are the custom resources that a teardown would end."""

    target: Target
    changes: Sequence[Change]
    alive: Sequence[Workload] = ()

    @property
    def has_work(self) -> bool:
        """Whether there is anything to do."""
        return any(change.kind not in SETTLED for change in self.changes)

    def is_within(self, agreed: "Proposal") -> bool:
        """Tell whether this does nothing that was not agreed to; it may do less."""
        changes = [_agreed(one) for one in agreed.changes]
        alive = [_meant(one) for one in agreed.alive]
        return all(
            _agreed(one) in changes for one in self.changes if one.kind in WRITES | {Kind.REFUSE}
        ) and all(_meant(one) in alive for one in self.alive)


Confirm = Callable[[Proposal], bool]
"""Asks whether a proposal is to be carried out, and raises Interrupted when it is not; tells whether somebody
was asked at all.
"""


@dataclass(frozen=True)
class Execution:
    """A command at work on a target that can be opened; `part` picks what of its resources it is about."""

    opening: Opening
    options: Options
    report: Report
    part: Callable[[Target], Sequence[Resource]] = lambda target: target.resources

    @property
    def context(self) -> Context:
        """What checks look at: the same target, nothing of it read twice."""
        return Context(self.opening, self.options)

    def open(self) -> Target:
        """Return the target, for an installation or for a teardown. Raises AckinstallError for whatever is
        wrong with it.
        """
        return self.opening.target() if self.options.present else self.opening.target_to_remove()

    def propose(self) -> Proposal:
        """Return what has to happen; writes nothing."""
        target = self.open()
        changes = engine.plan(self.part(target), target.clients, self.options)
        guards = [one for one in target.resources if isinstance(one, CustomResources)]
        alive = [_as_treated(found, guard) for guard in guards for found in guard.alive(target.clients)]
        return Proposal(target, changes, alive)

    def show(self, proposal: Proposal) -> None:
        """Print what has to happen, and what that means to what is alive."""
        facts = proposal.target.facts
        about = {
            "cluster": facts.cluster.name,
            "region": facts.region,
            "account": facts.account,
            "profile": proposal.target.profile.name,
        }
        self.report.plan(proposal.changes, about)
        for one in proposal.alive:
            self.report.event("workload", **workloads.data(one))
        if proposal.alive:
            self.report.say("", "alive in the cluster, with what a removal means in AWS:", "")
            self.report.say(*(f"  {line}" for line in workloads.lines(proposal.alive)), "")

    def allow(self, proposal: Proposal) -> None:
        """Raise, before the first write, what stands against a proposal: a decision that a person has to take
        (Refused), or a right that the caller lacks (AckinstallError).
        """
        engine.check(proposal.changes)
        if proposal.has_work:
            needed = rights.to_carry_out(proposal.changes, proposal.target.profile.namespace)
            rights.require(proposal.target.clients.kube, needed, self.opening.grant)

    @contextmanager
    def alone(self, proposal: Proposal, confirm: Confirm) -> Iterator[Proposal]:
        """Have a proposal confirmed, and give what is to be carried out in the body, while which no other run
        works on the target.

        Where another run may have worked since the proposal was made, it is made again under the lock, and
        shown and confirmed again when it does something else. Without work, and without another run that
        is at work, there is nothing to wait for. Raises Locked, and what `confirm` and `allow` raise.
        """
        lock = proposal.target.lock
        if not (proposal.has_work or lock.contended):
            yield proposal
            return
        asked = proposal.has_work and confirm(proposal)
        with lock.held(self.report.wait):
            yield self._again(proposal, confirm) if asked or lock.contended else proposal

    def _again(self, former: Proposal, confirm: Confirm) -> Proposal:
        self.opening.renew()
        proposal = self.propose()
        if not proposal.is_within(former):
            self.show(proposal)
            self.allow(proposal)
            confirm(proposal)
        return proposal

    def carry_out(self, proposal: Proposal) -> list[Progress]:
        """Carry out what is proposed, under the lock; return how each resource ended.

        Raises Locked when the lock was lost, Interrupted after a signal, and the error of the last resource
        that failed, having told of the others.
        """
        if not proposal.has_work:
            return []
        lock = proposal.target.lock
        options = replace(self.options, lost=lock.lost)
        with stopped_by_signals(options.stop), self.report.working():
            ended = engine.run(proposal.changes, proposal.target.clients, options, self.report.step)
        lock.check()
        if options.stop.is_set():
            raise Interrupted
        failures = [_error(one) for one in ended if one.status is Status.FAILED]
        for error in failures[:-1]:
            self.report.error(error)
        if failures:
            raise failures[-1]
        return ended


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


def _as_treated(workload: Workload, guard: CustomResources) -> Workload:
    """Return what a removal means under the way that the user chose."""
    if isinstance(guard, (Retained, Released)):
        return replace(workload, policy=workloads.RETAIN, policy_from="`--workloads retain`")
    return workload


def _agreed(change: Change) -> tuple[object, ...]:
    """Return what a person agrees to with a change: what a plan shows of it."""
    return (change.resource.id, change.kind, change.differences, change.reason)


def _meant(workload: Workload) -> tuple[object, ...]:
    """Return what a person agrees to with a custom resource's removal; its status changes all the while."""
    return (workload.ref, workload.policy, workload.is_dangerous)


def _error(failed: Progress) -> AckinstallError:
    return failed.error or translate(Exception(failed.detail))
