"""What several checks read off objects of Kubernetes. Pure."""

from collections.abc import Mapping

from ackinstall.kube import Manifest


def name_of(manifest: Manifest) -> str:
    """Return an object's name."""
    return str(manifest["metadata"]["name"])


def labels_of(manifest: Manifest) -> Mapping[str, str]:
    """Return an object's labels."""
    found: Mapping[str, str] = manifest["metadata"].get("labels") or {}
    return found


def annotations_of(manifest: Manifest) -> Mapping[str, str]:
    """Return an object's annotations."""
    found: Mapping[str, str] = manifest["metadata"].get("annotations") or {}
    return found


def is_over(pod: Manifest) -> bool:
    """Tell whether a pod has ended, or was evicted."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_ready(manifest: Manifest) -> bool:
    """Tell whether a node or a pod is Ready, as its conditions say."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
