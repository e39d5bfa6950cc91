"""Plan, converge, run: how a list of resources becomes true, and how it is taken back.

    plan      observes all resources side by side and decides: the list of changes *is* the plan
    converge  repeats observe → decide → act for one resource until nothing is left to do
    run       walks the graph of `needs` with a pool of threads; a failure stops only its dependents

The retried unit is the whole round of `converge`, never one call. A crash, a lost reply, throttling and a
slow provider are then the same case: look again. The engine knows no AWS and no Kubernetes.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import tenacity

from ackinstall.errors import AckinstallError, Interrupted, Kept, Refused, Retry, translate
from ackinstall.resource import SETTLED, WRITES, Change, Kind, Resource, decide

if TYPE_CHECKING:
    from ackinstall.clients import Clients


class Status(Enum):
    """How the work on one resource stands."""

    STARTED = "started"
    WAITING = "waiting"
    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Progress:
    """One step of one resource; `detail` is a reason, `seconds` counts from the start of its work."""

    resource: Resource
    status: Status
    change: Change | None = None
    detail: str = ""
    error: AckinstallError | None = None
    seconds: float = 0.0


_WEIGHT = {Kind.UPDATE: 1, Kind.DELETE: 2, Kind.CREATE: 3, Kind.REPLACE: 4}
"""Which of several writes says what was done: what is created and then changed was created."""

Tell = Callable[[Progress], None]
"""Receives every step; called from several threads."""


@dataclass(frozen=True)
class Options:
    """How a run goes: `present` is False for a teardown; `timeout` (s) caps each resource's patience; `stop`
    ends it before its next write, and so does `lost`, which says why it may not write, "" while it may.
    """

    present: bool = True
    adopt: bool = False
    workers: int = 8
    timeout: float | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    lost: Callable[[], str] = lambda: ""

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is to be written; asked right before each write."""
        return self.stop.is_set() or bool(self.lost())


class _LookAgain(Retry):
    """A verb went through: the next look follows at once."""


class _NotReady(Retry):
    """Only time, or somebody else, makes the object ready."""


def plan(resources: Sequence[Resource], clients: "Clients", options: Options) -> list[Change]:
    """Observe all resources side by side and return what has to happen, in the order given.

    Raises the first resource's AckinstallError when a resource cannot be observed.
    """

    def pause(seconds: float) -> None:
        options.stop.wait(seconds)

    def look(resource: Resource) -> Change:
        for attempt in _rounds(min(resource.patience, 30.0), options, pause):
            with attempt:
                return _look(resource, clients, options)
        raise AssertionError  # pragma: no cover (tenacity returns or raises)

    with ThreadPoolExecutor(options.workers) as pool:
        return list(pool.map(look, resources))


def converge(resource: Resource, clients: "Clients", options: Options, tell: Tell) -> Change:
    """Look, decide and act until `resource` is as wanted; return the last decision.

    Raises Refused when a person must decide, and AckinstallError when it fails or patience runs out.
    """
    started = time.monotonic()
    memory = _Memory(resource.settles)

    def waiting(why: str) -> None:
        tell(Progress(resource, Status.WAITING, detail=why, seconds=time.monotonic() - started))

    patience = resource.patience if options.timeout is None else min(resource.patience, options.timeout)

    def round_() -> Change:
        change = _look(resource, clients, options)
        if change.kind in SETTLED:
            return change
        check([change])
        if change.kind is Kind.WAIT:
            raise _NotReady(change.reason, "not-ready-in-time")
        memory.admit(change)
        tell(Progress(resource, Status.STARTED, change, change.reason, seconds=time.monotonic() - started))
        _go_on(options)
        for step in _act(change, clients):
            waiting(step)
            _go_on(options)
        memory.acted(change)
        raise _LookAgain("was written, but no time was left to look again")

    def pause(seconds: float) -> None:
        resource.wait(clients, seconds, options.stop)

    diagnosed = partial(_diagnosed, resource, clients)
    for attempt in _rounds(patience, options, pause, waiting, diagnosed):
        with attempt:
            return round_()
    raise AssertionError  # pragma: no cover (tenacity returns or raises)


def run(changes: Iterable[Change], clients: "Clients", options: Options, tell: Tell) -> list[Progress]:
    """Carry out a plan: everything that needs work, as early as its needs allow.

    Returns how each resource ended, in the plan's order. Once the run is stopped no more work is handed
    out, and what did not run is reported as skipped.
    """
    planned = {change.resource.id: change for change in changes}
    graph = _graph(planned, present=options.present)
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    ended: dict[str, Progress] = {}
    running: dict[Future[Progress], str] = {}
    with ThreadPoolExecutor(options.workers) as pool:
        while sorter.is_active():
            for key in sorter.get_ready():
                before = [ended[neighbour] for neighbour in graph[key]]
                obstacle = _obstacle(before, options)
                if obstacle or not _has_work(planned[key], before):
                    ended[key] = _without_work(planned[key], obstacle)
                    tell(ended[key])
                    sorter.done(key)
                else:
                    running[pool.submit(_work, planned[key], clients, options, tell)] = key
            # Python handles a signal that comes just before a wait only after it, so no wait is endless.
            done = wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done
            for future in [one for one in running if one in done]:  # a set has no order of its own
                key = running.pop(future)
                ended[key] = future.result()
                sorter.done(key)
    return [ended[key] for key in planned]


def check(changes: Sequence[Change]) -> None:
    """Raise Refused when a person must decide about one of the changes."""
    refused = [change for change in changes if change.kind is Kind.REFUSE]
    if not refused:
        return
    first = refused[0]
    fields = ", ".join(f"'{difference.path}'" for difference in first.differences[:4])
    others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
    detail = f": it differs in {fields}" if fields else ""
    message = f"'{first.resource.id}' {first.reason}{detail}{others}"
    raise Refused("needs-a-decision", message, first.resource.advice)


def _graph(planned: Mapping[str, Change], *, present: bool) -> dict[str, list[str]]:
    """Return what comes before each resource. Lists, not sets: the same plan goes in the same order."""
    needs = {
        key: [need for need in change.resource.needs if need in planned] for key, change in planned.items()
    }
    if present:
        return needs
    turned: dict[str, list[str]] = {key: [] for key in needs}
    for key, its in needs.items():
        for need in its:
            turned[need].append(key)
    return turned


def _obstacle(before: Sequence[Progress], options: Options) -> str:
    if options.is_stopped:
        return "stopped before it"
    behind = [one.resource.id for one in before if one.status in (Status.FAILED, Status.SKIPPED)]
    return f"'{behind[0]}' did not succeed" if behind else ""


def _has_work(change: Change, before: Sequence[Progress]) -> bool:
    """Work there is when the plan says so, or when something that it needs was changed in this run."""
    return change.kind not in SETTLED or any(one.status is Status.DONE for one in before)


def _without_work(change: Change, obstacle: str) -> Progress:
    status = Status.SKIPPED if obstacle else Status.UNCHANGED
    return Progress(change.resource, status, change, obstacle or change.reason)


def _work(change: Change, clients: "Clients", options: Options, tell: Tell) -> Progress:
    resource = change.resource
    started = time.monotonic()
    written: list[Change] = [change] if change.kind not in WRITES else []

    def heard(step: Progress) -> None:
        if step.change:
            written.append(step.change)
        tell(step)

    try:
        last = converge(resource, clients, options, heard)
        status = Status.UNCHANGED if written == [change] and change.kind in SETTLED else Status.DONE
        done = max(written, key=lambda one: _WEIGHT.get(one.kind, 0), default=change)
        end = Progress(resource, status, done, last.reason, seconds=time.monotonic() - started)
    except Kept as kept:
        left = Change(Kind.LEAVE, resource, reason=kept.message)
        end = Progress(resource, Status.DONE, left, kept.message, seconds=time.monotonic() - started)
    except Interrupted:
        end = Progress(resource, Status.SKIPPED, change, "stopped before its end")
    except Exception as error:  # noqa: BLE001 (one resource's failure, of whatever sort, must not end the others)
        told = translate(error)
        end = Progress(resource, Status.FAILED, change, told.message, told, time.monotonic() - started)
    tell(end)
    return end


def _look(resource: Resource, clients: "Clients", options: Options) -> Change:
    try:
        seen = resource.observe(clients)
        if seen is not None and seen.ours and not options.present:
            seen = replace(seen, keep=resource.loses(clients), takes=resource.takes(clients))
    except Exception as error:
        raise translate(error) from error
    return decide(resource, seen, present=options.present, adopt=options.adopt)


def _go_on(options: Options) -> None:
    """Raise Interrupted when nothing more is to be written."""
    if options.is_stopped:
        raise Interrupted


def _act(change: Change, clients: "Clients") -> Iterator[str]:
    """Carry one change out; yield how far a long removal is."""
    resource = change.resource
    try:
        if change.kind in (Kind.REPLACE, Kind.DELETE):
            yield from resource.delete(clients) or ()
        if change.kind in (Kind.REPLACE, Kind.CREATE):
            resource.create(clients)
        if change.kind is Kind.UPDATE:
            resource.update(clients, change)
    except Exception as error:
        raise translate(error) from error


def _diagnosed(resource: Resource, clients: "Clients", why: AckinstallError) -> AckinstallError:
    """Return what a resource has to say beside `why` it was waited for in vain."""
    if not isinstance(why, _NotReady):
        return why
    try:
        return resource.diagnosis(clients) or why
    except Exception:  # noqa: BLE001 (a shallow reason is better than the trouble of a deeper look)
        return why


class _Memory:
    """Remembers the last write, to tell one that is not visible yet from one that does not hold."""

    def __init__(self, settles: float) -> None:
        self._settles = settles
        self._last: Change | None = None
        self._times = 0
        self._when = 0.0

    def admit(self, change: Change) -> None:
        """Raise Retry while the same write may yet become visible, an error when it was twice in vain."""
        if change != self._last:
            self._times = 0
            return
        if time.monotonic() - self._when < self._settles:
            raise Retry("written, but not visible yet")
        if self._times > 1:
            fields = ", ".join(f"'{d.path}'" for d in change.differences) or f"'{change.kind.name.lower()}'"
            raise AckinstallError(
                "write-does-not-hold",
                f"'{change.resource.id}' does not keep {fields}: something else changes it back",
                "find what manages the object too (another installer, a policy), and stop it",
            )

    def acted(self, change: Change) -> None:
        """Note that `change` was carried out now."""
        self._last = change
        self._times += 1
        self._when = time.monotonic()


def _rounds(
    patience: float,
    options: Options,
    pause: Callable[[float], None],
    waiting: Callable[[str], None] | None = None,
    diagnosed: Callable[[AckinstallError], AckinstallError] = lambda why: why,
) -> tenacity.Retrying:
    """Return one resource's rounds: at once after a write, else with growing pauses, until patience ends;
    `diagnosed` then says more about the last reason.
    """
    growing = tenacity.wait_random_exponential(multiplier=0.1, max=3)

    def before_pause(state: tenacity.RetryCallState) -> None:
        why = _reason(state)
        _go_on(options)
        if waiting and not isinstance(why, _LookAgain):
            waiting(str(why))

    def out_of_patience(state: tenacity.RetryCallState) -> None:
        why = diagnosed(translate(_reason(state)))
        hint = why.hint or "run the same command again: it goes on from here"
        raise AckinstallError(why.reference, f"{why.message} (after {patience:.0f} s)", hint, why.details)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retry),
        wait=lambda state: 0 if isinstance(_reason(state), _LookAgain) else growing(state),
        stop=tenacity.stop_after_delay(patience),
        sleep=pause,
        before_sleep=before_pause,
        retry_error_callback=out_of_patience,
    )


def _reason(state: tenacity.RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome else None
    return error or _LookAgain("has not looked yet")
