"""A whole sandbox: which parts it needs, which processes it is made of, how it comes up."""

import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import ackinstall
from ackinstall.errors import AckinstallError, UsageError
from ackinstall.sandbox import control_plane, environment, logs, supervisor
from ackinstall.sandbox.building import ensure
from ackinstall.sandbox.layout import Layout, Sandbox, free_ports, names
from ackinstall.sandbox.parts import CHART, Found, version_in
from ackinstall.sandbox.processes import Process, answers, exists
from ackinstall.sandbox.progress import Progress

PUBLIC = "public"
_PORTS = ("etcd", "kube-apiserver", "kube-controller-manager", "aws", "registry", "node")
_MEMBERS = ("etcd", "kube-apiserver", "kube-controller-manager", "aws", "node")
_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "helm", "kubectl")
_STAND_IN_CHARTS = Path(__file__).parent / "charts"
_SCALING = "ackinstall.sandbox.autoscaling"


@dataclass(frozen=True)
class Wishes:
    """What the user asks of a new sandbox.

    Fields: `charts` is "" for the pinned ones, "public" for the real gallery, or a folder of charts;
    `controllers` maps a service to the command that runs its controller.
    """

    name: str
    region: str = "us-west-2"
    charts: str = ""
    controllers: Mapping[str, str] = field(default_factory=dict)


def wishes(name: str, region: str, charts: str, controllers: Sequence[str]) -> Wishes:
    """Check what the user asks; raise UsageError for what cannot be."""
    Layout.of(name)
    if charts not in ("", PUBLIC) and not Path(charts).is_dir():
        raise UsageError(
            "no-such-charts",
            f"there is no folder '{charts}'",
            "give a folder with charts, or `--charts public`",
        )
    chosen: dict[str, str] = {}
    for text in controllers:
        service, _, program = text.partition("=")
        if not (service and shutil.which(program)):
            raise UsageError(
                "bad-controller",
                f"'{text}' names no program",
                "write SERVICE=PATH with a program that may be run, as in `--controller s3=./bin/controller`",
            )
        chosen[service] = shlex.quote(str(Path(shutil.which(program) or program).absolute()))
    return Wishes(name, region, charts, chosen)


def existing(name: str) -> Sandbox:
    """Return the sandbox of this name; raise AckinstallError, with the names there are, when none came up."""
    if sandbox := Sandbox.load(name):
        return sandbox
    others = [other for other in names() if other != name]
    known = f"there are: {', '.join(others)}; or " if others else ""
    raise AckinstallError(
        "no-such-sandbox",
        f"there is no sandbox '{name}'",
        f"{known}start it with `ackinstall sandbox up --name {name}`",
    )


def down(name: str, progress: Progress) -> int:
    """Take the sandbox down; return how many processes it had."""
    layout = Layout.of(name)
    if not supervisor.is_left(layout):
        existing(name)
    with supervisor.lock(layout, progress):
        return supervisor.remove(layout)


def needed_parts(wishes: Wishes) -> list[str]:
    """Return the names of the parts that the sandbox needs."""
    names = [*_PROGRAMS]
    if wishes.charts != PUBLIC:
        names.append("crane")
    if not wishes.charts:
        names.append(CHART)
    if "sagemaker" not in wishes.controllers:
        names.append("sagemaker-controller")
    return names


def up(wishes: Wishes, progress: Progress) -> tuple[Sandbox, bool]:
    """Bring the sandbox up; return it, and whether it had to be started.

    What is left of a sandbox of this name that crashed, or never came up, is removed first. Raises
    AckinstallError; after an interruption nothing is left, after a failure the logs are.
    """
    layout = Layout.of(wishes.name)
    with supervisor.lock(layout, progress):
        there = Sandbox.load(wishes.name)
        if there and supervisor.is_up(there):
            return there, False
        try:
            found = ensure(needed_parts(wishes), progress)
            for line in _sources(found):
                progress.say(line)
            _clear(layout, progress)
            return _start(wishes, found, progress), True
        except Exception:
            supervisor.stop(layout)
            if not logs.names(wishes.name):
                supervisor.remove(layout)
            raise
        except BaseException:
            supervisor.remove(layout)
            raise


def processes(sandbox: Sandbox, wishes: Wishes, found: Mapping[str, Found]) -> list[Process]:
    """Return a row for each process of the sandbox."""
    path = {name: part.path for name, part in found.items()}
    rows = control_plane.processes(
        sandbox, path["etcd"], path["kube-apiserver"], path["kube-controller-manager"]
    )
    rows.append(_aws(sandbox))
    if "registry" in sandbox.processes:
        charts = [Path(wishes.charts).absolute()] if wishes.charts else [path[CHART], _STAND_IN_CHARTS]
        rows.append(_registry(sandbox, path["crane"], path["helm"], charts))
    controllers = {
        "sagemaker": shlex.quote(str(path.get("sagemaker-controller", ""))),
        "applicationautoscaling": shlex.join(_python(_SCALING)),
        **wishes.controllers,
    }
    rows.append(_node(sandbox, controllers))
    return rows


def _start(wishes: Wishes, found: Mapping[str, Found], progress: Progress) -> Sandbox:
    since = time.monotonic()
    members = [*_MEMBERS]
    if wishes.charts != PUBLIC:
        members.append("registry")
    major, minor, *_ = version_in(found["kube-apiserver"].version)
    sandbox = Sandbox(
        name=wishes.name,
        region=wishes.region,
        issuer=control_plane.issuer(wishes.region, secrets.token_hex(16).upper()),
        kubernetes_version=f"{major}.{minor}",
        ports=free_ports(_PORTS),
        processes=dict.fromkeys(members, 0),
    )
    layout = sandbox.layout
    layout.logs.mkdir()
    layout.programs.mkdir()
    for name in ("helm", "kubectl"):
        (layout.programs / name).symlink_to(found[name].path)
    (layout.programs / "ackinstall").symlink_to(Path(sys.executable).with_name("ackinstall"))
    for name in ("aws-config", "aws-credentials"):
        layout.file(name).touch(mode=0o600)
    control_plane.write_files(sandbox)
    started = supervisor.start(processes(sandbox, wishes, found), layout, _inherited(), progress)
    sandbox = replace(sandbox, processes=started)
    sandbox.save()
    progress.took(f"sandbox '{sandbox.name}' is up", since)
    return sandbox


def _inherited() -> dict[str, str]:
    """Return the environment of all processes, in which Python finds this package, installed or not."""
    clean = environment.clean(os.environ, environment.ACCOUNT + environment.NETWORK)
    path = [str(Path(ackinstall.__file__).parents[1]), clean.get("PYTHONPATH", "")]
    return clean | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def _sources(found: Mapping[str, Found]) -> list[str]:
    """Return a line for each place where parts were found."""
    places: dict[str, list[str]] = {}
    for name, part in found.items():
        places.setdefault(part.where, []).append(f"{name} {part.version}".strip())
    return [f"{where}: {', '.join(parts)}" for where, parts in places.items()]


def _clear(layout: Layout, progress: Progress) -> None:
    """Remove what an earlier sandbox of this name left, but keep the folder, which carries the lock."""
    count = supervisor.stop(layout)
    leftovers = list(layout.directory.iterdir())
    if count or leftovers:
        progress.say(f"removing what is left of an earlier sandbox '{layout.directory.name}'")
    for path in leftovers:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _aws(sandbox: Sandbox) -> Process:
    layout = sandbox.layout
    serves, keys_written = answers(f"{sandbox.aws_url}/sandbox/ready"), exists(layout.credentials)
    return Process(
        "aws",
        _python(
            "ackinstall.sandbox.aws",
            port=sandbox.ports["aws"],
            region=sandbox.region,
            account=sandbox.account,
            cluster=sandbox.name,
            kubernetes_version=sandbox.kubernetes_version,
            endpoint=sandbox.endpoint,
            ca=layout.authority,
            issuer=sandbox.issuer,
            service_account_key=control_plane.service_account_keys(layout).certificate,
            credentials=layout.credentials,
        ),
        lambda: keys_written() and serves(),
        port=sandbox.ports["aws"],
    )


def _registry(sandbox: Sandbox, crane: Path, helm: Path, charts: Sequence[Path]) -> Process:
    layout, ready = sandbox.layout, sandbox.layout.file("registry.ready")
    pair = control_plane.serving(layout)
    argv = _python(
        "ackinstall.sandbox.registry",
        port=sandbox.ports["registry"],
        crane=crane,
        helm=helm,
        certificate=pair.certificate,
        key=pair.key,
        directory=layout.directory,
        ready=ready,
    )
    return Process(
        "registry", (*argv, "--charts", *map(str, charts)), exists(ready), port=sandbox.ports["registry"]
    )


def _node(sandbox: Sandbox, controllers: Mapping[str, str]) -> Process:
    layout, ready = sandbox.layout, sandbox.layout.file("node.ready")
    pair = control_plane.serving(layout)
    argv = _python(
        "ackinstall.sandbox.node",
        kubeconfig=layout.kubeconfig,
        aws_url=sandbox.aws_url,
        region=sandbox.region,
        directory=layout.logs,
        certificate=pair.certificate,
        key=pair.key,
        ca=layout.authority,
        webhook_port=sandbox.ports["node"],
        ready=ready,
    )
    runs = [
        word for service, command in controllers.items() for word in ("--controller", f"{service}={command}")
    ]
    return Process(
        "node", (*argv, *runs), exists(ready), needs=("kube-apiserver",), port=sandbox.ports["node"]
    )


def _python(module: str, **options: object) -> tuple[str, ...]:
    """Return the command that runs a module of ours with these options."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return (sys.executable, "-m", module, *words)
