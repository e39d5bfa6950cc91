"""A process of the sandbox as one row of data, and ways to see that one is ready."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# In the environment of every process of a sandbox: its folder, and the process' name. Whoever starts a child
# with an environment made anew passes these on, or the child is not found when the sandbox stops.
MARKS = ("ACKINSTALL_SANDBOX_DIRECTORY", "ACKINSTALL_SANDBOX_PROCESS")


@dataclass(frozen=True)
class Process:
    """What to start, after what, and how to see that it serves.

    Fields: `argv` is the whole command; `ready` looks once and returns at once; `needs` are names of
    processes that must be ready before this one starts; `environment` is added to that of all processes;
    `port` is the loopback port that it listens on, 0 for none.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool]
    needs: tuple[str, ...] = ()
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


def answers(url: str, authority: Path | None = None) -> Callable[[], bool]:
    """Return a look at whether a GET of the loopback URL answers 200; `authority` is a PEM file for https."""

    def look() -> bool:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if authority:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)))
        try:
            with urllib.request.build_opener(*handlers).open(url, timeout=1) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 (HTTP)
        except OSError:
            return False

    return look


def exists(path: Path) -> Callable[[], bool]:
    """Return a look at whether the file exists."""
    return path.exists
