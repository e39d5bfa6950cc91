"""The values of a chart: what the profile asks for and what the cluster needs, checked against the chart."""

import json
from collections.abc import Mapping
from typing import Any

from ackinstall.errors import UsageError
from ackinstall.mistakes import unknown_key
from ackinstall.profile import Controller

Values = Mapping[str, Any]


def patched(
    controller: Controller, chart_values: Values, schema: Values, patches: Mapping[tuple[str, ...], Any]
) -> dict[str, Any]:
    """Return the values for a release: the profile's own with `patches` (paths to values) over them.

    A patch applies only where the chart has the key, an annotation where it has the annotations; a key of the
    profile that the chart has not is an error.

    Raises UsageError for an unknown key, with the nearest known one, and for what the chart's schema refuses.
    """
    where = f"controllers.{controller.service}.values"
    _check_keys(controller.values, chart_values, schema, where)
    values: dict[str, Any] = json.loads(json.dumps(controller.values))
    for path, value in patches.items():
        if _has(chart_values, path[:-1] if path[-2:-1] == ("annotations",) else path):
            _put(values, path, value)
    if controller.values:  # helm looks at the rest too, and looking takes 0.1 s
        _check_schema(merged(chart_values, values), schema, where)
    return values


def merged(under: Values, over: Values) -> dict[str, Any]:
    """Return `under` with `over` laid on it, mapping by mapping, as Helm does."""
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], Mapping) and isinstance(over[key], Mapping):
            both[key] = merged(under[key], over[key])
    return both


def _has(values: Values, path: tuple[str, ...]) -> bool:
    here: Any = values
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return False
        here = here[key]
    return True


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


def _check_keys(wanted: Values, known: Values, schema: Values, where: str) -> None:
    described = schema.get("properties", {})
    is_free = bool(schema) and schema.get("type") == "object" and not described
    if is_free or not (known or described):
        return
    names = [*known, *(key for key in described if key not in known)]
    for key, value in wanted.items():
        if key not in names:
            raise unknown_key(where, key, names, "unknown-value")
        below = known.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            _check_keys(value, below, described.get(key, {}), f"{where}.{key}")


def _check_schema(values: Values, schema: Values, where: str) -> None:
    import jsonschema  # noqa: PLC0415 (costs 0.1 s)

    error = next(iter(jsonschema.Draft7Validator(dict(schema)).iter_errors(values)), None)
    if error is not None:
        path = ".".join([where, *(str(part) for part in error.absolute_path)])
        raise UsageError(
            "value-refused-by-chart",
            f"{path}: the chart refuses it: {error.message}",
            "correct it in the profile",
        )
