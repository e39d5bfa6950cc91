"""What all policies of IAM share: values or lists of them, wildcards, variables, ARNs and conditions.

Source: "IAM JSON policy element reference" in the IAM user guide: "Resource", "Condition operators", "Set
operators for multivalued context keys" and "Variables and tags".
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from glob import escape
from ipaddress import ip_address, ip_network
from typing import Any

from ackinstall.sandbox.aws.errors import UnsupportedError

Keys = Mapping[str, Sequence[str]]
"""Condition keys of a request, in lower case, with their values."""

_VARIABLE = re.compile(r"\$\{(?P<key>[^},]+)(?:,\s*'(?P<default>[^']*)')?\}")
_CHARACTERS = frozenset("*?$")  # ${*} is an asterisk
_ARN_PARTS = 6


def many(value: Any) -> list[Any]:  # noqa: ANN401 - policy elements are one value or a list of them
    """One value or a list of values, as a list."""
    return value if isinstance(value, list) else [value]


def matches(value: str, pattern: str) -> bool:
    """Whether an IAM pattern with * and ? matches a value; brackets stand for themselves."""
    return _matches(value, _plain(pattern))


def arn_matches(arn: str, pattern: str, keys: Keys) -> bool:
    """Whether a pattern with wildcards and variables matches an ARN, or "*" for no resource at all.

    Each of the six parts of an ARN is matched by itself; what an incomplete pattern lacks may be anything.
    """
    filled = _filled(pattern, keys, _plain, escape)
    return filled is not None and _arn_matches(arn, filled)


def holds(conditions: Mapping[str, Mapping[str, Any]], keys: Keys) -> bool:
    """Evaluate a Condition element; UnsupportedError when it has an operator that is not evaluated here."""
    return all(
        _holds(operator, key, [_text(want) for want in many(wanted)], keys)
        for operator, condition in conditions.items()
        for key, wanted in condition.items()
    )


def _holds(operator: str, key: str, wanted: Sequence[str], keys: Keys) -> bool:
    qualifier, _, name = operator.rpartition(":")
    name, optional = name.removesuffix("IfExists"), name.endswith("IfExists")
    values = keys.get(key.lower(), ())
    if name == "Null":
        return any((not values) == (want.lower() == "true") for want in wanted)
    negated = "Not" in name
    operation = _OPERATORS.get(name.replace("Not", ""))
    if operation is None or qualifier not in {"", "ForAnyValue", "ForAllValues"}:
        raise UnsupportedError(f"the condition operator '{operator}'")
    if not values:
        return optional or qualifier == "ForAllValues" or (negated and not qualifier)
    met = [any(operation(value, want, keys) for want in wanted) != negated for value in values]
    every = qualifier == "ForAllValues" or (negated and not qualifier)
    return all(met) if every else any(met)


def _equals(value: str, want: str, keys: Keys) -> bool:
    return value == _filled(want, keys, str, str)


def _equals_ignoring_case(value: str, want: str, keys: Keys) -> bool:
    return value.lower() == (_filled(want, keys, str, str) or "").lower()


def _like(value: str, want: str, keys: Keys) -> bool:
    filled = _filled(want, keys, _plain, escape)
    return filled is not None and _matches(value, filled)


def _number(compare: Callable[[float, float], bool]) -> Callable[[str, str, Keys], bool]:
    return lambda value, want, _: compare(float(value), float(want))


_OPERATORS: Mapping[str, Callable[[str, str, Keys], bool]] = {
    "ArnEquals": arn_matches,  # it takes wildcards too
    "ArnLike": arn_matches,
    "Bool": lambda value, want, _: value.lower() == want.lower(),
    "IpAddress": lambda value, want, _: ip_address(value) in ip_network(want, strict=False),
    "NumericEquals": _number(float.__eq__),
    "NumericGreaterThan": _number(float.__gt__),
    "NumericGreaterThanEquals": _number(float.__ge__),
    "NumericLessThan": _number(float.__lt__),
    "NumericLessThanEquals": _number(float.__le__),
    "StringEquals": _equals,
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringLike": _like,
}


def _filled(text: str, keys: Keys, plain: Callable[[str], str], quoted: Callable[[str], str]) -> str | None:
    """Replace variables by their values; None when one has neither value nor default."""
    if "${" not in text:
        return plain(text)
    parts = list(_parts(text, keys, plain, quoted))
    return None if None in parts else "".join(filter(None, parts))


def _parts(
    text: str, keys: Keys, plain: Callable[[str], str], quoted: Callable[[str], str]
) -> Iterator[str | None]:
    end = 0
    for found in _VARIABLE.finditer(text):
        yield plain(text[end : found.start()])
        key = found["key"]
        values = [key] if key in _CHARACTERS else keys.get(key.strip().lower()) or [found["default"]]
        yield None if values[0] is None else quoted(values[0])
        end = found.end()
    yield plain(text[end:])


def _plain(pattern: str) -> str:
    return pattern.replace("[", "[[]")


def _matches(value: str, pattern: str) -> bool:
    return _compiled(pattern).match(value) is not None


def _arn_matches(arn: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    parts, patterns = arn.split(":", _ARN_PARTS - 1), pattern.split(":", _ARN_PARTS - 1)
    patterns += ["*"] * (_ARN_PARTS - len(patterns))
    return len(parts) == _ARN_PARTS and all(map(_matches, parts, patterns))


@lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
