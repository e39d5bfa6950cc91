"""Two sandboxes at a time, each a world of its own."""

from concurrent.futures import ThreadPoolExecutor

from inventory import aws_inventory
from sandboxed import Sandboxed


def test_two(bare: Sandboxed) -> None:
    """Two sandboxes are installed at the same time; stopping one leaves the other as it was."""
    other = Sandboxed(f"{bare.name}-b")
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Sandboxed.up, (bare, other)))
        mine, others = aws_inventory(bare), aws_inventory(other)
        assert len(mine) == len(others)
        assert f"aws/role/ack-controller-role-{other.name}" in others.keys() - mine.keys()
    finally:
        other.stop()
    assert bare.changes() == {}
    assert aws_inventory(bare) == mine
