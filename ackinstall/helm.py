"""Helm as the installer uses it: a plain face over pyhelm3, which is asynchronous and runs the helm binary.

The public gallery is asked without credentials, because stale ones give 403 on charts that need none.
"""

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import yaml

from ackinstall.errors import AckinstallError, Retry, UsageError, kubernetes_refuses, login_refused
from ackinstall.kube import Manifest
from ackinstall.once import once

if TYPE_CHECKING:
    from pyhelm3 import Command

T = TypeVar("T")

INSTALL_HELM = "install it from https://helm.sh/docs/intro/install/ so that `helm version` works"
OLDEST = (3, 13, 1)
"""Helm 3.13.0 cannot pull from the public gallery: https://github.com/helm/helm/issues/12483"""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One Helm release as it was found; `updated` is when its last revision was begun."""

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    values: Mapping[str, Any]
    updated: datetime
    manifest: tuple[Manifest, ...] = field(default=(), repr=False)


class Helm(Protocol):
    """What the installer asks of Helm."""

    def version(self) -> str:
        """Return helm's version, such as "v4.2.3"."""

    def resolve(self, chart: str, version: str) -> str:
        """Return the newest version of the chart (an OCI reference) that fits the range `version`."""

    def pull(self, chart: str, version: str, directory: Path) -> Path:
        """Unpack the chart's newest version that fits the range `version` below `directory`, which need not
        be there; return the folder that has its Chart.yaml.
        """

    def render(
        self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]
    ) -> tuple[Manifest, ...]:
        """Return the objects that `upgrade` would make, without asking the cluster."""

    def release(self, name: str, namespace: str) -> Release | None:
        """Return the release as it stands, or None."""

    def upgrade(self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> None:
        """Install or upgrade the release; without CRDs, without waiting for its pods."""

    def uninstall(self, name: str, namespace: str) -> None:
        """Remove the release and its objects; a release that is gone is no error."""


class HelmBinary:
    """The helm program on PATH (see Helm).

    `login` is called before every command and gives the variables with which helm reaches the cluster
    (HELM_KUBEAPISERVER, HELM_KUBETOKEN, HELM_KUBECAFILE), so that no credential is ever in a file.
    `directory` takes the empty registry configuration for the public gallery.
    """

    def __init__(
        self,
        directory: Path,
        login: Callable[[], Mapping[str, str]] = dict,
        kubeconfig: str | None = None,
        context: str | None = None,
    ) -> None:
        self._login = login
        self._anonymous = ["--registry-config", str(directory / "registry.json")]
        self._kubeconfig, self._context = kubeconfig, context

    def version(self) -> str:
        """See Helm. Raises UsageError when helm is missing or too old."""
        found = str(self._run(self._command.version()))
        numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
        if numbers < OLDEST:
            raise UsageError(
                "helm-too-old",
                f"helm {found} is too old, {'.'.join(map(str, OLDEST))} or newer is needed",
                INSTALL_HELM,
            )
        return found

    def resolve(self, chart: str, version: str) -> str:
        """See Helm."""
        shown = self._run(
            self._command.run(["show", "chart", chart, "--version", version, *self._access(chart)])
        )
        return str(yaml.safe_load(shown)["version"])

    def pull(self, chart: str, version: str, directory: Path) -> Path:
        """See Helm."""
        command = ["pull", chart, "--version", version, "--untar", "--untardir", str(directory)]
        self._run(self._command.run([*command, *self._access(chart)]))
        return directory / chart.rsplit("/", 1)[-1]

    def render(
        self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]
    ) -> tuple[Manifest, ...]:
        """See Helm."""
        command = ["template", name, str(chart), "--namespace", namespace, "--values", "-"]
        return _manifests(self._run(self._command.run(command, yaml.safe_dump(dict(values)).encode())))

    def release(self, name: str, namespace: str) -> Release | None:
        """See Helm."""
        try:
            found = json.loads(
                self._run(self._command.run(["status", name, "--namespace", namespace, "--output", "json"]))
            )
        except _ReleaseMissing:
            return None
        return _release(found)

    def upgrade(self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> None:
        """See Helm."""
        self._run(
            self._command.install_or_upgrade(
                name,
                chart,
                dict(values),
                namespace=namespace,
                create_namespace=False,
                skip_crds=True,
                reset_values=True,
                force_conflicts=self._command.client_version().major > 3,  # noqa: PLR2004 (a flag of Helm 4)
            )
        )

    def uninstall(self, name: str, namespace: str) -> None:
        """See Helm."""
        try:
            self._run(self._command.uninstall(name, namespace=namespace))
        except _ReleaseMissing:
            return

    @once
    def _command(self) -> "Command":
        """What runs helm, loaded by the first who needs it."""
        from pyhelm3 import Command  # noqa: PLC0415 (costs 0.15 s)

        # It logs every command that fails, also where that is an answer; we tell what matters ourselves.
        logging.getLogger("pyhelm3").setLevel(logging.CRITICAL)
        return Command(kubeconfig=self._kubeconfig, kubecontext=self._context)

    def _access(self, chart: str) -> list[str]:
        return self._anonymous if chart.startswith("oci://public.ecr.aws/") else []

    def _run(self, command: Coroutine[Any, Any, T]) -> T:
        os.environ.update(self._login())
        try:
            return asyncio.run(command)
        except Exception as error:
            stderr = getattr(error, "stderr", b"")
            raise explain(stderr.decode(errors="replace") or str(error)) from error


class _ReleaseMissing(AckinstallError):
    """There is no such release."""


def _release(found: Mapping[str, Any]) -> Release:
    info = found["info"]
    manifest = _manifests(found.get("manifest", ""))
    return Release(
        name=found["name"],
        namespace=found["namespace"],
        revision=int(found["version"]),
        status=info["status"],
        chart=_chart(manifest),
        values=found.get("config") or {},
        updated=_time(info.get("last_deployed", "")),
        manifest=manifest,
    )


def _manifests(text: str | bytes) -> tuple[Manifest, ...]:
    return tuple(one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one)


def _chart(manifest: tuple[Manifest, ...]) -> str:
    """Return chart and version as the objects' labels say: `helm status` itself does not tell."""
    labels = (one.get("metadata", {}).get("labels") or {} for one in manifest)
    return next((one["helm.sh/chart"] for one in labels if "helm.sh/chart" in one), "")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d*", r"\1", text))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


_TRY = "try `helm show chart oci://public.ecr.aws/aws-controllers-k8s/sagemaker-chart`"
_LOGIN = re.compile(
    r"has asked for the client to provide credentials|(?<!401)(?:^|: )Unauthorized\s*$", re.MULTILINE
)
"""How the API server's 401 reads in helm's words; a registry's has its number before it."""
# In this order, by the words in lower case. A bare 403 may be a part of a digest, or of a refused value.
_MEANINGS: tuple[tuple[str, Callable[[str], AckinstallError]], ...] = (
    (
        r"another operation .* is in progress",
        lambda line: Retry(
            f"helm says: {line}",
            "release-pending",
            "see who is at work with `helm list --all-namespaces --pending`; when nobody is, the same "
            "command again makes the release anew",
        ),
    ),
    (
        r"has been modified|timed out waiting|conflict",
        lambda line: Retry(f"helm says: {line}", "helm-busy"),
    ),
    (
        r"not found|could not locate a version|no matching version|manifest unknown|name unknown",
        lambda line: AckinstallError(
            "chart-not-found", f"helm says: {line}", f"to see whether the registry answers, {_TRY}"
        ),
    ),
    (
        r"status code:? 40[13]\b|: 40[13] |\b40[13] (?:unauthorized|forbidden)|unauthorized: |denied: ",
        lambda line: AckinstallError(
            "registry-refused",
            f"the registry refused: {line}",
            "stale credentials? run `helm registry logout public.ecr.aws`",
        ),
    ),
    (
        r"kubernetes cluster unreachable|connection refused .*:\d+: connect",
        lambda line: Retry(f"helm says: {line}", "kubernetes-unreachable"),
    ),
    (
        r"dial tcp|no such host|i/o timeout|proxyconnect|tls: |forbidden|eof|toomanyrequests",
        lambda line: Retry(
            f"the registry cannot be reached: {line}",
            "registry-unreachable",
            f"check the network and HTTPS_PROXY, then {_TRY}",
        ),
    ),
    (
        "",
        lambda line: AckinstallError(
            "helm-failed",
            f"helm failed: {line}",
            "`ackinstall render --cluster NAME --to DIR` writes the values that helm is given; `helm "
            "template RELEASE oci://public.ecr.aws/aws-controllers-k8s/SERVICE-chart --values FILE --debug` "
            "shows what becomes of them",
        ),
    ),
)


def explain(stderr: str) -> AckinstallError:
    """Return what a failed helm command means, told by its words, because it gives no codes."""
    line = next((one for one in stderr.strip().splitlines()[::-1] if one.strip()), "no reason was given")
    line = line.removeprefix("Error: ").strip()
    lower = stderr.lower()
    if re.search(r"helm: (command )?not found|no such file or directory: '?helm", lower):
        return UsageError("helm-missing", "the program 'helm' is not on PATH", INSTALL_HELM)
    if "release: not found" in lower:
        return _ReleaseMissing("release-missing", line)
    if told := kubernetes_refuses(line, "helm: ") or kubernetes_refuses(stderr, "helm: "):
        return told
    if _LOGIN.search(stderr):
        return login_refused("helm: ")
    return next(mean(line) for words, mean in _MEANINGS if re.search(words, lower))
