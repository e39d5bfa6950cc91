"""Limits on names that moto does not check; the lengths and patterns are those of the service's own model."""

import re
from collections.abc import Iterator

from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError

_CODES = {"iam": "ValidationError", "sagemaker": "ValidationException"}


def check_names(call: Call) -> None:
    """Refuse a name that is too long or has a character that AWS does not allow, as AWS words it."""
    if call.service in _CODES and (failures := list(_failures(call))):
        noun = "error" if len(failures) == 1 else "errors"
        message = f"{len(failures)} validation {noun} detected: {'; '.join(failures)}"
        raise AwsError(_CODES[call.service], message)


def _failures(call: Call) -> Iterator[str]:
    shape = call.model.input_shape
    for name, value in call.parameters.items():
        if shape is None or not name.endswith("Name") or not isinstance(value, str):
            continue
        limits = shape.members[name].metadata
        member = f"Value '{value}' at '{name[0].lower()}{name[1:]}' failed to satisfy constraint"
        if len(value) > limits.get("max", len(value)):
            yield f"{member}: Member must have length less than or equal to {limits['max']}"
        if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
            yield f"{member}: Member must satisfy regular expression pattern: {limits['pattern']}"
