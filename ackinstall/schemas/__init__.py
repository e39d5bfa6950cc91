"""The JSON Schemas of what the program reads and writes: profiles and events."""

from importlib import resources

from ackinstall.policies import data

NAMES = ("events", "profile")


def read(name: str) -> str:
    """Return the text of a schema, one of NAMES."""
    if name == "profile":
        return (data("profiles") / "schema.json").read_text(encoding="utf-8")
    return (resources.files(__name__) / f"{name}.json").read_text(encoding="utf-8")
