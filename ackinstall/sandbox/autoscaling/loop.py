"""The controller's loop: what changed is handled at once, what failed with a back-off, all now and then."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ackinstall.sandbox.autoscaling.reconciler import Reconciler
from ackinstall.sandbox.kube import Informer, Json

FIRST_RETRY, LAST_RETRY = 0.5, 30.0  # seconds
TICK_SECONDS = 0.5
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """One kind in one place, and who handles it."""

    reconciler: Reconciler
    informer: Informer


@dataclass(frozen=True)
class Done:
    """How an object was when it was last handled, how often it failed since, and when it is due again."""

    version: str = ""
    failures: int = 0
    due: float = 0.0


def version(item: Json) -> str:
    """Return what changes when there is something to do, and not by what the controller itself writes."""
    metadata = item["metadata"]
    return json.dumps([metadata.get(key) for key in ("generation", "deletionTimestamp", "annotations")])


def after(done: Done, item: Json, now: float, resync: float, *, settled: bool) -> Done:
    """Return what to remember of an object that was just handled."""
    if settled:
        return Done(version(item), 0, now + resync)
    return Done(version(item), done.failures + 1, now + min(FIRST_RETRY * 2**done.failures, LAST_RETRY))


def run(parts: Sequence[Work], wake: threading.Event, resync: float) -> None:
    """Handle objects until the program is ended; `resync` in seconds."""
    done: dict[str, Done] = {}
    for part in parts:
        part.informer.start()
    while True:
        wake.clear()
        for part in parts:
            for uid, item in part.informer.objects().items():
                before, now = done.get(uid, Done()), time.monotonic()
                if before.version != version(item) or now >= before.due:
                    done[uid] = after(before, item, now, resync, settled=_handle(part.reconciler, item))
        wake.wait(TICK_SECONDS)


def _handle(reconciler: Reconciler, item: Json) -> bool:
    name = f"{reconciler.kind.name} {item['metadata']['namespace']}/{item['metadata']['name']}"
    try:
        settled = reconciler.handle(item)
    except Exception:
        log.exception("%s failed", name)
        return False
    log.info("%s %s", name, "reconciled" if settled else "has to be tried again")
    return settled
