"""A profile's text, read as YAML that JSON can hold, with the line of every key: mistakes have a place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ackinstall.errors import UsageError

KeyPath = tuple[str | int, ...]
"""Where something stands: keys and indexes from the top."""
SETTING = 0
"""The line of what `--set` put there."""


@dataclass(frozen=True)
class Source:
    """What a person calls the text, and the lines on which its keys and items begin."""

    label: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return where `path` stands, or the nearest of what it lies in: FILE:LINE, or the setting."""
        for known, line in self.lines.items():
            shared = min(len(known), len(path))
            if line == SETTING and path and known[:shared] == path[:shared]:
                return f"--set {dotted(known)}"
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.label}:{self.lines[path]}" if path else self.label


class _Loader(yaml.SafeLoader):
    """YAML without dates, which JSON has not: they stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def dotted(path: KeyPath) -> str:
    """Return a path as messages and settings write it."""
    return ".".join(str(part) for part in path)


def read(text: str, label: str) -> tuple[dict[str, Any], Source]:
    """Return the mapping that a YAML text holds, and where its keys stand.

    Raises UsageError with the line for what is no YAML, no mapping, or has a key twice or one that is not
    text.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        lines = dict(_positions(root, (), label)) if root else {}
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UsageError("profile-not-yaml", f"{label}{line}: not valid YAML: {problem}") from error
    except RecursionError as error:
        raise UsageError("profile-not-yaml", f"{label}: not valid YAML: it contains itself") from error
    if not isinstance(content, dict):
        raise UsageError(
            "profile-not-a-mapping",
            f"{label}: the profile is not a mapping of keys to values",
            "look at one with `ackinstall profiles show default`",
        )
    return content, Source(label, lines)


def value(text: str) -> object:
    """Return one value in YAML. Raises ValueError when it is none."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(text) from error


def _positions(node: yaml.Node, path: KeyPath, label: str) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, yaml.MappingNode):
        known = set()
        for key, below in node.value:
            line = key.start_mark.line + 1
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise UsageError("key-not-text", f"{label}:{line}: a key is not text", "put it in quotes")
            if key.value in known:
                raise UsageError("duplicate-key", f"{label}:{line}: the key '{key.value}' is there twice")
            known.add(key.value)
            yield (*path, key.value), line
            yield from _positions(below, (*path, key.value), label)
    elif isinstance(node, yaml.SequenceNode):
        for index, below in enumerate(node.value):
            yield (*path, index), below.start_mark.line + 1
            yield from _positions(below, (*path, index), label)
