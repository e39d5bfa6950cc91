"""A run on another machine that holds the lock: it renews the lease whenever somebody looks at it."""

import math
import threading
from collections.abc import Callable

from ackinstall.kube import Kube, Manifest, Ref
from ackinstall.lock import CALLER, COMMAND, REF
from support.commands import Instead

HOLDER = "ann@elsewhere/4711-1a2b3c4d"


class Elsewhere:
    """To be put before a cluster's API. The run ends after some `looks` at its lease, its `work` done."""

    def __init__(self, looks: float = math.inf, work: Callable[[], object] = lambda: None) -> None:
        self.looks = looks
        self.seen = 0
        self._work = work
        self._lock = threading.Lock()

    def __call__(self, kube: Kube) -> Kube:
        """Return the cluster's API as this run shares it."""

        def get(ref: Ref) -> Manifest | None:
            return kube.get(ref) if ref != REF or self._has_ended() else lease(self.seen)

        return Instead(kube, get=get)  # type: ignore[return-value]

    def _has_ended(self) -> bool:
        with self._lock:
            self.seen += 1
            if self.seen == self.looks + 1:
                self._work()
            return self.seen > self.looks


def lease(renewal: int = 0, holder: str = HOLDER) -> Manifest:
    """Return its lease, renewed for the nth time."""
    about = {CALLER: "arn:aws:iam::123456789012:user/ann", COMMAND: "up"}
    metadata = {"name": REF.name, "namespace": REF.namespace, "resourceVersion": "1", "uid": "of-ann"}
    times = {"acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": f"2026-01-01T00:00:00.{renewal:06}Z"}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, **times}
    return {
        "apiVersion": REF.api_version,
        "kind": REF.kind,
        "metadata": {**metadata, "annotations": about},
        "spec": spec,
    }
