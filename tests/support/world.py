"""The three worlds together, and `up` and `down` in them as the commands run them."""

import copy
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ackinstall import catalog, controllers, engine, facts, profile, remains
from ackinstall.clients import Clients
from ackinstall.engine import Options, Progress, Status
from ackinstall.facts import Chart, Facts
from ackinstall.kube import MANAGED, Manifest
from ackinstall.resource import SETTLED, Change, Kind, Resource
from ackinstall.resources.role_book import RoleBook
from support.aws import ACCOUNT, CLUSTERS, REGION, InProcessAws, issuer_of
from support.cluster import Cluster
from support.faults import Faults, Killed, Strike, nothing
from support.helm import FakeHelm, Gallery
from support.kube import FakeKube

SERVICES = ("sagemaker", "applicationautoscaling")
_VOLATILE = ("uid", "resourceVersion", "generation", "creationTimestamp")
LATER = 60.0
"""Seconds that pass between a crash and the next run: more than a helm that was killed is waited for."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its plan and each resource's last step; `killed` when the process did not reach it."""

    changes: Sequence[Change] = ()
    ended: Sequence[Progress] = ()
    killed: bool = False

    @property
    def failures(self) -> dict[str, str]:
        """What failed or was skipped, and why."""
        return {
            one.resource.id: one.detail for one in self.ended if one.status in (Status.FAILED, Status.SKIPPED)
        }

    @property
    def kinds(self) -> dict[str, Kind]:
        """What the plan said, by resource."""
        return {change.resource.id: change.kind for change in self.changes}


@dataclass(frozen=True)
class Saved:
    """A copy of everything that there is."""

    aws: object
    cluster: object


class Hurry(threading.Event):
    """The event with which a run is stopped; the engine's pauses, which wait for it, are cut short."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the event."""
        return super().wait(None if timeout is None else timeout / 100)


class World:
    """One EKS cluster `name` in an AWS account. Worlds that share `aws` are clusters of the same account.

    `slow` is how many looks it takes until the cluster's controllers have done their work.
    """

    def __init__(self, aws: InProcessAws, name: str = CLUSTERS[0], *, slow: int = 0) -> None:
        self.aws = aws
        self.name = name
        self.cluster = Cluster(slow)
        self.gallery = Gallery()
        self.clients = self.opened()

    @property
    def faults(self) -> Faults:
        """What goes wrong; it counts the calls too."""
        return self.aws.faults

    @property
    def helm(self) -> FakeHelm:
        """The fake Helm."""
        return FakeHelm(self.cluster, self.faults, self.gallery)

    def opened(self) -> Clients:
        """Return clients as a new process has them: nothing is remembered."""

        def sign(namespace: str, account: str, audience: str) -> str:
            return self.aws.service_account_token(self.name, namespace, account, audience)

        kube = FakeKube(self.cluster, self.faults, sign)
        return Clients(self.aws, kube, self.helm, RoleBook(self.aws.client("iam")))

    def facts(self, **versions: str) -> Facts:
        """Return the facts; `versions` are the charts' by service, the newest published by default."""
        chosen = {one: versions.get(one) or self.gallery.versions(f"{one}-chart")[0] for one in SERVICES}
        folders = {one: self.gallery.folder(f"{one}-chart", version) for one, version in chosen.items()}
        return _facts(self.name, {one: _chart(folder) for one, folder in folders.items()})

    def resources(self, *settings: str, name: str = "default", **versions: str) -> list[Resource]:
        """Return what a profile makes on this cluster."""
        return catalog.build(_profile(name, settings), self.facts(**versions))

    def up(
        self,
        resources: Sequence[Resource] | None = None,
        strike: Strike = nothing,
        *,
        workers: int = 1,
        adopt: bool = False,
        timeout: float | None = None,
    ) -> Outcome:
        """Run `up`, in which `strike` says what goes wrong. Raises Refused when a person must decide."""
        options = Options(adopt=adopt, workers=workers, timeout=timeout, stop=Hurry())
        return self._run(self._catalog() if resources is None else resources, options, strike)

    def down(
        self,
        strike: Strike = nothing,
        *,
        workers: int = 1,
        delete_data: bool = False,
        timeout: float | None = None,
        way: str = "refuse",
    ) -> Outcome:
        """Run `down`, which knows of the charts only what is in the cluster (see `up`)."""
        options = Options(present=False, workers=workers, timeout=timeout, stop=Hurry())
        return self._run(self.to_remove(delete_data=delete_data, way=way), options, strike)

    def to_remove(self, *, delete_data: bool = False, way: str = "refuse") -> list[Resource]:
        """Return what `down` looks at; `way` is what happens to custom resources that are alive."""
        self.faults.begin()
        found = facts.installed_charts(_default().controllers, self.opened())
        definitions = {service: [_lasting(one) for one in chart.crds] for service, chart in found.items()}
        acting = controllers.read(self.opened().kube)
        made = list(_made(self.name, json.dumps(definitions), delete_data=delete_data))
        known = self.facts()
        others = remains.find(self.opened(), known, delete_data=delete_data)
        return catalog.teardown(made, others, known, acting, way)

    def plan(
        self, resources: Sequence[Resource] | None = None, *, present: bool = True, adopt: bool = False
    ) -> list[Change]:
        """Return the work that `up` would have to do, or `down` when not `present`."""
        self.faults.begin()
        options = Options(present=present, workers=1, adopt=adopt, stop=Hurry())
        changes = engine.plan(self._catalog() if resources is None else resources, self.opened(), options)
        return [change for change in changes if change.kind not in SETTLED]

    def inventory(self) -> dict[str, Any]:
        """Return everything that there is, without what differs from run to run."""
        return {"aws": self.aws.inventory(), **self._in_cluster()}

    def save(self) -> "Saved":
        """Return a copy of everything, for `restore`."""
        return Saved(self.aws.save(), self.cluster.save())

    def restore(self, saved: "Saved") -> None:
        """Make everything as it was when it was saved."""
        self.aws.restore(saved.aws)
        self.cluster.restore(saved.cluster)

    def moments(self, run: Callable[[], object]) -> dict[str, "Saved"]:
        """Return the world as a process would leave it that is killed before or after any call of `run`.

        A moment that left nothing else than the one before it (most calls only read) is not there twice.
        """
        found: dict[str, Saved] = {}
        last: dict[str, Any] = {}

        def watch(moment: str) -> None:
            nonlocal last
            now = self.inventory()
            if now != last:
                found[f"{len(found)}: {moment}"] = self.save()
            last = now

        self.faults.watch = watch
        try:
            run()
        finally:
            self.faults.watch = None
        return found

    def let_time_pass(self, seconds: float = LATER) -> None:
        """Make what a killed process left behind older."""
        self.helm.let_time_pass(seconds)

    def _catalog(self) -> list[Resource]:
        """Return the default profile's resources, made once for each set of charts: they are frozen."""
        newest = {service: self.gallery.versions(f"{service}-chart")[0] for service in SERVICES}
        folders = tuple(self.gallery.folder(f"{service}-chart", newest[service]) for service in SERVICES)
        return list(_catalog(self.name, folders))

    def _run(self, resources: Sequence[Resource], options: Options, strike: Strike) -> Outcome:
        self.faults.begin(strike)
        self.faults.on_kill = options.stop.set  # wakes who waits: a killed process waits for nothing
        clients = self.opened()
        try:
            changes = engine.plan(resources, clients, options)
            engine.check(changes)
            return Outcome(changes, engine.run(changes, clients, options, lambda _: None))
        except Killed:
            return Outcome(killed=True)
        finally:
            self.faults.on_kill = lambda: None

    def _in_cluster(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        releases: dict[str, list[Any]] = {}
        with self.cluster.lock:
            for ref, one in self.cluster.objects():
                plain = copy.deepcopy(one)
                if (plain["metadata"].get("labels") or {}).get("owner") == "helm":
                    content = plain["data"]["release"]
                    about = {key: content[key] for key in ("status", "values", "manifest")}
                    releases.setdefault(plain["metadata"]["labels"]["name"], []).append(about)
                    continue
                if (
                    ref.kind == "ServiceAccount"
                ):  # Helm makes it anew without our label; it is the release's then
                    (plain["metadata"].get("labels") or {}).pop(MANAGED, None)
                for key in _VOLATILE:
                    plain["metadata"].pop(key, None)
                for owner in plain["metadata"].get("ownerReferences", ()):
                    owner.pop("uid")
                plain.get("status", {}).pop("observedGeneration", None)
                found["/".join(ref)] = plain
        return {"cluster": found, "releases": releases}


@cache
def _profile(name: str, settings: tuple[str, ...]) -> profile.Profile:
    return profile.load(name, settings)


def _default() -> profile.Profile:
    return _profile("default", ())


@cache
def _chart(folder: Path) -> Chart:
    return facts.read_chart(folder)


@cache
def _catalog(cluster: str, folders: tuple[Path, ...]) -> tuple[Resource, ...]:
    charts = {service: _chart(folder) for service, folder in zip(SERVICES, folders, strict=True)}
    return tuple(catalog.build(_default(), _facts(cluster, charts)))


@cache
def _made(cluster: str, definitions: str, *, delete_data: bool) -> tuple[Resource, ...]:
    found = {
        service: Chart(label="", version="", digest="", folder=Path(), values={}, schema={}, crds=tuple(crds))
        for service, crds in json.loads(definitions).items()
    }
    return tuple(catalog.build(_default(), _facts(cluster, found), delete_data=delete_data))


def _lasting(live: Manifest) -> Manifest:
    """Return what of a live definition is the same in every run."""
    return {**live, "metadata": {"name": live["metadata"]["name"]}}


def _facts(name: str, charts: Mapping[str, Chart]) -> Facts:
    cluster = facts.Cluster(
        name=name,
        arn=f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{name}",
        version="1.36",
        endpoint="https://127.0.0.1:6443",
        ca=b"PEM of the CA",
        issuer=issuer_of(name),
    )
    return Facts(
        account=ACCOUNT,
        partition="aws",
        region=REGION,
        caller=f"arn:aws:iam::{ACCOUNT}:user/administrator",
        cluster=cluster,
        charts=charts,
    )
