"""Tables of test data whose first column is the case's name."""

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet


def cases(rows: Iterable[tuple[object, ...]]) -> list[ParameterSet]:
    """Return rows for `parametrize`; the first column names the case and is no argument."""
    return [pytest.param(*row[1:], id=str(row[0])) for row in rows]
