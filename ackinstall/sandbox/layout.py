"""Where one sandbox keeps its files, which ports it uses, and how it describes itself."""

import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ackinstall.errors import UsageError

ACCOUNT = "123456789012"
# Below the ranges from which Linux and macOS take ports for outgoing connections, so that none of those
# takes a port between the choice and its use.
_PORTS = range(20000, 32768)
_NAME_LENGTH = 100  # of an EKS cluster's name; the sandbox's cluster is called after it


def cache() -> Path:
    """Return the folder that keeps parts and sandboxes (XDG base directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ackinstall"


def sandboxes() -> Path:
    """Return the folder with one folder for each sandbox."""
    return cache() / "sandboxes"


def names() -> list[str]:
    """Return the names of the sandboxes that have a folder."""
    return sorted(path.name for path in sandboxes().glob("*") if path.is_dir())


def free_ports(wanted: Sequence[str]) -> dict[str, int]:
    """Return a free loopback port for each of these names."""
    taken: dict[str, int] = {}
    for name in wanted:
        port = 0
        while not port or port in taken.values() or not _is_free(port):
            port = secrets.choice(_PORTS)
        taken[name] = port
    return taken


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class Layout:
    """The files of one sandbox."""

    directory: Path

    @classmethod
    def of(cls, name: str) -> "Layout":
        """Return the files of the sandbox of this name; raise UsageError when it cannot be a name."""
        plain = name.replace("-", "").replace("_", "")
        if not (plain.isascii() and plain.isalnum() and name[0].isalnum() and len(name) <= _NAME_LENGTH):
            raise UsageError(
                "bad-sandbox-name",
                f"'{name}' cannot name an EKS cluster",
                f"use up to {_NAME_LENGTH} letters, digits, '-' and '_', beginning with a letter or digit",
            )
        return cls(sandboxes() / name)

    def file(self, name: str) -> Path:
        """Return the path of a file or folder of the sandbox."""
        return self.directory / name

    def log(self, process: str) -> Path:
        """Return the path of the log of a process."""
        return self.logs / f"{process}.log"

    @property
    def logs(self) -> Path:
        """The folder with a log for each process."""
        return self.directory / "logs"

    @property
    def programs(self) -> Path:
        """The folder that goes in front of PATH."""
        return self.directory / "bin"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "kubeconfig"

    @property
    def authority(self) -> Path:
        """The PEM certificate of the authority that signed all others."""
        return self.directory / "pki" / "ca.pem"

    @property
    def credentials(self) -> Path:
        """The administrator's AWS access key, in JSON."""
        return self.directory / "credentials.json"


@dataclass(frozen=True)
class Sandbox:
    """What there is to know of one sandbox that came up; its cluster has its name."""

    name: str
    region: str
    issuer: str
    kubernetes_version: str  # "1.36"
    ports: dict[str, int]  # by what listens
    processes: dict[str, int]  # process ids, 0 before the start
    account: str = ACCOUNT

    @property
    def layout(self) -> Layout:
        """Where its files are."""
        return Layout.of(self.name)

    @property
    def aws_url(self) -> str:
        """The address of the account: AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.ports['aws']}"

    @property
    def endpoint(self) -> str:
        """The address of the API server."""
        return f"https://127.0.0.1:{self.ports['kube-apiserver']}"

    @property
    def proxy(self) -> str:
        """The address of the registry's proxy, or "" when the sandbox has none."""
        return f"http://127.0.0.1:{self.ports['registry']}" if "registry" in self.processes else ""

    def save(self) -> None:
        """Write the description in one step."""
        path = self.layout.file("sandbox.json")
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    @classmethod
    def load(cls, name: str) -> "Sandbox | None":
        """Read the description back; return None when there is no such sandbox, or it never came up."""
        try:
            return cls(**json.loads(Layout.of(name).file("sandbox.json").read_text()))
        except (OSError, TypeError, ValueError):
            return None
