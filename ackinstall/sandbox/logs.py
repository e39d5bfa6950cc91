"""What the processes and the controllers of a sandbox wrote."""

import time
from collections.abc import Iterator

from ackinstall.errors import AckinstallError
from ackinstall.sandbox.layout import Layout

_LOOK_EVERY = 0.2  # seconds between two looks at a growing log


def names(name: str) -> list[str]:
    """Return the names of the parts that have a log: processes, and services whose controller runs.

    A controller's log is that of its newest pod; those of all pods are NAMESPACE_POD_CONTAINER.
    """
    return sorted(path.stem for path in Layout.of(name).logs.glob("*.log") if "_" not in path.stem)


def read(name: str, part: str, *, follow: bool) -> Iterator[str]:
    """Yield the log of a part, and with `follow` what is added; raise AckinstallError for no such log."""
    layout = Layout.of(name)
    path = layout.log(part)
    if path.parent != layout.logs or not path.exists():
        parts = names(name)
        known = f"there are: {', '.join(parts)}" if parts else f"run `ackinstall sandbox up --name {name}`"
        raise AckinstallError("no-such-log", f"sandbox '{name}' has no log of a part '{part}'", known)
    with path.open(errors="replace") as file:
        yield file.read()
        while follow and path.exists():
            time.sleep(_LOOK_EVERY)
            yield file.read()
