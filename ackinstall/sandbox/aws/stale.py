"""Reads that answer as before a write, as those of services that are eventually consistent."""

import json
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ackinstall.sandbox.aws.call import Call

_KEPT = 2000


class StaleReads:
    """Replies to reads, and when which objects were written.

    A read that shares a name with a write, or that names nothing, is answered as the same read was answered
    last before the write; a read that nobody had made before is answered truly.
    """

    def __init__(self) -> None:
        self._replies: OrderedDict[str, Response] = OrderedDict()
        self._written: dict[tuple[str, str], float] = {}

    def before(self, call: Call, seconds: float) -> Response | None:
        """Return the reply from before a write that is at most this old; None when there is none."""
        if call.writes or not self._touched(call, seconds):
            return None
        return self._replies.get(_key(call))

    def after(self, call: Call, reply: Response, seconds: float) -> None:
        """Remember a reply that was made."""
        if call.writes and reply.status_code < 300:  # noqa: PLR2004 - the first HTTP status that is no success
            now = time.monotonic()
            self._written |= {(call.service, name): now for name in ("", *_names(call.parameters))}
        elif not call.writes and not self._touched(call, seconds):
            self._replies[_key(call)] = reply
            self._replies.move_to_end(_key(call))
            if len(self._replies) > _KEPT:
                self._replies.popitem(last=False)

    def _touched(self, call: Call, seconds: float) -> bool:
        since = time.monotonic() - seconds
        names = set(_names(call.parameters)) or {""}
        return any(self._written.get((call.service, name), since) > since for name in names)


def _key(call: Call) -> str:
    parameters = json.dumps(call.parameters, sort_keys=True, default=str)
    return f"{call.scope.region} {call.action} {parameters}"


def _names(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Name the objects that parameters name: the last part of an ARN or a URL, so that they meet."""
    for key, value in parameters.items():
        if isinstance(value, str) and key.lower().endswith(("name", "arn", "url", "bucket", "resourceid")):
            yield value.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1]
