"""What goes wrong on purpose: latency, throttling, lost replies, refusals and stale reads."""

import threading
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from botocore.loaders import Loader
from moto.core.utils import get_service_model

from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.needs import OTHER_ACTIONS

_ANY = "*"
_BY_SERVICE = {"propertyNames": {"pattern": r"^([a-z0-9-]+|\*)$"}}
_BY_ACTION = {"propertyNames": {"pattern": r"^[a-z0-9-]+:[A-Za-z0-9]+$"}}
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "latency": {
            **_BY_SERVICE,
            "type": "object",
            "additionalProperties": {"type": "number", "minimum": 0},
        },
        "throttle": {
            **_BY_SERVICE,
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        "lose_reply": {
            **_BY_ACTION,
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        "deny": {**_BY_ACTION, "type": "object", "additionalProperties": {"type": "string"}},
        "stale": {**_BY_SERVICE, "type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
    },
}


class Faults:
    """The faults that are set; safe to use from many threads.

    latency: seconds before each call, by service or "*"; throttle: how many of the next calls of a service
    are refused as too many; lose_reply: of how many of the next calls of an operation (iam:CreateRole) the
    reply is lost; deny: which action is refused, for a pattern of resource ARNs; stale: for how many seconds
    after a write to a service its reads answer as before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[str, dict[str, Any]] = {}

    def merge(self, faults: object) -> None:
        """Add or change faults; ValueError says in one sentence what cannot be set."""
        from jsonschema import Draft202012Validator  # noqa: PLC0415 - rarely needed, slow to import
        from jsonschema.exceptions import best_match  # noqa: PLC0415 - same

        if error := best_match(Draft202012Validator(_SCHEMA).iter_errors(faults)):
            where = ".".join(str(part) for part in error.absolute_path)
            raise ValueError(f"'{where}': {error.message}" if where else error.message)
        asked = dict(faults) if isinstance(faults, Mapping) else {}
        _check_names(asked)
        with self._lock:
            for kind, values in asked.items():
                self._set[kind] = {**self._set.get(kind, {}), **values}

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._set = {}

    def shown(self) -> Mapping[str, Any]:
        """Show what is set, and what is left of it."""
        with self._lock:
            return deepcopy(self._set)

    def latency(self, call: Call) -> float:
        """Tell how many seconds a call has to wait."""
        return float(self._of("latency", call.service))

    def stale(self, call: Call) -> float:
        """Tell for how many seconds after a write this service's reads are stale."""
        return float(self._of("stale", call.service))

    def denied(self) -> Mapping[str, str]:
        """Show the refused actions with their patterns of resource ARNs."""
        with self._lock:
            return dict(self._set.get("deny", {}))

    def throttle(self, call: Call) -> AwsError | None:
        """Return the refusal of a call that is one too many."""
        if not self._take("throttle", call.service) and not self._take("throttle", _ANY):
            return None
        if call.service == "s3":
            return AwsError("SlowDown", "Please reduce your request rate.", 503)
        if call.service in {"iam", "sts"}:
            return AwsError("Throttling", "Rate exceeded", 400)
        return AwsError("ThrottlingException", "Rate exceeded", 429 if call.service == "eks" else 400)

    def loses_reply(self, call: Call) -> bool:
        """Tell whether the reply of this call gets lost."""
        return self._take("lose_reply", call.action)

    def _of(self, kind: str, service: str) -> float:
        with self._lock:
            values = self._set.get(kind, {})
            return float(values.get(service, values.get(_ANY, 0)))

    def _take(self, kind: str, key: str) -> bool:
        with self._lock:
            left = self._set.get(kind, {}).get(key, 0)
            if left:
                self._set[kind][key] = left - 1
            return bool(left)


def _check_names(faults: Mapping[str, Mapping[str, Any]]) -> None:
    for kind, values in faults.items():
        for key in values:
            service, _, operation = key.partition(":")
            if service != _ANY and service not in _services():
                raise ValueError(f"'{kind}.{key}': there is no service '{service}'")
            if operation and key not in OTHER_ACTIONS and operation not in _operations(service):
                raise ValueError(f"'{kind}.{key}': there is no operation '{operation}' of '{service}'")


@cache
def _services() -> frozenset[str]:
    return frozenset(Loader().list_available_services("service-2"))


def _operations(service: str) -> frozenset[str]:
    return frozenset(get_service_model(service).operation_names)
