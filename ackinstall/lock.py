"""One run at a time for a cluster: a Lease in kube-system that says who works; a dead run lets it go."""

import errno
import getpass
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import tenacity

from ackinstall.errors import Locked, Retry, translate
from ackinstall.kube import MANAGED, Kube, Manifest, Ref

SECONDS = 15
"""A lease is renewed three times in this time."""
CALLER, COMMAND = "ackinstall/caller", "ackinstall/command"
"""The annotations that say who runs, and what."""
REF = Ref("coordination.k8s.io/v1", "Lease", "ackinstall", "kube-system")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: user@host, process."""

    user: str
    host: str
    process: int

    @classmethod
    def here(cls) -> "Holder":
        """Return this process."""
        return cls(getpass.getuser(), socket.gethostname(), os.getpid())

    @classmethod
    def read(cls, identity: str) -> "Holder":
        """Return the holder that a lease's identity names."""
        who, _, process = identity.rpartition("/")
        user, _, host = who.partition("@")
        return cls(user, host, int(process) if process.isdigit() else 0)

    def __str__(self) -> str:
        return f"{self.user}@{self.host}/{self.process}"

    @property
    def is_dead(self) -> bool:
        """Whether it was a process of this machine that is gone."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.process, 0)
        except OSError as error:
            return error.errno == errno.ESRCH  # another one's process may not be asked, but is there
        return False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that wants the lock: `caller` is its identity's ARN, `command` what it was told, `patience` the
    seconds for which it waits for another one.
    """

    caller: str = ""
    command: str = ""
    patience: float = 0.0
    holder: Holder = field(default_factory=Holder.here)


@contextmanager
def held(
    kube: Kube,
    claim: Claim,
    stop: threading.Event,
    *,
    seconds: float = SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Hold the lock while the body runs; `seconds` is how long it is good without a sign of life.

    A lease whose holder is dead is taken over: at once when its process was on this machine, else when it
    was not renewed for its whole duration while this run watched; `tell` hears of whom this run waits for.
    When the lock is lost to another run, `stop` is set, so that nothing more is written.
    Raises Locked when the holder lives on, and when the lock was lost.
    """
    _acquire(kube, claim, seconds, tell)
    done, lost = threading.Event(), threading.Event()

    def renew() -> None:
        if not _renew(kube, claim, seconds, done):
            lost.set()
            stop.set()

    renewing = threading.Thread(target=renew, daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        if not lost.is_set() and _is_mine(kube.get(REF), claim):
            kube.delete(REF)
    if lost.is_set():
        raise Locked(
            "lock-lost",
            "this run lost its lock, so it stopped before its next write",
            "run the same command again: it goes on from here",
        )


def described(lease: Manifest) -> str:
    """Return who holds a lease, what for and since when, as a clause."""
    annotations, spec = lease["metadata"].get("annotations") or {}, lease["spec"]
    command, caller = annotations.get(COMMAND), annotations.get(CALLER)
    since = spec.get("acquireTime") or spec.get("renewTime")
    return (
        (f"'ackinstall {command}' by " if command else "")
        + (f"'{caller}' on " if caller else "")
        + str(spec.get("holderIdentity") or "somebody")
        + (f", since {since}" if since else "")
    )


def _acquire(kube: Kube, claim: Claim, seconds: float, tell: Callable[[str], None]) -> None:
    sign = _SignOfLife(seconds, claim.patience)
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retry),
        wait=tenacity.wait_fixed(seconds / 30),
        stop=tenacity.stop_after_delay(claim.patience + 2 * seconds),
        before_sleep=lambda state: tell(str(state.outcome.exception())) if state.outcome else None,
        reraise=True,
    ):
        with attempt:
            try:
                _try(kube, claim, sign)
            except Exception as error:
                raise translate(error, "the lock") from error


class _SignOfLife:
    """When the lease that we wait for was seen to change: somebody who lives renews it, or takes it."""

    def __init__(self, seconds: float, patience: float) -> None:
        self._seconds = seconds
        self._patience = patience
        self._began = self._since = time.monotonic()
        self._last: str | None = None
        self._lives = False

    def look(self, lease: Manifest | None) -> None:
        """Note how the lease looks now."""
        renewed = str(lease["spec"].get("renewTime", "")) if lease else ""
        if renewed != self._last:
            self._lives = self._last is not None
            self._last, self._since = renewed, time.monotonic()

    def check(self, lease: Manifest) -> None:
        """Raise Locked when its holder lives and was waited for; Retry while that is not known yet."""
        now = time.monotonic()
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


def _try(kube: Kube, claim: Claim, sign: _SignOfLife) -> None:
    found = kube.get(REF)
    sign.look(found)
    if found is None:
        kube.create(_lease(claim))
        return
    who = Holder.read(found["spec"].get("holderIdentity") or "")
    if not (who.is_dead or who == claim.holder):
        sign.check(found)
    # The version makes this fail when somebody else was faster.
    kube.apply(_lease(claim, found["metadata"]["resourceVersion"]), force=True)


def _renew(kube: Kube, claim: Claim, seconds: float, done: threading.Event) -> bool:
    """Renew the lease until `done`; return False as soon as it may be another's."""
    last = time.monotonic()
    while not done.wait(seconds / 3):
        try:
            found = kube.get(REF)
            if found is None or not _is_mine(found, claim):
                return False
            kube.apply(_lease(claim, found["metadata"]["resourceVersion"], found), force=True)
            last = time.monotonic()
        except Exception:  # noqa: BLE001 (a missed renewal is made good by the next one, for a while)
            if time.monotonic() - last > seconds:
                return False
    return True


def _is_mine(lease: Manifest | None, claim: Claim) -> bool:
    return lease is not None and lease["spec"].get("holderIdentity") == str(claim.holder)


def _lease(claim: Claim, version: str = "", renewed: Manifest | None = None) -> Manifest:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    metadata = {
        "name": REF.name,
        "namespace": REF.namespace,
        "labels": {MANAGED: "true"},
        "annotations": {CALLER: claim.caller, COMMAND: claim.command},
    }
    if version:
        metadata["resourceVersion"] = version
    spec = {
        "holderIdentity": str(claim.holder),
        "leaseDurationSeconds": SECONDS,
        "acquireTime": (renewed or {}).get("spec", {}).get("acquireTime") or now,
        "renewTime": now,
    }
    return {"apiVersion": REF.api_version, "kind": REF.kind, "metadata": metadata, "spec": spec}
