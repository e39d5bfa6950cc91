"""How a sandbox is, as data and as text."""

from typing import TypedDict

from ackinstall.sandbox.layout import Sandbox
from ackinstall.sandbox.supervisor import memory as memory_of


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


def look(sandbox: Sandbox) -> State:
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


def lines(state: State) -> list[str]:
    """Return the state as lines for a person."""
    found = [
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
        found.append(f"  {row['name']:<25}{word:<7}{numbers}{row['memory'] // 2**20:>6} MB")
    return found
