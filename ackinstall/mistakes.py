"""What can be wrong with a profile's content, told by place and key, with what was probably meant."""

import difflib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ackinstall.errors import UsageError
from ackinstall.gallery import SERVICES
from ackinstall.policies import data
from ackinstall.source import KeyPath, Source, dotted

_WORDS = {"object": "a mapping", "array": "a list", "string": "text", "null": "nothing"}


def check(content: Mapping[str, Any], source: Source) -> None:
    """Raise UsageError for the first mistake in a profile's content; `source` says where it is."""
    import jsonschema  # noqa: PLC0415 (costs 60 ms, and only profiles need it)

    schema = json.loads((data("profiles") / "schema.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft202012Validator(schema).iter_errors(content)
    for error in sorted(found, key=lambda one: [str(part) for part in one.absolute_path]):
        raise _mistake(error, source)
    for path, value in _leaves(content):
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(
                "wrong-value",
                f"{source.place(path)}: '{dotted(path)}' has to be a number that JSON has, not {value}",
                "put the value in quotes, where a chart wants that word",
            )
    for service, entry in content["controllers"].items():
        if service not in SERVICES and "chart" not in (entry or {}):
            raise UsageError(
                "unknown-service",
                f"{source.place(('controllers', service))}: "
                f"ACK has no controller for a service '{service}'{did_you_mean(service, SERVICES)}",
                "a controller that is not in ACK's gallery needs its 'chart' in the profile",
            )


def _leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """Yield each value that holds no others, with its keys."""
    if isinstance(value, (Mapping, list)):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in parts:
            yield from _leaves(one, (*path, key))
    else:
        yield path, value


def unknown_key(where: str, key: str, known: Sequence[str], reference: str) -> UsageError:
    """Return the error for a key that does not exist, with the nearest that does."""
    return UsageError(
        reference,
        f"{where}: there is no key '{key}'{did_you_mean(key, known)}",
        f"these keys exist: {', '.join(sorted(known))}",
    )


def did_you_mean(key: str, known: Sequence[str]) -> str:
    """Return a question for the nearest of the known words, or "" when none is near."""
    near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _mistake(error: Any, source: Source) -> UsageError:  # noqa: ANN401 (jsonschema's)
    path: KeyPath = tuple(error.absolute_path)
    place, subject = source.place(path), f"'{dotted(path)}'"
    wanted = error.validator_value
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        key = next(key for key in error.instance if key not in known)
        return unknown_key(source.place((*path, key)), key, known, "unknown-key")
    if error.validator == "required":
        key = next(key for key in wanted if key not in error.instance)
        inside = f" in {subject}" if path else ""
        return UsageError("missing-key", f"{place}: the key '{key}' is missing{inside}")
    if error.validator == "type":
        return _wrong_type(error, place, subject)
    if "propertyNames" in error.absolute_schema_path:
        key = error.instance
        near = did_you_mean(key, SERVICES) if path == ("controllers",) else ""
        message = f"the key '{key}' in {subject} {_says(error)}{near}"
        return UsageError("wrong-key", f"{source.place((*path, key))}: {message}")
    return UsageError("wrong-value", f"{place}: {subject} {_says(error)}, not {json.dumps(error.instance)}")


def _wrong_type(error: Any, place: str, subject: str) -> UsageError:  # noqa: ANN401 (jsonschema's)
    allowed = error.validator_value
    kinds = [allowed] if isinstance(allowed, str) else allowed
    words = " or ".join(_WORDS.get(one, one) for one in kinds)
    scalar = error.instance is not None and not isinstance(error.instance, (dict, list))
    return UsageError(
        "wrong-type",
        f"{place}: {subject} has to be {words}, not {json.dumps(error.instance)}",
        "put the value in quotes" if "string" in kinds and scalar else "",
    )


def _says(error: Any) -> str:  # noqa: ANN401 (jsonschema's)
    """Return what a schema wants: in its own words where it has any, else in ours."""
    wanted = error.validator_value
    rules = {
        "const": f"has to be {json.dumps(wanted)}",
        "minProperties": "has to have an entry",
        "minLength": "has to be some text",
        "maxLength": f"has to be {wanted} characters long at most",
        "uniqueItems": "has to have no item twice",
    }
    return rules.get(error.validator) or str(error.schema["patternErrorMessage"])
