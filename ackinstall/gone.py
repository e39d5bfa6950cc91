"""A cluster that does not exist any more: it holds nothing, and nothing can be made in it."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ackinstall.errors import AckinstallError
from ackinstall.helm import Release
from ackinstall.kube import Manifest, Ref


class GoneCluster:
    """See ackinstall.kube.Kube."""

    def version(self) -> str:
        """See Kube."""
        return ""

    def get(self, ref: Ref) -> Manifest | None:  # noqa: ARG002 (nothing is there, whatever is asked)
        """See Kube."""
        return None

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Manifest]:  # noqa: ARG002 (same)
        """See Kube."""
        return []

    def watch(self, kinds: Iterable[tuple[str, str]], seconds: float, stop: threading.Event) -> None:
        """See Kube. Nothing ever changes."""

    def create(self, manifest: Manifest) -> None:
        """See Kube."""
        _refuse(manifest["kind"])

    def apply(self, manifest: Manifest, *, force: bool = False) -> None:  # noqa: ARG002 (nothing can be forced)
        """See Kube."""
        _refuse(manifest["kind"])

    def rehearse(self, manifest: Manifest) -> None:
        """See Kube."""
        _refuse(manifest["kind"])

    def merge(self, ref: Ref, patch: Manifest) -> None:  # noqa: ARG002 (same)
        """See Kube."""
        _refuse(ref.kind)

    def delete(self, ref: Ref, only: Manifest | None = None) -> None:
        """See Kube."""

    def token(self, namespace: str, service_account: str, audience: str) -> str:  # noqa: ARG002 (same)
        """See Kube."""
        _refuse(service_account)

    def allowed(self, verb: str, group: str, resource: str, namespace: str = "") -> bool:  # noqa: ARG002 (same)
        """See Kube. Nobody forbids what nobody is there to do."""
        return True

    def logs(self, namespace: str, pod: str, container: str, lines: int, *, previous: bool = False) -> str:  # noqa: ARG002 (same)
        """See Kube."""
        return ""

    def user(self) -> str:
        """See Kube."""
        return ""


class GoneReleases:
    """See ackinstall.helm.Helm."""

    def version(self) -> str:
        """See Helm."""
        return ""

    def resolve(self, chart: str, version: str) -> str:  # noqa: ARG002 (no chart is wanted)
        """See Helm."""
        _refuse(chart)

    def pull(self, chart: str, version: str, directory: Path) -> Path:  # noqa: ARG002 (same)
        """See Helm."""
        _refuse(chart)

    def render(
        self,
        name: str,
        namespace: str,  # noqa: ARG002 (same)
        chart: Path,  # noqa: ARG002 (same)
        values: Mapping[str, Any],  # noqa: ARG002 (same)
    ) -> tuple[Manifest, ...]:
        """See Helm."""
        _refuse(name)

    def release(self, name: str, namespace: str) -> Release | None:  # noqa: ARG002 (nothing is there)
        """See Helm."""
        return None

    def upgrade(self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> None:  # noqa: ARG002 (nothing can be made)
        """See Helm."""
        _refuse(name)

    def uninstall(self, name: str, namespace: str) -> None:
        """See Helm."""


def _refuse(what: str) -> NoReturn:
    raise AckinstallError("cluster-is-gone", f"'{what}' cannot be made: the cluster does not exist any more")
