"""Amounts of cpu, memory and what else Kubernetes counts, as numbers. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from ackinstall.kube import amount

Amounts = dict[str, Decimal]
"""By resource name, such as `cpu` (cores), `memory` (bytes), `pods`."""


def parsed(quantities: Mapping[str, object]) -> Amounts:
    """Return Kubernetes' quantities (`100m`, `64Mi`) as numbers."""
    return {name: amount(str(one)) for name, one in quantities.items()}


def added(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> Amounts:
    """Return the sum of amounts."""
    return {name: one.get(name, Decimal(0)) + other.get(name, Decimal(0)) for name in (*one, *other)}


def less(one: Mapping[str, Decimal], taken: Mapping[str, Decimal]) -> Amounts:
    """Return what is left of amounts, as far as they are counted."""
    return {name: amount - taken.get(name, Decimal(0)) for name, amount in one.items()}


def fits(wanted: Mapping[str, Decimal], free: Mapping[str, Decimal]) -> bool:
    """Tell whether there is room for all that is wanted, as far as it is counted."""
    return all(amount <= free[name] for name, amount in wanted.items() if name in free)
