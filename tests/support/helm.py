"""The fake Helm: ackinstall.helm.Helm over a Cluster in memory, with a gallery of small charts.

As in Helm itself, a release lives in a Secret of its namespace, and each step of an upgrade or an uninstall
is a write of its own: a helm that is killed between two of them leaves `pending-install`, `pending-upgrade`
or `uninstalling` behind.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import yaml

from ackinstall import facts
from ackinstall.errors import is_absent
from ackinstall.helm import Release, explain
from ackinstall.kube import Manifest, Ref, ref_of
from support.chart import render
from support.cluster import ApiError, Cluster
from support.faults import Call, Faults

T = TypeVar("T")

CHARTS = Path(__file__).parent / "charts"
_NOTES = {"meta.helm.sh/release-name", "meta.helm.sh/release-namespace"}


class Gallery:
    """The published charts, by name and version."""

    def __init__(self) -> None:
        self._charts: dict[tuple[str, str], Path] = {}
        for folder in sorted(CHARTS.iterdir()):
            self.publish(folder)

    def publish(self, folder: Path) -> None:
        """Publish the unpacked chart in `folder`."""
        about = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
        self._charts[about["name"], about["version"]] = folder

    def versions(self, chart: str) -> list[str]:
        """Return the versions of a chart (an OCI reference, or its last part), the newest first."""
        known = [version for name, version in self._charts if name == chart.rpartition("/")[2]]
        return sorted(known, key=lambda version: [int(part) for part in version.split(".")], reverse=True)

    def folder(self, chart: str, version: str) -> Path:
        """Return the folder of one version; KeyError when there is none."""
        return self._charts[chart.rpartition("/")[2], version]


class FakeHelm:
    """See ackinstall.helm.Helm."""

    def __init__(self, cluster: Cluster, faults: Faults, gallery: Gallery) -> None:
        self.gallery = gallery
        self._cluster = cluster
        self._faults = faults

    def version(self) -> str:
        """See Helm."""
        return self._run("version", lambda: "v4.2.3")

    def resolve(self, chart: str, version: str) -> str:
        """See Helm."""
        return self._run(f"show {chart}", lambda: self._newest(chart, version))

    def pull(self, chart: str, version: str, directory: Path) -> Path:
        """See Helm."""

        def copy() -> Path:
            source = self.gallery.folder(chart, self._newest(chart, version))
            return Path(shutil.copytree(source, directory / source.name, dirs_exist_ok=True))

        return self._run(f"pull {chart}", copy)

    def render(
        self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]
    ) -> tuple[Manifest, ...]:
        """See Helm."""
        return self._run(f"template {name}", lambda: render(chart, values, name, namespace))

    def release(self, name: str, namespace: str) -> Release | None:
        """See Helm."""
        return self._run(f"status {name}", lambda: self._latest(name, namespace))

    def upgrade(self, name: str, namespace: str, chart: Path, values: Mapping[str, Any]) -> None:
        """See Helm."""

        def work() -> None:
            before = self._latest(name, namespace)
            if before and before.status.startswith(("pending-", "uninstalling")):
                raise explain(
                    "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
                )
            revision = before.revision + 1 if before else 1
            manifest = render(chart, values, name, namespace)
            status = "pending-upgrade" if before else "pending-install"
            about = {"manifest": list(manifest), "values": dict(values), "revision": revision}
            self._step(f"record {name}", lambda: self._record(name, namespace, {**about, "status": status}))
            try:
                for one in manifest:
                    self._step(f"apply {one['kind']} of {name}", partial(self._place, one, name, namespace))
                self._prune(name, before, manifest)
            except ApiError as error:
                self._record(name, namespace, {**about, "status": "failed"})
                raise explain(f"Error: {error}") from error
            self._step(
                f"finish {name}", lambda: self._record(name, namespace, {**about, "status": "deployed"})
            )

        self._run(f"upgrade {name}", work, writes=True)

    def uninstall(self, name: str, namespace: str) -> None:
        """See Helm."""

        def work() -> None:
            found = self._latest(name, namespace)
            if found is None:
                return
            self._step(f"mark {name}", lambda: self._edit(found, status="uninstalling"))
            for one in reversed(found.manifest):
                self._step(f"delete {one['kind']} of {name}", partial(self._remove, ref_of(one)))
            self._step(f"forget {name}", lambda: self._remove(*self._secrets(name, namespace)))

        self._run(f"uninstall {name}", work, writes=True)

    def leave(self, name: str, namespace: str, *, status: str, age: timedelta = timedelta()) -> None:
        """Make the release look as a helm left it that was stopped `age` ago."""
        found = self._latest(name, namespace)
        assert found is not None
        self._edit(found, status=status, updated=(datetime.now(UTC) - age).isoformat())

    def let_time_pass(self, seconds: float) -> None:
        """Make every release older."""
        for secret in self._cluster.list("v1", "Secret", labels="owner=helm"):
            content = secret["data"]["release"]
            updated = datetime.fromisoformat(content["updated"]) - timedelta(seconds=seconds)
            self._cluster.change(ref_of(secret), _setting(updated=updated.isoformat()), "helm/Update")

    def _newest(self, chart: str, version: str) -> str:
        fitting = [one for one in self.gallery.versions(chart) if facts.fits(one, version)]
        if not fitting:
            raise explain(f"Error: could not locate a version matching provided version string {version}")
        return fitting[0]

    def _run(self, command: str, work: Callable[[], T], *, writes: bool = False) -> T:
        lost = explain(
            'Error: Kubernetes cluster unreachable: Get "https://127.0.0.1:6443/version": unexpected EOF'
        )
        return self._faults.pass_through(Call(f"helm:{command}", writes), work, lambda: lost)

    def _step(self, what: str, work: Callable[[], object]) -> None:
        self._faults.pass_through(Call(f"helm:({what})", writes=True, has_reply=False), work, AssertionError)

    def _secrets(self, name: str, namespace: str) -> list[Ref]:
        secrets = self._cluster.list("v1", "Secret", namespace, "owner=helm")
        return [ref_of(one) for one in secrets if one["metadata"]["labels"]["name"] == name]

    def _latest(self, name: str, namespace: str) -> Release | None:
        found = [self._cluster.get(ref) for ref in self._secrets(name, namespace)]
        contents = [one["data"]["release"] for one in found if one]
        if not contents:
            return None
        latest = max(contents, key=lambda content: int(content["revision"]))
        labels = [one["metadata"]["labels"] for one in latest["manifest"]]
        return Release(
            name=name,
            namespace=namespace,
            revision=latest["revision"],
            status=latest["status"],
            chart=labels[0]["helm.sh/chart"],
            values=latest["values"],
            updated=datetime.fromisoformat(latest["updated"]),
            manifest=tuple(latest["manifest"]),
        )

    def _record(self, name: str, namespace: str, content: Mapping[str, Any]) -> None:
        secret: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"sh.helm.release.v1.{name}.v{content['revision']}",
                "namespace": namespace,
                "labels": {"owner": "helm", "name": name, "status": content["status"]},
            },
            "data": {"release": {**content, "updated": datetime.now(UTC).isoformat()}},
        }
        self._cluster.apply(secret, "helm/Apply", force=True)
        if content["status"] == "deployed":
            for ref in self._secrets(name, namespace):
                if ref.name != secret["metadata"]["name"]:
                    self._cluster.delete(ref)

    def _edit(self, found: Release, **fields: object) -> None:
        ref = Ref("v1", "Secret", f"sh.helm.release.v1.{found.name}.v{found.revision}", found.namespace)
        self._cluster.change(ref, _setting(**fields), "helm/Update")

    def _place(self, manifest: Manifest, name: str, namespace: str) -> None:
        ref = ref_of(manifest)
        live = self._cluster.get(ref)
        notes = (live or {}).get("metadata", {}).get("annotations") or {}
        if live is not None and {notes.get(key) for key in _NOTES} != {name, namespace}:
            message = "exists and cannot be imported into the current release: invalid ownership metadata"
            raise ApiError(400, "BadRequest", f'{ref.kind} "{ref.name}" {message}')
        metadata = manifest["metadata"]
        own = dict(zip(sorted(_NOTES), (name, namespace), strict=True))
        placed = {
            **manifest,
            "metadata": {
                **metadata,
                "labels": {**metadata["labels"], "app.kubernetes.io/managed-by": "Helm"},
                "annotations": {**metadata.get("annotations", {}), **own},
            },
        }
        self._cluster.apply(placed, "helm/Apply", force=True)

    def _prune(self, name: str, before: Release | None, manifest: Iterable[Manifest]) -> None:
        kept = {ref_of(one) for one in manifest}
        for one in before.manifest if before else ():
            if ref_of(one) not in kept:
                self._step(f"delete {one['kind']} of {name}", partial(self._remove, ref_of(one)))

    def _remove(self, *refs: Ref) -> None:
        for ref in refs:
            try:
                self._cluster.delete(ref)
            except ApiError as error:
                if not is_absent(error):
                    raise


def _setting(**fields: object) -> Callable[[dict[str, Any]], object]:
    return lambda secret: secret["data"]["release"].update(fields)
