"""How a pod's container becomes a controller's process: arguments, environment, identity and files."""

import json
import os
import shlex
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ackinstall.sandbox.kube import Json
from ackinstall.sandbox.node import pods
from ackinstall.sandbox.node.process import Command
from ackinstall.sandbox.processes import MARKS

# Nothing else of the starter's environment reaches a controller, least of all credentials and a proxy. The
# marks let the sandbox find it when this program was killed.
PASSED_ON = ("PATH", "PYTHONPATH", "TMPDIR", *MARKS)


@dataclass(frozen=True)
class Settings:
    """What the pods of this node share.

    The API server's address and CA file, the address of the sandbox's AWS, the folder for files and logs, and
    a command line for each service that has a controller here.
    """

    server: str
    authority: Path
    aws_url: str
    directory: Path
    controllers: Mapping[str, str]


def log_path(directory: Path, namespace: str, pod: str, container: str) -> Path:
    """Return where a container's log is."""
    return directory / f"{namespace}_{pod}_{container}.log"


def controller_command(
    pod: Json, container: Json, folder: Path, settings: Settings
) -> Callable[[], Command] | None:
    """Return what makes the command at each start, None where the image is not of a known controller."""
    service = pods.service_of(container["image"])
    if service not in settings.controllers:
        return None

    def command() -> Command:
        health = _free_port()
        env = _environment(pod, container, folder, settings)
        log = log_path(
            settings.directory, pod["metadata"]["namespace"], pod["metadata"]["name"], container["name"]
        )
        _link(settings.directory / f"{service}.log", log)
        # What comes later on a command line wins.
        arguments = [
            *shlex.split(settings.controllers[service]),
            *(pods.expand(argument, env) for argument in container.get("args", [])),
            f"--aws-endpoint-url={settings.aws_url}",
            f"--aws-identity-endpoint-url={settings.aws_url}",
            "--allow-unsafe-aws-endpoint-urls",
            "--metrics-addr=127.0.0.1:0",
            f"--healthz-addr=127.0.0.1:{health}",
        ]
        probe = container.get("readinessProbe", {}).get("httpGet")
        return Command(arguments, env, folder, log, (health, probe["path"]) if probe else None)

    return command


def _environment(pod: Json, container: Json, folder: Path, settings: Settings) -> dict[str, str]:
    volumes = folder / "volumes"
    own = pods.environment(pod, container)
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env |= {name: pods.localise(value, container, volumes) for name, value in own.items()}
    return env | {
        "K8S_NAMESPACE": pod["metadata"]["namespace"],
        "HOME": str(folder),  # so that no ~/.aws is read
        "KUBECONFIG": str(_kubeconfig(container, folder, settings)),
        # The web identity provider of AWS SDKs does not look at a controller's own flags.
        "AWS_ENDPOINT_URL_STS": settings.aws_url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _kubeconfig(container: Json, folder: Path, settings: Settings) -> Path:
    """Write a kubeconfig with the pod's own token, if it mounts one, so that its RBAC is in force."""
    mounted = f"{pods.SERVICE_ACCOUNT_MOUNT}/token"
    token = pods.localise(mounted, container, folder / "volumes")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "pod",
        "contexts": [{"name": "pod", "context": {"cluster": "sandbox", "user": "pod"}}],
        "clusters": [
            {
                "name": "sandbox",
                "cluster": {"server": settings.server, "certificate-authority": str(settings.authority)},
            }
        ],
        "users": [{"name": "pod", "user": {"tokenFile": token} if token != mounted else {}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _link(link: Path, target: Path) -> None:
    fresh = link.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target.name)
    fresh.replace(link)
