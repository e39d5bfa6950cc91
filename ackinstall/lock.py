"""One run at a time for a cluster: a Lease in kube-system that says who works; a dead run lets it go.

Its holder renews it every 2 s, and writes no more once 10 s have passed since it began the last renewal that
it knows to have come through; another run takes it over when it was not renewed for 15 s. A holder whose call
hangs, or whose machine slept, has thus stopped before another begins. These are the times of Kubernetes' own
controllers: https://pkg.go.dev/k8s.io/client-go/tools/leaderelection#LeaderElectionConfig
As with those, a call that was sent in time may still be at work when another run begins.
"""

import getpass
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import tenacity

from ackinstall import process
from ackinstall.errors import Locked, Retry, translate
from ackinstall.kube import MANAGED, Kube, Manifest, Ref

SECONDS = 15
"""How long a lease is good without a renewal."""
_DEADLINE, _RENEWAL = 2 / 3, 2 / 15
"""The parts of that time after which its holder gives up, and between two renewals."""
CALLER, COMMAND, PROCESS = "ackinstall/caller", "ackinstall/command", "ackinstall/process"
"""The annotations that say who runs, what, and in which process (see ackinstall.process)."""
REF = Ref("coordination.k8s.io/v1", "Lease", "ackinstall", "kube-system")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts while the machine sleeps, too. Where there is no BOOTTIME, as on macOS, MONOTONIC does."""


def user_name(ask: Callable[[], str] = getpass.getuser) -> str:
    """Return the name of this process's user, or its number where it has none, as in containers."""
    try:
        return ask()
    except (KeyError, OSError):  # which of them depends on Python's version
        return f"uid-{os.getuid()}"


def _this_run() -> str:
    """Return a name that no other run has, in which a person recognises user, machine and process."""
    return f"{user_name()}@{socket.gethostname()}/{os.getpid()}-{uuid4().hex[:8]}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that wants the lock: `caller` is its identity's ARN, `command` what it was told, `patience` the
    seconds for which it waits for another one; `holder` names it, `process` is as ackinstall.process says it.
    """

    caller: str = ""
    command: str = ""
    patience: float = 0.0
    holder: str = field(default_factory=_this_run)
    process: str = field(default_factory=lambda: process.identify(os.getpid()))


class Lock:
    """The right to work alone on a target, as one run has it. This one needs no lease: nobody else can work
    on a cluster that is gone.
    """

    contended: bool = False
    """Whether another run held the lock after this object was made."""

    @contextmanager
    def held(self, tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:  # noqa: ARG002 (nobody to wait for)
        """Hold the lock while the body runs; `tell` hears of whom this run waits for.

        Raises Locked when another run holds it and does not end in time, and when this one has lost it.
        """
        yield

    def lost(self) -> str:
        """Say why this run may not write, "" while it may. Asks nobody, and is safe in several threads."""
        return ""

    def check(self) -> None:
        """Raise Locked when this run may not write any more."""
        if why := self.lost():
            raise Locked(
                "lock-lost",
                f"this run lost its lock, so it stopped before its next write: {why}",
                "run the same command again: it goes on from here",
            )


class LeaseLock(Lock):
    """The lock of a cluster (see Lock); `seconds` is how long it is good without a renewal.

    A lease whose holder is dead is taken over: at once when its process is known to be gone, else when it was
    not renewed for its whole time while this run watched.
    """

    def __init__(self, kube: Kube, claim: Claim, seconds: float = SECONDS) -> None:
        self.contended = _is_held(kube)
        self._kube = kube
        self._claim = claim
        self._seconds = seconds
        self._until = 0.0
        self._lost = "it is not held"
        self._done = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    @contextmanager
    def held(self, tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """See Lock. Can be entered once."""
        try:
            self._acquire(tell)
            self._keeper.start()
            yield
            self.check()
        finally:
            self._release()

    def lost(self) -> str:
        """See Lock. Once lost it stays so."""
        if not self._lost and _now() >= self._until:
            self._lost = f"no renewal came through for {self._seconds * _DEADLINE:.0f} s"
        return self._lost

    def _acquire(self, tell: Callable[[str], None]) -> None:
        sign = _SignOfLife(self._seconds, self._claim.patience)
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Retry),
            wait=tenacity.wait_fixed(self._seconds / 30),
            stop=tenacity.stop_after_delay(self._claim.patience + 2 * self._seconds),
            before_sleep=lambda state: tell(str(state.outcome.exception())) if state.outcome else None,
            reraise=True,
        ):
            with attempt:
                try:
                    self._try(sign)
                except Exception as error:
                    raise translate(error, "the lock") from error

    def _try(self, sign: "_SignOfLife") -> None:
        found = self._kube.get(REF)
        sign.look(found)
        began = _now()
        if found is None:
            self._kube.create(self._lease())
        else:
            if not self._is_mine(found):
                self.contended = True
                if not process.is_gone(_annotations(found).get(PROCESS, "")):
                    sign.check(found)
            self._write(found, self._lease())
        self._until, self._lost = began + self._seconds * _DEADLINE, ""

    def _keep(self) -> None:
        """Renew the lease until it is let go or lost; what fails is made good by the next renewal."""
        while not (self._done.wait(self._seconds * _RENEWAL) or self.lost()):
            try:
                self._renew()
            except Exception:  # noqa: BLE001, S112 (whatever it is, there is time for another try, or there is not)
                continue

    def _renew(self) -> None:
        began = _now()
        found = self._kube.get(REF)
        if found is None or not self._is_mine(found):
            self._lost = f"it is with {described(found)}" if found else "somebody took it away"
            return
        self._write(found, {"spec": {"renewTime": _time()}})
        self._until = began + self._seconds * _DEADLINE

    def _release(self) -> None:
        """Let the lease go if it is ours; where that fails it ends by itself, which nobody needs to know."""
        self._done.set()
        self._lost = self._lost or "it was let go"
        try:
            if self._keeper.is_alive():
                self._keeper.join(self._seconds / 3)
            found = self._kube.get(REF)
            if found and self._is_mine(found):
                self._kube.delete(REF, only=found)
        except Exception:  # noqa: BLE001 (see above)
            return

    def _write(self, found: Manifest, change: Manifest) -> None:
        """Change the lease; a conflict when it is not as it was found any more."""
        about = {**change.get("metadata", {}), "resourceVersion": found["metadata"]["resourceVersion"]}
        self._kube.merge(REF, {**change, "metadata": about})

    def _is_mine(self, lease: Manifest) -> bool:
        return bool(lease["spec"].get("holderIdentity") == self._claim.holder)

    def _lease(self) -> Manifest:
        claim, now = self._claim, _time()
        return {
            "apiVersion": REF.api_version,
            "kind": REF.kind,
            "metadata": {
                "name": REF.name,
                "namespace": REF.namespace,
                "labels": {MANAGED: "true"},
                "annotations": {CALLER: claim.caller, COMMAND: claim.command, PROCESS: claim.process},
            },
            "spec": {
                "holderIdentity": claim.holder,
                "leaseDurationSeconds": SECONDS,
                "acquireTime": now,
                "renewTime": now,
            },
        }


class _SignOfLife:
    """When the lease that we wait for was seen to change: somebody who lives renews it, or takes it."""

    def __init__(self, seconds: float, patience: float) -> None:
        self._seconds = seconds
        self._patience = patience
        self._began = self._since = _now()
        self._last: str | None = None
        self._lives = False

    def look(self, lease: Manifest | None) -> None:
        """Note how the lease looks now."""
        renewed = str(lease["spec"].get("renewTime", "")) if lease else ""
        if renewed != self._last:
            self._lives = self._last is not None
            self._last, self._since = renewed, _now()

    def check(self, lease: Manifest) -> None:
        """Raise Locked when its holder lives and was waited for; Retry while that is not known yet."""
        now = _now()
        if now - self._since >= self._seconds:
            return
        if self._lives and now - self._began >= self._patience:
            raise Locked(
                "locked",
                f"another run of ackinstall works on this cluster: {described(lease)}",
                "wait for its end with `--lock-timeout SECONDS`; one that is dead lets go by itself, "
                "or at once with `ackinstall unlock --cluster NAME`",
            )
        raise Retry(f"waits for another run: {described(lease)}")


def described(lease: Manifest) -> str:
    """Return who holds a lease, what for and since when, as a clause."""
    annotations, spec = _annotations(lease), lease["spec"]
    command, caller = annotations.get(COMMAND), annotations.get(CALLER)
    since = spec.get("acquireTime") or spec.get("renewTime")
    return (
        (f"'ackinstall {command}' by " if command else "")
        + (f"'{caller}' on " if caller else "")
        + str(spec.get("holderIdentity") or "somebody")
        + (f", since {since}" if since else "")
    )


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(Retry),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
    stop=tenacity.stop_after_attempt(5),
    reraise=True,
)
def take_away(kube: Kube, seen: Manifest) -> None:
    """Delete the lease, if its holder is still the one that was `seen`, who may renew it all the while.

    Raises Locked when it has another holder.
    """
    try:
        found = kube.get(REF)
        if found and found["spec"].get("holderIdentity") == seen["spec"].get("holderIdentity"):
            kube.delete(REF, only=found)
            return
    except Exception as error:
        raise translate(error, "the lock") from error
    if found:
        raise Locked(
            "locked",
            f"meanwhile another run has taken the lock: {described(found)}",
            "is that one dead too? run `ackinstall unlock --cluster NAME` again",
        )


def _is_held(kube: Kube) -> bool:
    try:
        return kube.get(REF) is not None
    except Exception:  # noqa: BLE001 (readers may lack the right; who takes the lock is told why it fails)
        return False


def _annotations(lease: Manifest) -> Manifest:
    return lease["metadata"].get("annotations") or {}


def _now() -> float:
    return time.clock_gettime(_CLOCK)


def _time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
