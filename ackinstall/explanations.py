"""What the documents in docs/ say of one id: of a check, or of an error's reference."""

import re

from ackinstall.errors import UsageError
from ackinstall.mistakes import did_you_mean
from ackinstall.policies import data

_SECTION = re.compile(r"^### (?P<id>[\w-]+)\n+(?P<text>.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)


def explain(id_: str) -> str:
    """Return what stands about an id. Raises UsageError for one that there is not."""
    found = _sections()
    if id_ not in found:
        raise UsageError(
            "unknown-id",
            f"nothing is called '{id_}'{did_you_mean(id_, list(found))}",
            "the ids are those of `ackinstall check` and the references in brackets behind errors",
        )
    return found[id_]


def _sections() -> dict[str, str]:
    texts = [one.read_text(encoding="utf-8") for one in data("docs").iterdir() if one.name.endswith(".md")]
    return {one["id"]: one["text"].strip() for text in sorted(texts) for one in _SECTION.finditer(text)}
