"""A real run that is killed or stopped anywhere goes on when it is run again, and loses nothing."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest
from inventory import Inventory, inventory
from sandboxed import Sandboxed, until

from ackinstall.kube import Manifest

SLOW = {"iam": 0.1, "s3": 0.1}
"""Seconds that a call takes, so that a run can be met between two of them."""
Place = Callable[[Sandboxed], bool]


def _writes(count: int) -> Place:
    return lambda world: len(world.writes()) >= count


def _helm_is(status: str) -> Place:
    return lambda world: bool(world.kube.list("v1", "Secret", "ack-system", f"owner=helm,status={status}"))


def _definitions(world: Sandboxed) -> list[Manifest]:
    found = world.kube.list("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    return [one for one in found if one["spec"]["group"].endswith("services.k8s.aws")]


def _some_definitions(world: Sandboxed) -> bool:
    return bool(_definitions(world))


def _definitions_go(world: Sandboxed) -> bool:
    found = _definitions(world)
    return not found or any("deletionTimestamp" in one["metadata"] for one in found)


def _namespace_goes(world: Sandboxed) -> bool:
    found = world.kube.list("v1", "Namespace")
    return any("deletionTimestamp" in one["metadata"] for one in found)


@pytest.mark.parametrize(
    ("in_up", "in_down"),
    [
        pytest.param(_writes(1), _writes(1), id="first write"),
        pytest.param(_writes(6), _writes(6), id="sixth write"),
        pytest.param(_writes(11), _definitions_go, id="eleventh write, definitions go"),
        pytest.param(_some_definitions, _namespace_goes, id="definitions come, namespace goes"),
        pytest.param(_helm_is("pending-install"), _helm_is("uninstalling"), id="helm"),
    ],
)
def test_killed(bare: Sandboxed, empty: Inventory, in_up: Place, in_down: Place) -> None:
    """`up` killed by SIGKILL, with the helm that it runs, converges when run again; `down` likewise."""
    bare.break_aws(latency=SLOW)
    _interrupt(bare, "up", in_up, signal.SIGKILL, -signal.SIGKILL)
    bare.up()
    assert bare.changes() == {}
    _interrupt(bare, "down", in_down, signal.SIGKILL, -signal.SIGKILL)
    bare.down()
    assert inventory(bare) == empty


def test_stopped(bare: Sandboxed, empty: Inventory) -> None:
    """`up` and `down` that get SIGTERM end with 130 and let go of the lock; run again they go on."""
    bare.break_aws(latency=SLOW)
    _interrupt(bare, "up", _writes(4), signal.SIGTERM, 130)
    assert "Lease/kube-system/ackinstall" not in inventory(bare)
    bare.up()
    assert bare.changes() == {}
    _interrupt(bare, "down", _writes(2), signal.SIGTERM, 130)
    assert "Lease/kube-system/ackinstall" not in inventory(bare)
    bare.down()
    assert inventory(bare) == empty


def _interrupt(world: Sandboxed, command: str, place: Place, number: signal.Signals, code: int) -> None:
    """Run until `place` is reached, signal the process (and, to kill it, its children), see it end."""
    world.forget_calls()
    process = world.spawn(command, "--yes")
    try:
        until(lambda: process.poll() is not None or place(world), every=0.02)
        assert process.poll() is None, f"`{command}` ended before it could be interrupted"
    except BaseException:
        _kill(process)
        raise
    if number == signal.SIGKILL:
        _kill(process)
    else:
        process.send_signal(number)
    assert process.wait(60) == code


def _kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
