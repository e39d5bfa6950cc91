"""What checks look at: the opened target, and observations that several checks share, each made once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ackinstall import engine
from ackinstall.catalog import Names, in_aws, names, without_charts
from ackinstall.checks.check import AWS
from ackinstall.checks.objects import annotations_of, is_over, labels_of
from ackinstall.clients import Clients
from ackinstall.engine import Options
from ackinstall.errors import AckinstallError
from ackinstall.helm import Release
from ackinstall.kube import Kube, Manifest, Ref
from ackinstall.once import once
from ackinstall.opening import Opening
from ackinstall.profile import Profile
from ackinstall.resource import SETTLED, Change, Kind, Resource
from ackinstall.resources.crds import API
from ackinstall.resources.helm_release import INSTANCE, HelmRelease
from ackinstall.resources.role_book import RoleBook
from ackinstall.target import Choice

NOTED = "meta.helm.sh/release-name"
"""The annotation in which Helm notes the release of what it makes; `helm template` does not:
https://helm.sh/docs/chart_best_practices/labels/"""


class Context:
    """A target as far as it can be opened; reading an observation raises what stands in its way.

    Safe to use from several threads.
    """

    def __init__(
        self, opening: Opening, options: Options | None = None, planned: Sequence[Change] = ()
    ) -> None:
        self.opening = opening
        self._options = options or Options()
        self._planned = {change.resource.id: change for change in planned}

    def knowing(self, changes: Sequence[Change]) -> "Context":
        """Return a context of the same target that does not look again at what a plan speaks of."""
        return Context(self.opening, self._options, changes)

    @property
    def profile(self) -> Profile:
        """What to install."""
        return self.opening.profile

    @once
    def clients(self) -> Clients:
        """The three worlds, with a reader of roles of its own: nothing is written while checks look, so that
        what it has read of a role once does for all of them.
        """
        return replace(self.opening.clients, roles=RoleBook(self.opening.aws.client("iam")))

    @property
    def kube(self) -> Kube:
        """The cluster's API."""
        return self.opening.clients.kube

    @property
    def cluster(self) -> str:
        """The EKS cluster's name, for commands in hints."""
        return self.opening.choice.cluster

    @property
    def choice(self) -> Choice:
        """What the command line chose, for commands in hints."""
        return self.opening.choice

    @property
    def place(self) -> str:
        """The options of `aws` and `eksctl` for the target's region and identity, after a space each."""
        return self.choice.aws_options(self.opening.region)

    @property
    def words(self) -> Mapping[str, str]:
        """What the checks' own hints may name: names, the options of `aws`, and how commands begin."""
        return {
            "cluster": self.cluster,
            "namespace": self.profile.namespace,
            "place": self.place,
            "identity": self.choice.aws_options(""),
            "kubectl": self.choice.kubectl,
            "helm": self.choice.helm,
            "chart": self.profile.controllers[0].chart,
            "up": self.choice.again("up"),
            "plan": self.choice.again("plan"),
            "iam_policy": self.choice.again("iam-policy"),
        }

    @once
    def names(self) -> Names:
        """The names and ARNs of this target."""
        return names(self.profile, self.opening.known)

    @once
    def looks(self) -> Mapping[str, Change | AckinstallError]:
        """What the plan says of each resource, by its id, or why it cannot be observed."""
        resources = self.opening.resources
        rest = self._look([one for one in resources if one.kind not in AWS])
        return {one.id: rest.get(one.id) or self.aws_looks[one.id] for one in resources}

    @once
    def aws_looks(self) -> Mapping[str, Change | AckinstallError]:
        """The same of what is in AWS, whether or not the cluster lets us in."""
        resources = [one for one in self.opening.resources if one.kind in AWS]
        rest = self._look([one for one in resources if one.id not in self.early_looks])
        return {one.id: rest.get(one.id) or self.early_looks[one.id] for one in resources}

    @once
    def early_looks(self) -> Mapping[str, Change | AckinstallError]:
        """The same of what does not follow from the charts, before these are there."""
        return self._look(without_charts(self.profile, self.opening.known))

    def _look(self, resources: Sequence[Resource]) -> dict[str, Change | AckinstallError]:
        def look(resource: Resource) -> Change | AckinstallError:
            if resource.id in self._planned:
                return self._planned[resource.id]
            try:
                return engine.plan([resource], self.clients, self._options)[0]
            except AckinstallError as error:
                return error

        with ThreadPoolExecutor(16) as pool:
            return dict(zip((one.id for one in resources), pool.map(look, resources), strict=True))

    @once
    def changes(self) -> list[Change]:
        """The plan. Raises the first AckinstallError of a resource that cannot be observed."""
        for look in self.looks.values():
            if isinstance(look, AckinstallError):
                raise look
        return [look for look in self.looks.values() if isinstance(look, Change)]

    @once
    def work(self) -> list[Change]:
        """What is to be done; what cannot be observed counts as to be created."""
        changes = _changes(self.opening.resources, self.looks)
        return [change for change in changes if change.kind not in SETTLED]

    @once
    def aws_plan(self) -> list[Change]:
        """What the plan says of AWS; what cannot be observed counts as to be created."""
        if planned := [change for change in self._planned.values() if change.resource.kind in AWS]:
            return planned
        resources = in_aws(self.profile, self.opening.known)
        looks = self.early_looks
        # Roles that are not there are to be created, whatever the charts say: nobody needs to wait for them.
        if not all(self.clients.roles.lacks(one.name) for one in resources if one.id not in looks):
            with suppress(AckinstallError):  # without charts, what follows from them counts as to be created
                looks = self.aws_looks
        return _changes(resources, looks)

    @once
    def releases(self) -> dict[str, HelmRelease]:
        """The controllers' releases, by service."""
        by_name = {one.name: one for one in self.opening.resources if isinstance(one, HelmRelease)}
        return {one.service: by_name[one.release] for one in self.profile.controllers}

    @once
    def rendered(self) -> dict[str, tuple[Manifest, ...]]:
        """The objects that each controller's chart makes, by service."""

        def render(one: HelmRelease) -> tuple[Manifest, ...]:
            return self.clients.helm.render(one.name, one.namespace, one.chart, one.values)

        with ThreadPoolExecutor(8) as pool:
            found = pool.map(render, self.releases.values())
            return dict(zip(self.releases, found, strict=True))

    @property
    def pod_templates(self) -> dict[str, Manifest]:
        """What the controllers' pods are made from, as their charts say, by service."""
        return {
            service: one["spec"]["template"]
            for service, objects in self.rendered.items()
            for one in objects
            if one["kind"] == "Deployment"
        }

    @property
    def pod_specs(self) -> dict[str, Mapping[str, Any]]:
        """The specs of these pods, by service."""
        return {service: one["spec"] for service, one in self.pod_templates.items()}

    @once
    def namespace(self) -> Manifest | None:
        """The controllers' namespace."""
        return self.kube.get(Ref("v1", "Namespace", self.profile.namespace))

    @once
    def nodes(self) -> list[Manifest]:
        """The cluster's nodes."""
        return self.kube.list("v1", "Node")

    @once
    def deployments(self) -> list[Manifest]:
        """All Deployments of the cluster."""
        return self.kube.list("apps/v1", "Deployment")

    def is_own(self, deployment: Manifest) -> bool:
        """Tell whether a Deployment belongs to one of the profile's releases: manifests that others have
        rendered with our names are labelled like ours, but Helm has not noted its release on them.
        """
        releases = [one.release for one in self.profile.controllers]
        return (
            deployment["metadata"]["namespace"] == self.profile.namespace
            and labels_of(deployment).get(INSTANCE) in releases
            and annotations_of(deployment).get(NOTED) == labels_of(deployment)[INSTANCE]
        )

    def is_own_pod(self, pod: Manifest) -> bool:
        """Tell whether a pod is of one of the profile's releases."""
        releases = [one.release for one in self.profile.controllers]
        return pod["metadata"]["namespace"] == self.profile.namespace and (
            labels_of(pod).get(INSTANCE) in releases
        )

    def own_deployments(self, release: str = "") -> list[Manifest]:
        """Return the controllers' Deployments, or those of one release."""
        own = (one for one in self.deployments if self.is_own(one))
        return [one for one in own if labels_of(one)[INSTANCE] == release or not release]

    @once
    def definitions(self) -> list[Manifest]:
        """All custom resource definitions of the cluster."""
        return self.all_definitions()

    def all_definitions(self) -> list[Manifest]:
        """Return all custom resource definitions, read anew."""
        return self.kube.list(*API)

    @once
    def deployed(self) -> Mapping[str, Release | None]:
        """The controllers' releases as Helm has them, by name."""
        return self.read_releases()

    def read_releases(self) -> Mapping[str, Release | None]:
        """Return the same, read anew; whoever asks for them later gets these."""
        names = [one.release for one in self.profile.controllers]
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda name: self.clients.helm.release(name, self.profile.namespace), names)
            vars(self)["deployed"] = dict(zip(names, found, strict=True))
        return self.deployed

    @property
    def released(self) -> dict[str, list[Manifest]]:
        """The pod templates of these releases, by release."""
        return {
            name: [one["spec"]["template"] for one in release.manifest if one["kind"] == "Deployment"]
            for name, release in self.deployed.items()
            if release
        }

    def own_pods(self) -> list[Manifest]:
        """Return the controllers' pods that are not going away and have not ended, read anew."""
        found = self.kube.list("v1", "Pod", self.profile.namespace)
        return [
            one
            for one in found
            if self.is_own_pod(one) and "deletionTimestamp" not in one["metadata"] and not is_over(one)
        ]


def _changes(resources: Sequence[Resource], looks: Mapping[str, Change | AckinstallError]) -> list[Change]:
    found = ((one, looks.get(one.id)) for one in resources)
    return [look if isinstance(look, Change) else Change(Kind.CREATE, one) for one, look in found]
