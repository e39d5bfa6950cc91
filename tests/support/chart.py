"""What the fixture charts render to, under the names and labels of the real ones, and variants of them."""

import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ackinstall.kube import Manifest
from ackinstall.values import merged

LONGEST = 63
"""Where the real charts cut a full name off."""


def render(chart: Path, values: Mapping[str, Any], release: str, namespace: str) -> tuple[Manifest, ...]:
    """Return the objects of a release, in the order in which Helm makes them."""
    name, version, defaults = _read(chart)
    used = merged(defaults, values)
    labels = {
        "app.kubernetes.io/name": name,
        "app.kubernetes.io/instance": release,
        "k8s-app": name,
        "helm.sh/chart": f"{name}-{version}",
    }
    full = (release if name in release else f"{release}-{name}")[:LONGEST].removesuffix("-")
    account, deployment = used["serviceAccount"], used["deployment"]
    rules = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}]
    container = {
        "name": "controller",
        "image": f"{used['image']['repository']}:{used['image']['tag']}",
        "env": [{"name": "AWS_REGION", "value": used["aws"]["region"]}],
        "resources": used["resources"],
    }
    template = {
        "metadata": {
            "labels": {key: labels[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")},
            "annotations": dict(deployment["annotations"]),
        },
        "spec": {
            "serviceAccountName": account["name"],
            "containers": [container],
            **({"hostNetwork": True} if deployment["hostNetwork"] else {}),
        },
    }
    spec = {
        "replicas": deployment["replicas"],
        "selector": {"matchLabels": template["metadata"]["labels"]},
        "template": template,
    }
    return (
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": account["name"],
                "namespace": namespace,
                "labels": labels,
                "annotations": dict(account["annotations"]),
            },
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": full, "labels": {**labels, **used["role"]["labels"]}},
            "rules": rules,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": full, "namespace": namespace, "labels": labels},
            "spec": spec,
        },
    )


def variant(
    chart: Path, folder: Path, version: str, definition: Callable[[dict[str, Any]], object] = lambda _: None
) -> Path:
    """Write `chart` into `folder` as another `version`, each CRD edited by `definition`; return its place."""
    made = Path(shutil.copytree(chart, folder / version / chart.name))
    about = yaml.safe_load((made / "Chart.yaml").read_text(encoding="utf-8"))
    (made / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": version}), encoding="utf-8")
    for path in (made / "crds").glob("*.yaml"):
        manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
        definition(manifest)
        path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return made


@cache
def _read(chart: Path) -> tuple[str, str, dict[str, Any]]:
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    return about["name"], about["version"], values
