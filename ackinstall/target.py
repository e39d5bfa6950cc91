"""From the command line's choices to everything a command works with: profile, facts, clients, resources.

The order is that of mistakes: the profile is read before any network, AWS before Kubernetes, the cluster
before the registry; what is wrong stops the run before anything was changed.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ackinstall import catalog, controllers, facts, lock, mistakes, preflight, profile, remains
from ackinstall.clients import Access, Aws, Clients, Session, open_worlds
from ackinstall.errors import AckinstallError, UsageError
from ackinstall.facts import Facts
from ackinstall.gone import GoneCluster, GoneReleases
from ackinstall.kube import Kube, Ref
from ackinstall.profile import Profile
from ackinstall.resource import Resource
from ackinstall.resources.receipt import NAME as RECEIPT
from ackinstall.resources.role_book import RoleBook
from ackinstall.source import Source

DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose; `profile` "" means the receipt's for a teardown, else the default one.
    `lock_timeout` are seconds, `command` is what this run is called in its lock.
    """

    cluster: str
    region: str | None = None
    profile: str = ""
    settings: Sequence[str] | None = None
    aws_profile: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    upgrade: bool = False
    delete_data: bool = False
    workloads: str = "refuse"
    lock_timeout: float = 0.0
    command: str = ""


Lock = Callable[[threading.Event, Callable[[str], None]], AbstractContextManager[None]]
"""Opens the context in which one run works on a target: from the event that stops the run, which is set when
the lock is lost, and from what tells why it waits."""


def _no_lock(_stop: threading.Event, _tell: Callable[[str], None]) -> AbstractContextManager[None]:
    """Nobody else can work on a cluster that does not exist any more."""
    return nullcontext()


@dataclass(frozen=True, kw_only=True)
class Target:
    """An opened target."""

    profile: Profile
    facts: Facts
    clients: Clients
    resources: list[Resource]
    lock: Lock = _no_lock


@dataclass(frozen=True, kw_only=True)
class Doors:
    """How the outside worlds are opened; a test hands in its own.

    `login` takes an AWS profile and a region, `worlds` is as open_worlds.
    """

    login: Callable[[str | None, str | None], Aws] = Session
    worlds: Callable[[Aws, Access], AbstractContextManager[tuple[Clients, Path]]] = open_worlds


@contextmanager
def opened(choice: Choice, doors: Doors) -> Iterator[Target]:
    """Open the target of an installation.

    Raises AckinstallError for whatever is wrong with profile, credentials, cluster, registry or charts.
    """
    chosen = profile.load(choice.profile or DEFAULT, choice.settings or ())
    aws = doors.login(choice.aws_profile, choice.region)
    caller, cluster = _found(aws, choice.cluster)
    if cluster is None:
        raise facts.no_cluster(aws, choice.cluster)
    access = _access(choice, cluster)
    with doors.worlds(aws, access) as (clients, directory):
        _enter(clients, access, chosen, preflight.grant(cluster.arn, caller))
        charts = facts.pull_charts(
            chosen.controllers, chosen.namespace, clients, directory, upgrade=choice.upgrade
        )
        known = facts.of(aws, caller, cluster, charts)
        yield Target(
            profile=chosen,
            facts=known,
            clients=clients,
            resources=catalog.build(chosen, known),
            lock=_lock(choice, caller, clients.kube),
        )


@contextmanager
def opened_to_remove(choice: Choice, doors: Doors) -> Iterator[Target]:
    """Open the target of a teardown: what the profile makes, and what else carries our mark. Of a cluster
    that does not exist any more, that is what the mark finds in AWS.

    Raises AckinstallError as `opened` does.
    """
    chosen = profile.load(choice.profile or DEFAULT, choice.settings or ())
    aws = doors.login(choice.aws_profile, choice.region)
    caller, cluster = _found(aws, choice.cluster)
    if cluster is None:
        yield _gone(choice, chosen, caller, aws)
        return
    access = _access(choice, cluster)
    with doors.worlds(aws, access) as (clients, _):
        _enter(clients, access, chosen, preflight.grant(cluster.arn, caller))
        chosen = chosen if choice.profile else remembered(clients.kube, chosen)
        known = facts.of(aws, caller, cluster, facts.installed_charts(chosen.controllers, clients))
        made = catalog.build(chosen, known, delete_data=choice.delete_data)
        acting = controllers.read(clients.kube)
        others = remains.find(clients, known, policies=chosen.inline_names, delete_data=choice.delete_data)
        yield Target(
            profile=chosen,
            facts=known,
            clients=clients,
            resources=catalog.teardown(made, others, known, acting, choice.workloads),
            lock=_lock(choice, caller, clients.kube),
        )


def _lock(choice: Choice, caller: str, kube: Kube) -> Lock:
    claim = lock.Claim(caller=caller, command=choice.command, patience=choice.lock_timeout)
    return lambda stop, tell: lock.held(kube, claim, stop, tell=tell)


def _found(aws: Aws, name: str) -> tuple[str, facts.Cluster | None]:
    """Return the caller's ARN and the cluster, if it exists."""
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(facts.read_caller, aws)
        cluster = facts.find_cluster(aws, name)
        return reading.result(), cluster


def _access(choice: Choice, cluster: facts.Cluster) -> Access:
    return Access(
        cluster=cluster.name,
        endpoint=cluster.endpoint,
        ca=cluster.ca,
        kubeconfig=choice.kubeconfig,
        context=choice.context,
    )


def _enter(clients: Clients, access: Access, chosen: Profile, hint: str) -> None:
    """Raise AckinstallError, with `hint` for missing rights, when the cluster cannot be looked at."""
    with ThreadPoolExecutor(1) as pool:
        helm = pool.submit(clients.helm.version)
        reach(clients.kube, access.endpoint)
        preflight.require(clients.kube, preflight.to_look(chosen.namespace), hint)
        helm.result()


def _gone(choice: Choice, chosen: Profile, caller: str, aws: Aws) -> Target:
    known = facts.gone(aws, caller, choice.cluster)
    clients = Clients(aws, GoneCluster(), GoneReleases(), RoleBook(aws.client("iam")))
    left = remains.find(clients, known, policies=chosen.inline_names, delete_data=choice.delete_data)
    if not left:
        raise facts.no_cluster(aws, choice.cluster)
    return Target(profile=chosen, facts=known, clients=clients, resources=left)


def reach(kube: Kube, endpoint: str, seconds: float = 10) -> None:
    """Raise AckinstallError when the API server does not answer within `seconds` or does not let us in."""
    try:
        facts.settled(kube.version, "the cluster", seconds)
    except AckinstallError as error:
        if error.reference == "connection-lost":
            raise AckinstallError(
                "api-server-unreachable",
                f"the cluster's API server '{endpoint}' does not answer",
                "reach a private cluster from inside its network, or with `--kubeconfig FILE --context NAME`",
            ) from error
        raise


def remembered(kube: Kube, fallback: Profile) -> Profile:
    """Return the profile that the receipt names, or `fallback` where there is no receipt that can be read."""
    receipt = kube.get(Ref("v1", "ConfigMap", RECEIPT, fallback.namespace))
    if receipt is None:
        return fallback
    try:
        content = json.loads(receipt["data"]["profile"])
        mistakes.check(content, Source("the receipt"))
    except (KeyError, ValueError, UsageError):
        return fallback
    return profile.parse(content, name="receipt", folder=None)


def known(choice: Choice, doors: Doors) -> tuple[Profile, Facts]:
    """Return profile and facts without opening the cluster or a chart: enough for names and ARNs."""
    chosen = profile.load(choice.profile or DEFAULT, choice.settings or ())
    aws = doors.login(choice.aws_profile, choice.region)
    cluster = facts.read_cluster(aws, choice.cluster)
    return chosen, facts.of(aws, "", cluster, {})
