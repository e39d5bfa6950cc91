"""The process of the AWS side: `python -m ackinstall.sandbox.aws --help`."""

import argparse
import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile


def main() -> None:
    """Serve AWS on loopback until the process is ended."""
    options = _parser().parse_args()
    os.environ["MOTO_ACCOUNT_ID"] = options.account
    # moto reads the account's id when it is imported.
    from ackinstall.sandbox.aws.account import Account  # noqa: PLC0415
    from ackinstall.sandbox.aws.eks import ControlPlane  # noqa: PLC0415
    from ackinstall.sandbox.aws.server import Sandbox, serve  # noqa: PLC0415

    control_plane = ControlPlane(
        options.endpoint, options.ca.read_text(), options.issuer, options.kubernetes_version
    )
    sandbox = Sandbox(
        Account(options.account, options.region),
        options.cluster,
        control_plane,
        options.service_account_key.read_text(),
    )
    server = serve(sandbox.application, options.port)
    _write_private(options.credentials, json.dumps(sandbox.administrator()))
    server.serve_forever()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ackinstall.sandbox.aws", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--region", required=True, help="home region: us-west-2")
    parser.add_argument("--account", required=True, help="account id, 12 digits")
    parser.add_argument("--cluster", required=True, help="name of the EKS cluster")
    parser.add_argument("--kubernetes-version", required=True, help="Kubernetes version that EKS shows: 1.36")
    parser.add_argument("--endpoint", required=True, help="URL of the cluster's API server")
    parser.add_argument("--ca", type=Path, required=True, help="PEM file of the API server's CA")
    parser.add_argument("--issuer", required=True, help="URL of the cluster's OIDC issuer")
    parser.add_argument(
        "--service-account-key", type=Path, required=True, help="PEM file of the issuer's public key"
    )
    parser.add_argument(
        "--credentials", type=Path, required=True, help="JSON file to write the administrator's keys to"
    )
    return parser


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    with NamedTemporaryFile("w", dir=path.parent, delete=False) as file:  # made with mode 0600
        file.write(text)
    Path(file.name).replace(path)


if __name__ == "__main__":
    main()
