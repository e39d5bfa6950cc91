"""The node's HTTPS server: the pod identity webhook, and the logs that `kubectl logs` asks a kubelet for."""

import contextlib
import json
import logging
import ssl
import threading
import time
from collections import deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from kubernetes.dynamic import DynamicClient

from ackinstall.sandbox.kube import FAILURES, brief
from ackinstall.sandbox.node import identity_webhook
from ackinstall.sandbox.node.controller import log_path

FOLLOW_SECONDS = 0.2
log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Serves on a loopback port, in threads of its own."""

    daemon_threads = True

    def __init__(
        self, port: int, tls: tuple[Path, Path], client: DynamicClient, region: str, logs: Path
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.client = client
        self.region = region
        self.logs = logs
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
        # The handshake waits for the first read, which a thread of the connection's own does.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def start(self) -> None:
        """Serve until the program ends."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        """Answer an AdmissionReview."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            answer = identity_webhook.review(request, self.server.client, self.server.region)
        except FAILURES as failure:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, explain=brief(failure))
            return
        body = json.dumps(answer).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Send a container's log: /containerLogs/NAMESPACE/POD/CONTAINER, with tailLines and follow."""
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        match url.path.strip("/").split("/"):
            case ["containerLogs", namespace, pod, container]:
                path = log_path(self.server.logs, namespace, pod, container)
            case _:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        if not path.exists():
            return  # a pause container says nothing
        lines = int(query["tailLines"][0]) if "tailLines" in query else None
        with path.open("rb") as file, contextlib.suppress(OSError):  # the reader may leave at any time
            for line in deque(file, maxlen=lines):
                self.wfile.write(line)
            while query.get("follow") == ["true"]:
                self.wfile.write(file.read())
                self.wfile.flush()
                time.sleep(FOLLOW_SECONDS)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base class named it)
        """Write to the program's log instead of plain stderr."""
        log.debug(format, *arguments)
