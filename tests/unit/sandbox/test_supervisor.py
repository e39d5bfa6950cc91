"""Starting, finding and stopping processes, with small ones instead of a control plane."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from ackinstall.errors import AckinstallError
from ackinstall.sandbox import supervisor
from ackinstall.sandbox.layout import Layout, Sandbox
from ackinstall.sandbox.processes import MARKS, Process, exists
from ackinstall.sandbox.progress import Progress

# The processes outlive their starter on purpose, so nobody waits for them.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

# A process that says it is ready, and whose child outlives it; the child does not listen to SIGTERM.
STUBBORN = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """Return the files of a sandbox that was not started."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Layout.of("test")
    made.logs.mkdir(parents=True)
    return made


def row(layout: Layout, name: str, *needs: str, code: str = STUBBORN) -> Process:
    flag = layout.file(f"{name}.ready")
    return Process(name, (sys.executable, "-c", code, str(flag)), exists(flag), needs)


def start(layout: Layout, *rows: Process) -> tuple[dict[str, int], str]:
    stream = io.StringIO()
    return supervisor.start(rows, layout, dict(os.environ), Progress(stream)), stream.getvalue()


def described(pids: dict[str, int]) -> Sandbox:
    return Sandbox("test", "us-west-2", "https://issuer", "1.36", {}, pids)


def test_start_follows_needs_and_stop_ends_all_that_carry_the_mark(layout: Layout) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        pids, told = start(layout, row(layout, "second", "first"), row(layout, "first"))
        assert [line.split()[0] for line in told.splitlines()] == ["first", "second"]
        assert supervisor.is_up(described(pids))
        assert supervisor.remove(layout) == 4
        assert not supervisor.is_left(layout)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_child_that_outlives_its_parent_does_not_pass_for_it(layout: Layout) -> None:
    try:
        pids, _ = start(layout, row(layout, "one"))
        killed = psutil.Process(pids["one"])
        killed.kill()
        killed.wait(timeout=10)
        assert not supervisor.is_up(described(pids))
        assert supervisor.memory(described(pids)) == {}
        assert supervisor.is_left(layout)
    finally:
        assert supervisor.stop(layout) >= 1


def test_process_that_ends_is_told_with_the_end_of_its_log(layout: Layout) -> None:
    with pytest.raises(AckinstallError, match="'bad' ended with exit code 3") as raised:
        start(layout, row(layout, "bad", code="import sys; print('no such flag'); sys.exit(3)"))
    assert "no such flag" in raised.value.details[-1]
    assert "ackinstall sandbox logs bad --name test" in raised.value.hint


def test_own_process_id_under_another_sandbox_is_not_taken(layout: Layout) -> None:
    marks = dict(zip(MARKS, (str(layout.directory) + "-other", "one"), strict=True))
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | marks)
    try:
        assert not supervisor.is_up(described({"one": other.pid}))
        assert supervisor.stop(layout) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_second_command_waits_and_gets_a_folder_of_its_own(layout: Layout) -> None:
    entered, told = threading.Event(), io.StringIO()

    def second() -> None:
        with supervisor.lock(layout, Progress(told)):
            assert layout.directory.exists()
            entered.set()

    thread = threading.Thread(target=second)
    with supervisor.lock(layout, Progress()):
        thread.start()
        while "waiting" not in told.getvalue():
            assert thread.is_alive()
        assert not entered.is_set()
        supervisor.remove(layout)
    thread.join(10)
    assert entered.is_set()
