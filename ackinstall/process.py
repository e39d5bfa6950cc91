"""Which process it is, told so that another process can say for sure whether it is gone.

A process id says nothing alone: it is given again after a while, containers that share a host's name have ids
of their own, and a host starts again. Linux tells what is missing: the boot, the PID namespace, and when the
process started. Elsewhere nothing is said, and nobody is taken for gone.
https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
"""

import os
from pathlib import Path

_STARTED = 19
"""The place of `starttime` (field 22 of a process's stat) behind the program's name, which is in brackets."""


def identify(process: int) -> str:
    """Return what no other process has, of one that lives; "" where that cannot be told."""
    try:
        return f"{_place()} {process} {_started(process)}"
    except OSError:
        return ""


def is_gone(identity: str) -> bool:
    """Tell whether the process of an identity ran here and does not any more; not sure is False."""
    place, _, numbers = identity.partition(" ")
    process, _, started = numbers.partition(" ")
    try:
        if place != _place():
            return False
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # a process of somebody else: there is one, perhaps not that one
    except (OSError, OverflowError, ValueError):
        return False
    try:
        return _started(int(process)) != started
    except OSError:
        return False


def _place() -> str:
    """Return where process ids mean what they mean here. Raises OSError where that cannot be told."""
    if str(Path("/proc/self").readlink()) != str(os.getpid()):
        raise OSError("/proc shows another PID namespace")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"


def _started(process: int) -> str:
    stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()[_STARTED]
