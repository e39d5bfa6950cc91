"""A Kubernetes API server in memory, with the controllers that matter here: namespaces, definitions, pods.

Objects are plain data. What a real cluster does later (a definition becomes established, a deployment's pods
become available, a namespace that is Terminating empties itself) happens after `slow` looks at the object, at
once when it is 0: tests need no clock.
"""

import copy
import json
import threading
from collections.abc import Callable, Iterator

from ackinstall.kube import Manifest, Ref, ref_of
from ackinstall.sandbox.node import identity_webhook, machine, pods
from support.fields import BY_SERVER, Object, Path, leaves, put, remove, value_at

Refs = list[Ref]

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
NAMESPACE = ("v1", "Namespace")
DEPLOYMENT = ("apps/v1", "Deployment")
NODE = ("v1", "Node")
_CLUSTERED = {NAMESPACE, CRD, NODE, ("rbac.authorization.k8s.io/v1", "ClusterRole")}
_NAMESPACED = {
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "StatefulSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("coordination.k8s.io/v1", "Lease"),
    ("v1", "ConfigMap"),
    ("v1", "Event"),
    ("v1", "LimitRange"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("v1", "ResourceQuota"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    DEPLOYMENT,
}
REGION = "us-west-2"
_NOW = "2026-01-01T00:00:00Z"


class ApiError(Exception):
    """A refusal, shaped like the kubernetes package's ApiException: `body` is a Status as JSON."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"({status}) {reason}: {message}")
        self.status = status
        self.reason = reason
        self.body = json.dumps({"kind": "Status", "reason": reason, "code": status, "message": message})


class Cluster:
    """The API server. Safe to use from several threads; `lock` makes several steps one.

    `logs` are the texts of the pods' logs. Pods get the identity that their service account names.
    """

    def __init__(self, slow: int = 0) -> None:
        self.slow = slow
        self.lock = threading.RLock()
        self._objects: dict[Ref, Object] = {}
        self._owned: dict[Ref, dict[str, set[Path]]] = {}
        self._later: dict[Ref, int] = {}
        self._versions = 0
        self.logs: dict[Ref, str] = {}
        for name in ("default", "kube-system"):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.create(machine.node_object(REGION))
        node = machine.node_status(0, "", ready=True)
        node["conditions"][0] |= dict.fromkeys(("lastHeartbeatTime", "lastTransitionTime"), _NOW)
        self._objects[Ref(*NODE, machine.node_name(REGION))]["status"] = node

    def knows(self, api_version: str, kind: str) -> bool:
        """Tell whether the kind exists: built in, or by a definition that is established."""
        return (api_version, kind) in _CLUSTERED | _NAMESPACED or bool(self._definition(api_version, kind))

    def get(self, ref: Ref) -> Object | None:
        """Return a copy of the object, or None."""
        with self.lock:
            self._look(ref)
            return copy.deepcopy(self._objects.get(ref))

    def list(self, api_version: str, kind: str, namespace: str = "", labels: str = "") -> list[Object]:
        """Return copies of the objects of a kind; `labels` is one `key=value`, or ""."""
        key, _, value = labels.partition("=")
        with self.lock:
            refs = [
                ref
                for ref in self._objects
                if ref[:2] == (api_version, kind) and namespace in ("", ref.namespace)
            ]
            for ref in refs:
                self._look(ref)
            found = [copy.deepcopy(self._objects[ref]) for ref in sorted(refs) if ref in self._objects]
        return [one for one in found if not key or (one["metadata"].get("labels") or {}).get(key) == value]

    def create(self, manifest: Manifest, manager: str = "somebody/Update") -> None:
        """Create the object; 409 when it exists, 404 without its namespace, 403 while that is Terminating."""
        ref = ref_of(manifest)
        with self.lock:
            if ref in self._objects:
                raise ApiError(409, "AlreadyExists", f'{_plural(ref)} "{ref.name}" already exists')
            self._check_place(ref)
            stored: Object = copy.deepcopy(dict(manifest))
            for key in BY_SERVER:
                stored["metadata"].pop(key, None)
            stored.pop("status", None)
            stored["metadata"] |= {"uid": f"uid-{self._next()}", "creationTimestamp": _NOW, "generation": 1}
            self._store(ref, stored)
            self._owned[ref] = {manager: set(leaves(manifest))}
            self._react(ref, stored)

    def apply(self, manifest: Manifest, manager: str = "somebody/Apply", *, force: bool = False) -> None:
        """Apply on the server side: fields merge, those no longer applied go, others' conflict (409)."""
        ref = ref_of(manifest)
        with self.lock:
            live = self._objects.get(ref)
            if live is None:
                self.create(manifest, manager)
                return
            self._check_version(manifest, live)
            wanted, owned = leaves(manifest), self._owned[ref]
            taken = [
                (other, path)
                for other, paths in owned.items()
                if other != manager
                for path in paths & set(wanted)
                if value_at(live, path) != wanted[path]
            ]
            if taken and not force:
                what = ", ".join(f".{'.'.join(path)}" for _, path in taken)
                raise ApiError(409, "Conflict", f'Apply failed with conflict with "{taken[0][0]}": {what}')
            for other, path in taken:
                owned[other].discard(path)
            kept = set().union(*(paths for other, paths in owned.items() if other != manager))
            changed = copy.deepcopy(live)
            for path in owned.get(manager, set()) - set(wanted) - kept:
                remove(changed, path)
            for path, value in wanted.items():
                put(changed, path, value)
            owned[manager] = set(wanted)
            self._replace(ref, live, changed)

    def change(self, ref: Ref, how: Callable[[Object], object], manager: str = "kubectl/Update") -> None:
        """Let `how` edit the object in place, as `kubectl edit` would; 404 when there is none."""
        with self.lock:
            live = self._objects.get(ref)
            if live is None:
                raise ApiError(404, "NotFound", f'{_plural(ref)} "{ref.name}" not found')
            changed = copy.deepcopy(live)
            how(changed)
            before, after = leaves(live), leaves(changed)
            touched = {path for path, value in after.items() if before.get(path) != value}
            for paths in self._owned[ref].values():
                paths.difference_update(touched, before.keys() - after.keys())
            self._owned[ref].setdefault(manager, set()).update(touched)
            self._replace(ref, live, changed)

    def merge(self, ref: Ref, patch: Manifest) -> None:
        """Apply a JSON merge patch (RFC 7386); 409 when it names another version than the live one."""
        with self.lock:
            live = self._objects.get(ref)
            if live is not None:
                self._check_version({"metadata": patch.get("metadata", {})}, live)
            self.change(ref, lambda found: _merge(found, patch), "ackinstall/Update")

    def delete(self, ref: Ref, only: Manifest | None = None) -> None:
        """Delete the object, 404 when there is none, 409 when it is not `only`, as that was read; it goes
        once its finalizers and contents are gone.
        """
        with self.lock:
            live = self._objects.get(ref)
            if live is None:
                raise ApiError(404, "NotFound", f'{_plural(ref)} "{ref.name}" not found')
            if only and only["metadata"]["uid"] != live["metadata"]["uid"]:
                raise ApiError(409, "Conflict", "Precondition failed: UID in precondition is another one")
            self._check_version(only or {"metadata": {}}, live)
            is_first = "deletionTimestamp" not in live["metadata"]
            live["metadata"]["deletionTimestamp"] = _NOW
            if ref[:2] == NAMESPACE:
                live["status"] = {"phase": "Terminating"}
            if is_first:
                self._afterwards(ref, self.slow if ref[:2] in (NAMESPACE, CRD) else 0)

    def save(self) -> object:
        """Return a copy of everything, for `restore`."""
        with self.lock:
            return copy.deepcopy((self._objects, self._owned, self._later, self._versions))

    def restore(self, saved: object) -> None:
        """Make everything as it was when it was saved."""
        with self.lock:
            self._objects, self._owned, self._later, self._versions = copy.deepcopy(saved)  # type: ignore[misc]

    def objects(self) -> Iterator[tuple[Ref, Object]]:
        """Yield everything that there is, without looking at it."""
        yield from sorted(self._objects.items())

    def _end(self, ref: Ref, live: Object) -> bool:
        """Remove a deleted object as far as finalizers and contents allow; tell whether it went."""
        within = self._contents(ref, live)
        for one in within:
            self.delete(one)
        left = [one for one in within if one in self._objects]
        if left:
            live.setdefault("status", {})["conditions"] = _remaining([self._objects[one] for one in left])
            return False
        self._let_go(ref, live)
        if live["metadata"].get("finalizers"):
            return False
        del self._objects[ref], self._owned[ref]
        return True

    def _let_go(self, ref: Ref, live: Object) -> None:
        """Do what an ACK controller does about an object that is deleted: take its finalizers off."""
        group = ref.api_version.split("/")[0]
        shared = group == "services.k8s.aws"  # which every controller acts on
        if shared or (group.endswith(".services.k8s.aws") and self._has_controller(group.split(".")[0])):
            finalizers = live["metadata"].get("finalizers", ())
            kept = [one for one in finalizers if not one.startswith(f"finalizers.{group}/")]
            live["metadata"]["finalizers"] = kept

    def _has_controller(self, service: str) -> bool:
        return any(
            f"/{service}-controller" in container["image"]
            for ref, found in self._objects.items()
            if ref[:2] == DEPLOYMENT and found.get("status", {}).get("availableReplicas")
            for container in found["spec"]["template"]["spec"]["containers"]
        )

    def _contents(self, ref: Ref, live: Object) -> Refs:
        """Return what goes with an object: a namespace's content, a definition's objects, owned pods."""
        if ref[:2] == NAMESPACE:
            return [one for one in self._objects if one.namespace == ref.name]
        if ref[:2] == CRD:
            spec = live["spec"]
            return [
                one
                for one in self._objects
                if one.kind == spec["names"]["kind"] and one.api_version.startswith(f"{spec['group']}/")
            ]
        uid = live["metadata"]["uid"]
        return [
            one
            for one, found in self._objects.items()
            if any(owner["uid"] == uid for owner in found["metadata"].get("ownerReferences", ()))
        ]

    def _react(self, ref: Ref, stored: Object) -> None:
        """Do what the cluster's controllers do about an object that is new or has changed."""
        if ref[:2] == NAMESPACE:
            stored["status"] = {"phase": "Active"}
            for kind, name in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")):
                made = Ref("v1", kind, name, ref.name)
                if made not in self._objects:
                    metadata = {"name": name, "namespace": ref.name}
                    self.create({"apiVersion": "v1", "kind": kind, "metadata": metadata}, "kube/Update")
        if ref[:2] == CRD:
            known = stored.setdefault("status", {}).setdefault("storedVersions", [])
            storage = next(one["name"] for one in stored["spec"]["versions"] if one.get("storage"))
            known += [storage] if storage not in known else []
        if ref[:2] in (CRD, DEPLOYMENT):
            self._afterwards(ref, self.slow)

    def _roll_out(self, ref: Ref, deployment: Object) -> None:
        metadata, replicas = deployment["metadata"], deployment["spec"].get("replicas", 1)
        template = deployment["spec"]["template"]
        for number in range(replicas):
            pod = Ref("v1", "Pod", f"{ref.name[:58]}-{number}", ref.namespace)
            owner = {"kind": "Deployment", "name": ref.name, "uid": metadata["uid"]}
            own = {"name": pod.name, "namespace": pod.namespace, "ownerReferences": [owner]}
            own |= copy.deepcopy(template.get("metadata", {}))
            bare = {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": template["spec"]}
            manifest = identity_webhook.add_identity(bare, self._account_of(pod, template["spec"]), REGION)
            self.apply(manifest, "kube/Apply", force=True)
            states = [pods.State(ready=True) for _ in template["spec"]["containers"]]
            self._objects[pod]["status"] = pods.pod_status(manifest, states, "127.0.0.1", 0)
        deployment["status"] = {
            "observedGeneration": metadata["generation"],
            **dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), replicas),
        }

    def _account_of(self, pod: Ref, spec: Object) -> Object:
        """Return the annotations of a pod's service account."""
        account = Ref("v1", "ServiceAccount", spec.get("serviceAccountName", "default"), pod.namespace)
        found: Object = (self._objects.get(account) or {}).get("metadata", {}).get("annotations") or {}
        return found

    def _replace(self, ref: Ref, live: Object, changed: Object) -> None:
        if changed == live:
            return
        if ref[:2] == CRD:
            _check_stored_versions(ref, changed)
        if changed.get("spec") != live.get("spec"):
            changed["metadata"]["generation"] += 1
        self._store(ref, changed)
        if "deletionTimestamp" in changed["metadata"]:
            if not changed["metadata"].get("finalizers"):
                self._end(ref, changed)
        elif changed.get("spec") != live.get("spec"):
            self._react(ref, changed)

    def _store(self, ref: Ref, stored: Object) -> None:
        stored["metadata"]["resourceVersion"] = str(self._next())
        self._objects[ref] = stored

    def _next(self) -> int:
        self._versions += 1
        return self._versions

    def _afterwards(self, ref: Ref, looks: int) -> None:
        """Let the cluster's controllers work on an object, now or after so many looks at it."""
        if looks or not self._work_on(ref):
            self._later[ref] = looks

    def _look(self, ref: Ref) -> None:
        """Let time pass for an object: everything that happens later happens at a look."""
        left = self._later.pop(ref, None)
        if left is not None and (left > 0 or not self._work_on(ref)):
            self._later.setdefault(ref, max(left - 1, 0))

    def _work_on(self, ref: Ref) -> bool:
        """Do a controller's work on an object; tell whether that is the end of it."""
        live = self._objects.get(ref)
        if live is None:
            return True
        if "deletionTimestamp" in live["metadata"]:
            return self._end(ref, live)
        if ref[:2] == CRD:
            live["status"]["conditions"] = [{"type": "Established", "status": "True"}]
        if ref[:2] == DEPLOYMENT:
            self._roll_out(ref, live)
        return True

    def _definition(self, api_version: str, kind: str) -> Object | None:
        group, _, version = api_version.rpartition("/")
        for ref, found in self._objects.items():
            spec = found.get("spec", {})
            if ref[:2] == CRD and (spec["group"], spec["names"]["kind"]) == (group, kind):
                served = version in [one["name"] for one in spec["versions"] if one.get("served")]
                return found if served and found["status"].get("conditions") else None
        return None

    def _check_place(self, ref: Ref) -> None:
        if not self.knows(ref.api_version, ref.kind):
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        if not ref.namespace:
            return
        namespace = self._objects.get(Ref(*NAMESPACE, ref.namespace))
        if namespace is None:
            raise ApiError(404, "NotFound", f'namespaces "{ref.namespace}" not found')
        if "deletionTimestamp" in namespace["metadata"]:
            why = f"unable to create new content in namespace {ref.namespace} because it is being terminated"
            raise ApiError(403, "Forbidden", f'{_plural(ref)} "{ref.name}" is forbidden: {why}')

    def _check_version(self, manifest: Manifest, live: Object) -> None:
        expected = manifest["metadata"].get("resourceVersion")
        if expected and expected != live["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified; please apply your changes to it")


def _merge(into: Object, patch: Manifest) -> None:
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif key != "resourceVersion":
            into[key] = value


def _check_stored_versions(ref: Ref, changed: Object) -> None:
    offered = {version["name"] for version in changed["spec"]["versions"]}
    lost = [one for one in changed["status"]["storedVersions"] if one not in offered]
    if lost:
        why = f'status.storedVersions[0]: Invalid value: "{lost[0]}": must appear in spec.versions'
        raise ApiError(422, "Invalid", f'CustomResourceDefinition "{ref.name}" is invalid: {why}')


def _remaining(left: list[Object]) -> list[Object]:
    """Return the conditions that the namespace controller sets while objects are left, in its order.

    Source: kubernetes, pkg/controller/namespace/deletion/status_condition_utils.go.
    """
    kind = f"{left[0]['kind'].lower()}s."
    holding = [one for one in left if one["metadata"].get("finalizers")]
    finalizer = holding[0]["metadata"]["finalizers"][0] if holding else ""
    fine = {
        "NamespaceDeletionDiscoveryFailure": "All resources successfully discovered",
        "NamespaceDeletionGroupVersionParsingFailure": "All legacy kube types successfully parsed",
        "NamespaceDeletionContentFailure": "All content successfully deleted, may be waiting on finalization",
    }
    remaining = f"Some resources are remaining: {kind} has {len(left)} resource instances"
    finalizers = f"Some content in the namespace has finalizers remaining: {finalizer} in {len(holding)} "
    return [
        *({"type": type_, "status": "False", "message": message} for type_, message in fine.items()),
        {"type": "NamespaceContentRemaining", "status": "True", "message": remaining},
        {
            "type": "NamespaceFinalizersRemaining",
            "status": str(bool(holding)),
            "message": f"{finalizers}resource instances"
            if holding
            else "All content-preserving finalizers finished",
        },
    ]


def _plural(ref: Ref) -> str:
    return f"{ref.kind.lower()}s"
