"""A container as a process: started, probed, started again with a back-off, and stopped."""

import http.client
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ackinstall.sandbox.node.pods import Exit, State

# The kubelet starts at 10 s and ends at 300 s; here nobody wants to wait for it.
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 30.0
STEADY_SECONDS = 60.0
PROBE_TIMEOUT, PROBE_PERIOD = 0.5, 2.0


@dataclass(frozen=True)
class Command:
    """What to run: arguments, the whole environment, the working folder, the log, and the readiness probe.

    The probe is a loopback port and a path; without one a process is ready once it runs.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    probe: tuple[int, str] | None = None


def next_backoff(previous: float, ran: float) -> float:
    """Return how many seconds to wait before the next start of a process that ran so long."""
    if not previous or ran >= STEADY_SECONDS:
        return FIRST_BACKOFF
    return min(previous * 2, LAST_BACKOFF)


def answers(port: int, path: str) -> bool:
    """Tell whether an HTTP GET on a loopback port succeeds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.HTTPStatus.BAD_REQUEST
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class Container:
    """One container. `command` makes what to run at each start; it may raise ValueError with a reason."""

    def __init__(self, command: Callable[[], Command], restarts: int = 0) -> None:
        self._make = command
        self._command: Command | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff = 0.0
        self._probed = 0.0
        self._ready = False
        self._started = 0.0
        self._next = 0.0
        self._restarts = restarts
        self._last: Exit | None = None

    def observe(self, now: float) -> State:
        """Start the process when it is due, and say how it is; `now` in seconds since the epoch."""
        if self._process is None and now >= self._next:
            try:
                self._start(now)
            except (OSError, ValueError) as error:
                self._next = now + LAST_BACKOFF
                return self._state(reason="CreateContainerConfigError", message=str(error))
        if self._process and (code := self._process.poll()) is not None:
            self._ended(code, now)
        if self._process is None:
            message = f"back-off {self._backoff:g}s restarting failed container"
            return self._state(reason="CrashLoopBackOff", message=message)
        if not self._ready or now - self._probed >= PROBE_PERIOD:
            probe = self._command.probe if self._command else None
            self._ready, self._probed = probe is None or answers(*probe), now
        return self._state(started=self._started, ready=self._ready)

    def _state(
        self, *, started: float = 0, ready: bool = False, reason: str = "", message: str = ""
    ) -> State:
        return State(started, ready, reason, message, self._restarts, self._last)

    def _start(self, now: float) -> None:
        command = self._command = self._make()
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(
                command.arguments,
                env=command.environment,
                cwd=command.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._restarts += 1 if self._last else 0
        self._started = now

    def _ended(self, code: int, now: float) -> None:
        # A shell's way to write the end by a signal, and the kubelet's.
        exit_code = 128 - code if code < 0 else code
        self._last = Exit(exit_code, self._started, now)
        self._backoff = next_backoff(self._backoff, now - self._started)
        self._next = now + self._backoff
        self._process, self._ready = None, False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Send the process a signal, if it runs."""
        if self._process and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def running(self) -> bool:
        """Tell whether the process has not ended."""
        return self._process is not None and self._process.poll() is None
