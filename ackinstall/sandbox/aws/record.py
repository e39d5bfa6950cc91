"""The calls that were made, for tests and benchmarks to count."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from ackinstall.sandbox.aws.call import Call

_KEPT = 20_000
_LONGEST = 200
_NAMING = ("name", "arn", "id", "url", "bucket", "key", "namespace", "dimension")


class Calls:
    """The last calls, oldest first."""

    def __init__(self) -> None:
        self._calls: deque[Mapping[str, Any]] = deque(maxlen=_KEPT)

    def add(self, call: Call, started: float, seconds: float, status: int) -> None:
        """Keep one call; `started` is in seconds since the epoch, `status` 0 when its reply was lost."""
        self._calls.append(
            {
                "time": round(started, 3),
                "service": call.service,
                "operation": call.operation,
                "write": call.writes,
                "status": status,
                "seconds": round(seconds, 4),
                "caller": call.principal.arn if call.principal else "",
                "needs": [{"action": need.action, "resource": need.resource} for need in call.needs],
                "parameters": _naming(call.parameters),
            }
        )

    def shown(self) -> list[Mapping[str, Any]]:
        """Show all calls."""
        return list(self._calls)

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()


def _naming(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Keep the parameters that name something; tokens, documents and secrets have other names."""
    return {
        key: value[:_LONGEST]
        for key, value in parameters.items()
        if isinstance(value, str) and key.lower().endswith(_NAMING) and "accesskey" not in key.lower()
    }
