"""How messages word what is said in many places."""

from collections.abc import Sequence


def some(told: Sequence[str], count: int) -> str:
    """Return the first `count` of `told` in one clause, and how many more there are."""
    more = f" and {len(told) - count} more" if len(told) > count else ""
    return f"{', '.join(told[:count])}{more}"
