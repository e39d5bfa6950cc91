"""From the command line's choices to an opened target: credentials, cluster, worlds, charts, resources.

The order is that of mistakes: the profile is read before any network, AWS before Kubernetes, the cluster
before the registry; what is wrong stops the run before anything was changed.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ackinstall import catalog, controllers, facts, forbidden, mistakes, profile, remains, rights
from ackinstall.clients import Access, Aws, Clients
from ackinstall.errors import LOGIN_REFUSED, AckinstallError, UsageError, login_refused
from ackinstall.facts import Caller, Chart, Cluster, Facts
from ackinstall.gone import GoneCluster, GoneReleases
from ackinstall.helm import Helm
from ackinstall.kube import Kube, Ref, preload
from ackinstall.lock import Claim, LeaseLock
from ackinstall.once import once
from ackinstall.profile import Profile
from ackinstall.resource import Resource
from ackinstall.resources.receipt import NAME as RECEIPT
from ackinstall.resources.role_book import RoleBook
from ackinstall.source import Source
from ackinstall.target import Choice, Doors, Target

DEFAULT = "default"


class Opening:
    """A target that is opened as far as somebody asks: each fact is read once, by the first who needs it.

    Reading one raises AckinstallError for whatever is wrong with it. Safe to use from several threads.
    """

    def __init__(self, choice: Choice, doors: Doors, stack: ExitStack) -> None:
        self.choice = choice
        self.profile: Profile = profile.load(choice.profile or DEFAULT, choice.settings or ())
        self._doors = doors
        self._stack = stack

    def begin(self) -> None:
        """Start to read what everything needs, for whoever is going to ask: AWS first, because what is loaded
        and pulled beside would only hold its questions up.
        """
        pool = self._stack.enter_context(ThreadPoolExecutor(4))
        with suppress(Exception):  # whoever asks is told
            for service, ask in (("sts", lambda: self.caller), ("eks", lambda: self._found)):
                self.aws.client(service)
                pool.submit(ask)
            for service in ("iam", "s3"):
                self.aws.client(service)
        for read in (lambda: self._newest, preload):
            pool.submit(read)

    @once
    def aws(self) -> Aws:
        """The AWS identity."""
        return self._doors.login(self.choice.aws_profile, self.choice.region)

    @once
    def caller(self) -> Caller:
        """Who calls. Raises UsageError when it is not the account that it has to be."""
        found = facts.read_caller(self.aws)
        wanted = self.choice.account
        if wanted and wanted != found.account:
            raise UsageError(
                "wrong-account",
                f"the credentials are of the account '{found.account}', not of '{wanted}'",
                "log in to the other account, or name its profile with `--aws-profile NAME`",
            )
        return found

    @once
    def cluster(self) -> Cluster:
        """The EKS cluster. Raises UsageError when there is none, naming those that there are."""
        if self._found is None:
            raise facts.no_cluster(self.aws, self.choice.cluster)
        return self._found

    @once
    def clients(self) -> Clients:
        """The three worlds; opening them asks none of them anything."""
        access = Access(
            cluster=self.cluster.name,
            endpoint=self.cluster.endpoint,
            ca=self.cluster.ca,
            kubeconfig=self.choice.kubeconfig,
            context=self.choice.context,
        )
        return self._stack.enter_context(self._doors.worlds(self.aws, access))

    @once
    def server_version(self) -> str:
        """The API server's version: it answers, and lets us in."""
        try:
            return reach(self.clients.kube, self.cluster.endpoint)
        except AckinstallError as error:
            if error.reference == LOGIN_REFUSED:
                raise login_refused(grant=self.grant()) from error
            raise

    @once
    def helm_version(self) -> str:
        """Helm's version: it is there and not too old."""
        return self._gallery[0].version()

    @once
    def charts(self) -> Mapping[str, Chart]:
        """The controllers' charts, by service. An installed version that fits is kept, unless `upgrade`."""
        chosen = self.profile.controllers
        with ThreadPoolExecutor(1) as pool:
            # Asking for what is installed takes as long as pulling what most often is just that.
            pulling = pool.submit(lambda: self._newest)
            namespace = self.profile.namespace
            kept = {} if self.choice.upgrade else facts.kept_versions(chosen, namespace, self.clients)
        newest = pulling.result()
        older = {service: one for service, one in kept.items() if one != newest[service].version}
        others = [controller for controller in chosen if controller.service in older]
        return {**newest, **facts.pull_charts(others, *self._gallery, older)}

    @once
    def published(self) -> Mapping[str, tuple[str, str]]:
        """By service, the newest version of the chart in the profile's range, and of all."""
        return facts.newest_versions(self.profile.controllers, self._gallery[0])

    @once
    def known(self) -> Facts:
        """The facts without the charts: enough for names and ARNs."""
        self._ask_aws()
        return facts.of(self.aws, self.caller.arn, self.cluster, {})

    @once
    def facts(self) -> Facts:
        """All facts."""
        return facts.of(self.aws, self.caller.arn, self.cluster, self.charts)

    @once
    def resources(self) -> list[Resource]:
        """What an installation is made of."""
        return catalog.build(self.profile, self.facts)

    @once
    def lock(self) -> LeaseLock:
        """The cluster's lock. It knows of the runs that are at work from now on."""
        choice = self.choice
        claim = Claim(caller=self.caller.arn, command=choice.command, patience=choice.lock_timeout)
        return LeaseLock(self.clients.kube, claim)

    def renew(self) -> None:
        """Forget what another run may have changed: whoever asks for it again reads it anew."""
        for name in ("charts", "facts", "resources"):
            vars(self).pop(name, None)
        # The reader of roles remembers, too.
        vars(self)["clients"] = replace(self.clients, roles=RoleBook(self.aws.client("iam")))

    @property
    def region(self) -> str:
        """The region, "" while neither the command line nor the AWS identity has told it."""
        opened: Aws | None = vars(self).get("aws")
        return opened.region if opened else self.choice.region or ""

    @property
    def aws_calls(self) -> int:
        """How many calls of AWS were made so far."""
        opened: Aws | None = vars(self).get("aws")
        return opened.calls if opened else 0

    def grant(self) -> str:
        """Return the hint for rights on the cluster that are missing; "" when the cluster is gone."""
        return rights.grant(self._found.arn, self._principal()) if self._found else ""

    def _principal(self) -> str:
        """Return the caller's ARN, of a session its role's; where IAM does not tell that, what prints it."""
        arn = rights.principal(self.caller.arn)
        if arn == self.caller.arn:
            return arn
        name = arn.rpartition("/")[2]
        try:
            found = self.clients.roles.read(name)
        except Exception:  # noqa: BLE001 (an administrator can ask in its place)
            found = None
        return found.arn if found else forbidden.role_arn(name)

    def target(self) -> Target:
        """Return the target of an installation. Raises AckinstallError for whatever is wrong."""
        self._ask_aws()
        _ = self.cluster
        self._enter()
        return Target(
            profile=self.profile,
            facts=self.facts,
            clients=self.clients,
            resources=self.resources,
            lock=self.lock,
        )

    def target_to_remove(self) -> Target:
        """Return the target of a teardown: what the profile makes, and what else carries our mark. Of a
        cluster that does not exist any more, that is what the mark finds in AWS.

        Raises AckinstallError as `target` does.
        """
        choice = self.choice
        self._ask_aws()
        if self._found is None:
            return self._target_of_gone()
        self._enter()
        kube = self.clients.kube
        chosen = self.profile if choice.profile else remembered(kube, self.profile)
        charts = facts.installed_charts(chosen.controllers, self.clients)
        known = facts.of(self.aws, self.caller.arn, self.cluster, charts)
        made = catalog.build(chosen, known, delete_data=choice.delete_data)
        others = remains.find(
            self.clients, known, policies=chosen.inline_names, delete_data=choice.delete_data
        )
        return Target(
            profile=chosen,
            facts=known,
            clients=self.clients,
            resources=catalog.teardown(made, others, known, controllers.read(kube), choice.workloads),
            lock=self.lock,
        )

    @once
    def _newest(self) -> Mapping[str, Chart]:
        return facts.pull_charts(self.profile.controllers, *self._gallery, {})

    @once
    def _found(self) -> Cluster | None:
        return facts.find_cluster(self.aws, self.choice.cluster)

    @once
    def _gallery(self) -> tuple[Helm, Path]:
        return self._stack.enter_context(self._doors.gallery())

    def _ask_aws(self) -> None:
        """Read caller and cluster side by side."""
        with ThreadPoolExecutor(1) as pool:
            caller = pool.submit(lambda: self.caller)
            _ = self._found
            caller.result()

    def _enter(self) -> None:
        """Raise AckinstallError when the cluster cannot be looked at, or there is no helm."""
        with ThreadPoolExecutor(2) as pool:
            helm = pool.submit(lambda: self.helm_version)
            _ = self.server_version
            busy = pool.submit(lambda: self.lock)
            rights.require(self.clients.kube, rights.to_look(self.profile.namespace), self.grant)
            helm.result()
            busy.result()

    def _target_of_gone(self) -> Target:
        known = facts.gone(self.aws, self.caller.arn, self.choice.cluster)
        clients = Clients(self.aws, GoneCluster(), GoneReleases(), RoleBook(self.aws.client("iam")))
        left = remains.find(
            clients, known, policies=self.profile.inline_names, delete_data=self.choice.delete_data
        )
        if not left:
            raise facts.no_cluster(self.aws, self.choice.cluster)
        return Target(profile=self.profile, facts=known, clients=clients, resources=left)


@contextmanager
def opening(choice: Choice, doors: Doors) -> Iterator[Opening]:
    """Begin to open a target: only the profile is read. Raises UsageError for what is wrong in it."""
    with ExitStack() as stack:
        yield Opening(choice, doors, stack)


def reach(kube: Kube, endpoint: str, seconds: float = 10) -> str:
    """Return the API server's version. Raises AckinstallError when it does not answer within `seconds` or
    does not let us in.
    """
    try:
        return facts.settled(kube.version, "the cluster", seconds)
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
