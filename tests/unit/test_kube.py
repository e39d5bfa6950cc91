"""The API of a real cluster, where only a socket shows how it behaves."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import Configuration

from ackinstall.errors import AckinstallError
from ackinstall.kube import ApiServer, Ref, access_attributes
from ackinstall.opening import reach

RACE = """
import sys, tempfile, threading
from pathlib import Path
from ackinstall import kube

threading.Thread(target=kube.preload).start()
while "kubernetes.config" not in sys.modules:  # which is about to want what the line below loads
    pass
try:
    kube.open_cluster("http://127.0.0.1:1", b"", str, Path(tempfile.mkdtemp())).version()
except Exception as error:
    assert "refused" in str(error), error
"""


def test_threads_load_the_package_together() -> None:
    """A thread that needs the kubernetes package while another one loads it gets all of it."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1:] == []


@contextmanager
def api_server(answers: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Serve some paths, 404 all others; yield the address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            asked.append(path)
            body = json.dumps(answers.get(path, {"kind": "Status", "code": 404})).encode()
            self.send_response(200 if path in answers else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def configuration(host: str) -> Configuration:
    found = Configuration()
    found.host, found.proxy = host, None
    return found


def test_a_kind_is_looked_for_in_its_own_group(tmp_path: Path) -> None:
    """A cluster has dozens of API groups, some of which answer slowly or not at all: whoever wants a kind of
    one of them asks none of the others.
    """

    def group(name: str) -> dict[str, Any]:
        version = {"groupVersion": f"{name}/v1", "version": "v1"}
        return {"name": name, "versions": [version], "preferredVersion": version}

    def kinds(version: str, kind: str) -> dict[str, Any]:
        of = {"name": f"{kind.lower()}s", "kind": kind, "namespaced": True, "verbs": ["get"]}
        return {"kind": "APIResourceList", "groupVersion": version, "resources": [of]}

    answers = {
        "/version": {"gitVersion": "v1.36.0"},
        "/apis": {"kind": "APIGroupList", "groups": [group("apps"), group("broken.example.com")]},
        "/api/v1": kinds("v1", "ConfigMap"),
        "/apis/apps/v1": kinds("apps/v1", "Deployment"),
        "/api/v1/namespaces/a/configmaps/b": {"kind": "ConfigMap"},
        "/apis/apps/v1/namespaces/a/deployments/b": {"kind": "Deployment"},
    }
    with api_server(answers) as (host, asked):
        cluster = ApiServer(lambda: configuration(host), tmp_path)
        assert cluster.get(Ref("v1", "ConfigMap", "b", "a")) == {"kind": "ConfigMap"}
        assert cluster.get(Ref("apps/v1", "Deployment", "b", "a")) == {"kind": "Deployment"}
    assert sorted(asked) == sorted(answers)


def test_an_api_server_that_says_nothing(tmp_path: Path) -> None:
    """An address that takes connections and never answers, as a private cluster's may, is not waited for
    without an end.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(AckinstallError) as caught:
            reach(ApiServer(lambda: configuration(host), tmp_path, (0.1, 0.1)), host, seconds=0.1)
    assert caught.value.reference == "api-server-unreachable"


def test_a_part_of_an_object_is_asked_for_as_such() -> None:
    """A rule on `*/token` allows `serviceaccounts/token` only where that is told in two words."""
    asked = access_attributes("create", "", "serviceaccounts/token", "ack-system")
    assert (asked["resource"], asked["subresource"]) == ("serviceaccounts", "token")
    asked = access_attributes("get", "", "pods", "")
    assert (asked["resource"], asked["subresource"]) == ("pods", "")
