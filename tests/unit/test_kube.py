"""The API of a real cluster, where only a socket shows how it behaves."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from kubernetes.client import Configuration

from ackinstall.errors import AckinstallError
from ackinstall.kube import ApiServer, access_attributes
from ackinstall.opening import reach

RACE = """
import sys, tempfile, threading
from pathlib import Path
from ackinstall import kube

threading.Thread(target=kube.preload).start()
while "kubernetes.config" not in sys.modules:  # which is about to want what the line below loads
    pass
kube.open_cluster("https://127.0.0.1:1", b"", str, Path(tempfile.mkdtemp()))
"""


def test_threads_load_the_package_together() -> None:
    """A thread that needs the kubernetes package while another one loads it gets all of it."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1:] == []


def test_an_api_server_that_says_nothing(tmp_path: Path) -> None:
    """An address that takes connections and never answers, as a private cluster's may, is not waited for
    without an end.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        configuration.proxy = None
        with pytest.raises(AckinstallError) as caught:
            reach(ApiServer(configuration, tmp_path, (0.1, 0.1)), configuration.host, seconds=0.1)
    assert caught.value.reference == "api-server-unreachable"


def test_a_part_of_an_object_is_asked_for_as_such() -> None:
    """A rule on `*/token` allows `serviceaccounts/token` only where that is told in two words."""
    asked = access_attributes("create", "", "serviceaccounts/token", "ack-system")
    assert (asked["resource"], asked["subresource"]) == ("serviceaccounts", "token")
    asked = access_attributes("get", "", "pods", "")
    assert (asked["resource"], asked["subresource"]) == ("pods", "")
