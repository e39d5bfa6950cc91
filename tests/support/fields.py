"""The fields of a manifest by their paths, which is how server-side apply sees an object."""

import copy
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]

BY_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")
"""The metadata that only a server writes."""


def leaves(manifest: Mapping[str, Any]) -> dict[Path, Any]:
    """Return the fields that a manifest sets, by path; a list is one value."""
    found: dict[Path, Any] = {}

    def walk(value: Any, path: Path) -> None:  # noqa: ANN401 (JSON-like)
        if isinstance(value, Mapping) and value:
            for key, below in value.items():
                walk(below, (*path, key))
        elif path[0] not in ("apiVersion", "kind", "status") and path[-1:] != ("resourceVersion",):
            found[path] = value

    walk(manifest, ())
    server = {("metadata", key) for key in (*BY_SERVER, "name", "namespace")}
    return {path: value for path, value in found.items() if path not in server}


def value_at(manifest: Any, path: Path) -> Any:  # noqa: ANN401 (JSON-like)
    """Return the value of a field, None where there is none."""
    for key in path:
        manifest = manifest.get(key) if isinstance(manifest, Mapping) else None
    return manifest


def put(manifest: Object, path: Path, value: Any) -> None:  # noqa: ANN401 (JSON-like)
    """Set a field; an empty mapping takes nothing away from one that is not."""
    for key in path[:-1]:
        below = manifest.get(key)
        manifest[key] = below if isinstance(below, dict) else {}
        manifest = manifest[key]
    if value != {} or not isinstance(manifest.get(path[-1]), dict):
        manifest[path[-1]] = copy.deepcopy(value)


def remove(manifest: Object, path: Path) -> None:
    """Take a field away."""
    for key in path[:-1]:
        manifest = manifest.get(key, {})
    manifest.pop(path[-1], None)
