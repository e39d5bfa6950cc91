"""What `down` answers, as data."""

import json
from collections.abc import Mapping

from sandboxed import Sandboxed


def down(world: Sandboxed, *options: str) -> Mapping[str, str]:
    """Run `down`, which must succeed; return what it says is left, each with the reason."""
    told = world.down(*options, "--output", "json").stdout
    (event,) = (one for one in map(json.loads, told.splitlines()) if one["event"] == "left")
    return {one["what"]: one["why"] for one in event["resources"]}
