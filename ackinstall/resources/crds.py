"""Custom resource definitions: applied before the controllers start, upgraded with the chart, never torn away
from other controllers. Helm itself installs a chart's crds/ once and never again:
https://helm.sh/docs/chart_best_practices/custom_resource_definitions/
"""

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ackinstall.errors import Refused
from ackinstall.kube import MANAGED, Manifest, Ref, is_ours, project
from ackinstall.resource import Change, Resource, Seen, State
from ackinstall.workloads import ACK

if TYPE_CHECKING:
    from ackinstall.clients import Clients

API = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
SHARED = "services.k8s.aws"
"""The API group of the kinds that all ACK controllers share."""


@dataclass(frozen=True, kw_only=True)
class Crds(Resource):
    """The definitions `manifests` of one API group, or a shared one. `groups` are the API groups that this
    installation serves: a definition of the shared group is kept while another ACK group is there.
    """

    kind: ClassVar[str] = "crds"

    manifests: tuple[Manifest, ...]
    groups: tuple[str, ...] = ()

    def desired(self) -> State:
        """See Resource."""
        return {_plural(manifest): {"spec": manifest["spec"]} for manifest in self.manifests}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        found = self._read(clients)
        if not found:
            return None
        return Seen(
            state={
                _plural(manifest): {"spec": project(manifest["spec"], found[_name(manifest)]["spec"])}
                for manifest in self.manifests
                if _name(manifest) in found
            },
            ours=all(is_ours(one) for one in found.values()),
            busy=_first(_ending(one) for one in found.values()),
            unready=_unready(found.values()),
            locked=_first(
                _dropped(manifest, found[_name(manifest)])
                for manifest in self.manifests
                if _name(manifest) in found
            ),
        )

    def loses(self, clients: "Clients") -> str:
        """See Resource."""
        if any(_group(manifest) != SHARED for manifest in self.manifests):
            return ""
        groups = {_group(one) for one in clients.kube.list(*API)}
        others = sorted(g for g in groups if g.endswith(ACK) and g != SHARED and g not in self.groups)
        return f"shared with other ACK controllers: {', '.join(others)}" if others else ""

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        self._apply(clients, self.manifests, force=False)

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource."""
        differing = tuple(one for one in self.manifests if _plural(one) in change.paths)
        self._apply(clients, differing or self.manifests, force=True)

    def delete(self, clients: "Clients") -> None:
        """See Resource. Raises Refused when custom resources are alive: with them, AWS objects would go."""
        for manifest in self.manifests:
            alive = clients.kube.list(*served(manifest)) if clients.kube.get(_ref(manifest)) else []
            if alive:
                raise Refused(
                    "custom-resources-alive",
                    f"{len(alive)} custom resources of '{_name(manifest)}' are alive",
                    f"look at them with `kubectl get {_name(manifest)} -A`",
                )
        for manifest in self.manifests:
            clients.kube.delete(_ref(manifest))

    def _read(self, clients: "Clients") -> dict[str, Manifest]:
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda manifest: clients.kube.get(_ref(manifest)), self.manifests)
            return {one["metadata"]["name"]: one for one in found if one is not None}

    def _apply(self, clients: "Clients", manifests: Iterable[Manifest], *, force: bool) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda manifest: clients.kube.apply(marked(manifest), force=force), manifests))


def served(definition: Manifest) -> tuple[str, str]:
    """Return apiVersion and kind under which the objects of a definition are stored."""
    spec = definition["spec"]
    version = next(one["name"] for one in spec["versions"] if one.get("storage"))
    return f"{spec['group']}/{version}", spec["names"]["kind"]


def marked(manifest: Manifest) -> Manifest:
    """Return the manifest as we apply it: with our mark, without what only a server may say."""
    metadata = manifest["metadata"]
    own: dict[str, Any] = {
        "name": metadata["name"],
        "labels": {**(metadata.get("labels") or {}), MANAGED: "true"},
    }
    if metadata.get("annotations"):
        own["annotations"] = metadata["annotations"]
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": own,
        "spec": manifest["spec"],
    }


def _dropped(wanted: Manifest, live: Manifest) -> str:
    offered = {version["name"] for version in wanted["spec"]["versions"]}
    lost = sorted(set(live.get("status", {}).get("storedVersions") or ()) - offered)
    return (
        f"'{_name(live)}' has objects stored as {', '.join(lost)}, which this chart does not know"
        if lost
        else ""
    )


def _ending(live: Manifest) -> str:
    is_ending = "deletionTimestamp" in live["metadata"]
    return f"'{_name(live)}' is being deleted and waits for its custom resources" if is_ending else ""


def _unready(live: Collection[Manifest]) -> str:
    waited = sorted(_name(one) for one in live if not is_established(one))
    return f"{len(waited)} of {len(live)} are not established yet, '{waited[0]}' first" if waited else ""


def is_established(live: Manifest) -> bool:
    """Tell whether objects of a live definition can be made."""
    conditions = live.get("status", {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _ref(manifest: Manifest) -> Ref:
    return Ref(*API, _name(manifest))


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _plural(manifest: Manifest) -> str:
    return str(manifest["spec"]["names"]["plural"])


def _group(manifest: Manifest) -> str:
    return str(manifest["spec"]["group"])
