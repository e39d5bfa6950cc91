"""The mark of ownership on AWS objects: tags, written in the call that creates them.

`ackinstall` = "owned" says that the object is ours; `ackinstall:REGION/CLUSTER` names a cluster that uses it.
An AWS object can carry 50 tags, so about 40 clusters can share one.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from collections.abc import Iterable, Mapping

OWNED = "ackinstall"
PREFIX = "ackinstall:"

Tags = Mapping[str, str]


def marked(owner: str, tags: Tags) -> dict[str, str]:
    """Return the tags of a new object: the profile's `tags` and our mark; `owner` is REGION/CLUSTER."""
    return {**tags, OWNED: "owned", PREFIX + owner: "user"}


def users(tags: Tags) -> frozenset[str]:
    """Return the clusters (REGION/CLUSTER) that the tags name."""
    return frozenset(key.removeprefix(PREFIX) for key in tags if key.startswith(PREFIX))


def is_ours(tags: Tags, owner: str, *, shared: bool) -> bool:
    """Tell whether we made the object; one that is not shared has to be this cluster's too."""
    return OWNED in tags and (shared or owner in users(tags))


def pairs(tags: Tags) -> list[dict[str, str]]:
    """Return tags in AWS's form, a list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def mapping(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return AWS's list of Key and Value as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in listed}


def wanted(tags: Tags, found: Tags) -> dict[str, str | None]:
    """Return the found values of the tags that the profile asks for."""
    return {key: found.get(key) for key in tags}
