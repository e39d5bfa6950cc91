"""One run at a time for a cluster: a Lease in kube-system that says who works; a dead run lets it go."""

import errno
import getpass
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import tenacity

from ackinstall.errors import Locked, Retry, translate
from ackinstall.kube import MANAGED, Kube, Manifest, Ref

SECONDS = 15
"""A lease is renewed three times in this time."""
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


@contextmanager
def held(kube: Kube, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lock while the body runs; `seconds` is how long it is good without a sign of life.

    A lease whose holder is dead is taken over: at once when its process was on this machine, else when it
    was not renewed for its whole duration while this run watched. Raises Locked when the holder is alive.
    """
    holder = Holder.here()
    _acquire(kube, holder, seconds)
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(kube, holder, seconds, done), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        if _is_mine(kube.get(REF), holder):
            kube.delete(REF)


def _acquire(kube: Kube, holder: Holder, seconds: float) -> None:
    first, began = kube.get(REF), time.monotonic()
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Retry),
        wait=tenacity.wait_fixed(seconds / 30),
        stop=tenacity.stop_after_delay(2 * seconds),
        reraise=True,
    ):
        with attempt:
            is_over = time.monotonic() - began >= seconds
            try:
                _try(kube, holder, first, is_over=is_over)
            except Exception as error:
                raise translate(error, "the lock") from error


def _try(kube: Kube, holder: Holder, first: Manifest | None, *, is_over: bool) -> None:
    found = kube.get(REF)
    if found is None:
        kube.create(_lease(holder))
        return
    who = Holder.read(found["spec"].get("holderIdentity") or "")
    if _renewed(found) != _renewed(first):
        raise Locked(
            "locked",
            f"another run of ackinstall works on this cluster: {who}",
            "wait for it to end, then run the same command again",
        )
    if not (who.is_dead or who == holder or is_over):
        raise Retry(f"{who} holds the lock")
    # The version makes this fail when somebody else was faster.
    kube.apply(_lease(holder, found["metadata"]["resourceVersion"]), force=True)


def _renew(kube: Kube, holder: Holder, seconds: float, done: threading.Event) -> None:
    while not done.wait(seconds / 3):
        with suppress(Exception):  # a missed renewal is made good by the next one
            found = kube.get(REF)
            if found is None or not _is_mine(found, holder):
                return  # this run slept for too long, and somebody took the lock over
            kube.apply(_lease(holder, found["metadata"]["resourceVersion"]), force=True)


def _is_mine(lease: Manifest | None, holder: Holder) -> bool:
    return lease is not None and lease["spec"].get("holderIdentity") == str(holder)


def _lease(holder: Holder, version: str = "") -> Manifest:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    metadata = {"name": REF.name, "namespace": REF.namespace, "labels": {MANAGED: "true"}}
    if version:
        metadata["resourceVersion"] = version
    spec = {"holderIdentity": str(holder), "leaseDurationSeconds": SECONDS, "renewTime": now}
    return {"apiVersion": REF.api_version, "kind": REF.kind, "metadata": metadata, "spec": spec}


def _renewed(lease: Manifest | None) -> str:
    return str((lease or {}).get("spec", {}).get("renewTime", ""))
