"""How a sandbox is, as data and as text, and what its processes wrote."""

import json
import time
from collections.abc import Iterator
from typing import TypedDict

from ackinstall.errors import AckinstallError
from ackinstall.sandbox.layout import Layout, Sandbox
from ackinstall.sandbox.supervisor import memory as memory_of

_LOOK_EVERY = 0.2  # seconds between two looks at a growing log


class ProcessState(TypedDict):
    """One process: `pid` 0 when it is down, `memory` in bytes with its children, `port` 0 for none."""

    name: str
    up: bool
    pid: int
    port: int
    memory: int


class State(TypedDict):
    """One sandbox; `up` when all of its processes are."""

    name: str
    up: bool
    cluster: str
    region: str
    account: str
    aws: str
    endpoint: str
    issuer: str
    directory: str
    processes: list[ProcessState]


def state(sandbox: Sandbox) -> State:
    """Look how the sandbox is."""
    memory = memory_of(sandbox)
    rows: list[ProcessState] = [
        {
            "name": name,
            "up": name in memory,
            "pid": pid if name in memory else 0,
            "port": sandbox.ports.get(name, 0),
            "memory": memory.get(name, 0),
        }
        for name, pid in sandbox.processes.items()
    ]
    return {
        "name": sandbox.name,
        "up": all(row["up"] for row in rows),
        "cluster": sandbox.name,
        "region": sandbox.region,
        "account": sandbox.account,
        "aws": sandbox.aws_url,
        "endpoint": sandbox.endpoint,
        "issuer": sandbox.issuer,
        "directory": str(sandbox.layout.directory),
        "processes": rows,
    }


def as_json(state: State) -> str:
    """Return the state as one JSON object."""
    return json.dumps(state, indent=2)


def as_text(state: State) -> str:
    """Return the state as lines for a person."""
    lines = [
        f"sandbox '{state['name']}' is {'up' if state['up'] else 'not whole'}",
        f"  cluster     {state['cluster']} in {state['region']}, account {state['account']}",
        f"  AWS         {state['aws']}",
        f"  Kubernetes  {state['endpoint']}",
        f"  files       {state['directory']}",
        "",
        f"  {'PROCESS':<25}{'STATE':<7}{'PID':>8}{'PORT':>8}{'MEMORY':>9}",
    ]
    for row in state["processes"]:
        word = "up" if row["up"] else "down"
        numbers = f"{row['pid'] or '-':>8}{row['port'] or '-':>8}"
        lines.append(f"  {row['name']:<25}{word:<7}{numbers}{row['memory'] // 2**20:>6} MB")
    return "\n".join(lines)


def logs(name: str) -> list[str]:
    """Return the names of the parts that have a log: processes, and services whose controller runs.

    A controller's log is that of its newest pod; those of all pods are NAMESPACE_POD_CONTAINER.
    """
    return sorted(path.stem for path in Layout.of(name).logs.glob("*.log") if "_" not in path.stem)


def log(name: str, part: str, *, follow: bool) -> Iterator[str]:
    """Yield the log of a part, and with `follow` what is added; raise AckinstallError for no such log."""
    layout = Layout.of(name)
    path = layout.log(part)
    if path.parent != layout.logs or not path.exists():
        parts = logs(name)
        known = f"there are: {', '.join(parts)}" if parts else f"run `ackinstall sandbox up --name {name}`"
        raise AckinstallError("no-such-log", f"sandbox '{name}' has no log of a part '{part}'", known)
    with path.open(errors="replace") as file:
        yield file.read()
        while follow and path.exists():
            time.sleep(_LOOK_EVERY)
            yield file.read()
