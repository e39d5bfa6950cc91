"""Starts the processes of a sandbox, finds what runs of it, and stops it.

A process belongs to a sandbox when its environment carries the mark of the sandbox's folder, which children
inherit. Nothing else is written down about processes: what runs is looked up, so a process id that now
belongs to another program is never touched, and a process that was started by a killed starter is found.
"""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path

import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from ackinstall.errors import AckinstallError
from ackinstall.sandbox.layout import Layout, Sandbox
from ackinstall.sandbox.processes import MARKS, Process
from ackinstall.sandbox.progress import Progress

_LOOK_EVERY = 0.05  # seconds
_READY_WITHIN = 120.0  # seconds, for all processes together
_STOPS_WITHIN = 1.0  # seconds that a process has to end by itself; nothing of it is kept anyway
_LOG_LINES = 8


def memory(sandbox: Sandbox) -> dict[str, int]:
    """Return the bytes of memory of each process that is up, with its children."""
    taken: dict[str, int] = {}
    alive: set[str] = set()
    for process, name in _marked(sandbox.layout.directory):
        try:
            taken[name] = taken.get(name, 0) + process.memory_info().rss
        except psutil.Error:
            continue
        if process.pid == sandbox.processes.get(name):
            alive.add(name)
    return {name: size for name, size in taken.items() if name in alive}


def is_up(sandbox: Sandbox | None) -> bool:
    """Tell whether the sandbox came up and each of its processes is still there."""
    return sandbox is not None and memory(sandbox).keys() == sandbox.processes.keys()


def is_left(layout: Layout) -> bool:
    """Tell whether anything of a sandbox is there: files or processes."""
    return layout.directory.exists() or bool(_marked(layout.directory))


def start(
    rows: Sequence[Process], layout: Layout, environment: dict[str, str], progress: Progress
) -> dict[str, int]:
    """Start each row once what it needs is ready, side by side; return the process ids when all are ready.

    Raises AckinstallError when one ends or is not ready in time; the caller cleans up.
    """
    by_name = {row.name: row for row in rows}
    graph = TopologicalSorter({row.name: [need for need in row.needs if need in by_name] for row in rows})
    graph.prepare()
    waiting: dict[str, subprocess.Popen[bytes]] = {}
    started: dict[str, int] = {}
    since = time.monotonic()

    def look() -> bool:
        for name in graph.get_ready():
            waiting[name] = _spawn(by_name[name], layout, environment)
            started[name] = waiting[name].pid
        for name, child in list(waiting.items()):
            if child.poll() is not None:
                raise _ended(name, child.returncode, layout)
            if by_name[name].ready():
                del waiting[name]
                graph.done(name)
                progress.took(f"{name} is ready", since)
        return graph.is_active()

    look_again = Retrying(
        retry=retry_if_result(bool), wait=wait_fixed(_LOOK_EVERY), stop=stop_after_delay(_READY_WITHIN)
    )
    try:
        look_again(look)
    except RetryError:
        late = ", ".join(f"'{name}'" for name in waiting)
        raise AckinstallError(
            "sandbox-not-ready",
            f"not ready after {_READY_WITHIN:.0f} s: {late}",
            _see_log(next(iter(waiting)), layout),
        ) from None
    return started


def stop(layout: Layout) -> int:
    """End every process of the sandbox: asked first, then by force; return how many there were."""
    seen: set[int] = set()
    while members := [process for process, _ in _marked(layout.directory)]:
        seen |= {process.pid for process in members}
        for process in members:
            _quietly(process.terminate)
        _, alive = psutil.wait_procs(members, timeout=_STOPS_WITHIN)
        for process in alive:
            _quietly(process.kill)
        psutil.wait_procs(alive, timeout=_STOPS_WITHIN)
    return len(seen)


def remove(layout: Layout) -> int:
    """Stop the sandbox and delete its files; return how many processes there were."""
    count = stop(layout)
    shutil.rmtree(layout.directory, ignore_errors=True)
    return count


@contextmanager
def lock(layout: Layout, progress: Progress) -> Iterator[None]:
    """Be the only one who starts or stops this sandbox; makes its folder, which carries the lock.

    The lock ends with its holder, however that ends.
    """
    while True:
        layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(layout.directory, os.O_RDONLY)
        try:
            _wait_for(descriptor, layout, progress)
            if not _is_still(layout.directory, descriptor):  # removed by the one we waited for
                continue
            yield
            return
        finally:
            os.close(descriptor)


def _wait_for(descriptor: int, layout: Layout, progress: Progress) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        progress.say(f"another command works on sandbox '{layout.directory.name}'; waiting for it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _is_still(directory: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(directory.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _spawn(row: Process, layout: Layout, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    marks = dict(zip(MARKS, (str(layout.directory), row.name), strict=True))
    with layout.log(row.name).open("ab") as log:
        return subprocess.Popen(
            row.argv,
            cwd=layout.directory,
            env={**environment, **row.environment, **marks},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _marked(directory: Path) -> list[tuple[psutil.Process, str]]:
    """Return each process that carries the mark of this folder, with the part that it belongs to."""
    found = []
    folder, name = MARKS
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.Error, OSError):
            continue  # another user's, or gone meanwhile
        if environment.get(folder) == str(directory):
            found.append((process, environment.get(name, "")))
    return found


def _ended(name: str, code: int, layout: Layout) -> AckinstallError:
    last = layout.log(name).read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return AckinstallError(
        "sandbox-process-ended",
        f"'{name}' ended with exit code {code}, after the last lines of its log",
        _see_log(name, layout),
        last,
    )


def _see_log(name: str, layout: Layout) -> str:
    return (
        f"read the log with `ackinstall sandbox logs {name} --name {layout.directory.name}`, then try again"
    )


def _quietly(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return
