"""The sandbox's node as a program: runs in the foreground until SIGTERM."""

import argparse
import contextlib
import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from ackinstall.sandbox.kube import FAILURES, connect
from ackinstall.sandbox.node import identity_webhook, machine
from ackinstall.sandbox.node.controller import Settings
from ackinstall.sandbox.node.kubelet import Kubelet
from ackinstall.sandbox.node.server import Server


def controller(text: str) -> tuple[str, str]:
    """Split SERVICE=COMMAND."""
    service, separator, command = text.partition("=")
    if not (service and separator and command):
        raise argparse.ArgumentTypeError(f"'{text}' is not SERVICE=COMMAND")
    return service, command


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m ackinstall.sandbox.node", description=__doc__)
    parser.add_argument("--kubeconfig", required=True, help="an administrator's kubeconfig")
    parser.add_argument("--aws-url", required=True, help="address of the sandbox's AWS, for controllers")
    parser.add_argument("--region", required=True, help="AWS region of the cluster")
    parser.add_argument("--directory", type=Path, required=True, help="folder for logs and pods' files")
    parser.add_argument("--certificate", type=Path, required=True, help="PEM certificate for 127.0.0.1")
    parser.add_argument("--key", type=Path, required=True, help="PEM key of the certificate")
    parser.add_argument("--ca", type=Path, required=True, help="PEM CA of the API server and the certificate")
    parser.add_argument("--webhook-port", type=int, required=True, help="loopback port of webhook and logs")
    parser.add_argument("--ready", type=Path, required=True, help="file to touch once pods can run")
    parser.add_argument(
        "--controller",
        type=controller,
        action="append",
        default=[],
        metavar="SERVICE=COMMAND",
        help="what runs for the image …/SERVICE-controller; may be given again",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the node until SIGTERM or SIGINT."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    options.directory.mkdir(parents=True, exist_ok=True)
    directory = options.directory.resolve()
    client = connect(options.kubeconfig, directory / "discovery.json")
    server = Server(
        options.webhook_port, (options.certificate, options.key), client, options.region, directory
    )
    server.start()
    identity_webhook.register(client, options.webhook_port, options.ca)

    stop = threading.Event()
    node = machine.node_object(options.region)
    settings = Settings(
        client.configuration.host,
        options.ca.resolve(),
        options.aws_url,
        directory,
        dict(options.controller),
    )
    kubelet = Kubelet(client, node, settings)

    def end(*_: object) -> None:
        stop.set()
        kubelet.wake()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    machine.register(client, options.region, options.webhook_port)
    threading.Thread(target=machine.renew_lease, args=(client, options.region, stop), daemon=True).start()
    kubelet.run(stop, options.ready.touch)
    with contextlib.suppress(*FAILURES):
        machine.write_status(client, options.region, options.webhook_port, ready=False)


if __name__ == "__main__":
    main()
