"""From a profile and facts to the list of resources, in plain order. Pure: it reads and writes nothing.

`plan`, `render`, `status`, `up` and `down` are this one list, seen five ways. There are no variables between
resources: every name and ARN follows from profile and facts, so the plan is whole before the first write.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ackinstall.controllers import Controllers
from ackinstall.errors import UsageError
from ackinstall.facts import Chart, Facts
from ackinstall.kube import Manifest
from ackinstall.names import name_for
from ackinstall.policies import INLINE_LIMIT, Document, render, text
from ackinstall.profile import Controller, Profile
from ackinstall.resource import Resource
from ackinstall.resources.bucket import Bucket
from ackinstall.resources.crds import SHARED, Crds
from ackinstall.resources.custom_resources import NAME as CUSTOM_RESOURCES
from ackinstall.resources.custom_resources import CustomResources, Guarded, Released, Removed, Retained
from ackinstall.resources.helm_release import ROLE_HASH, HelmRelease
from ackinstall.resources.iam_role import ExecutionRole, IamRole
from ackinstall.resources.namespace import Namespace
from ackinstall.resources.oidc_provider import OidcProvider
from ackinstall.resources.receipt import NAME as RECEIPT
from ackinstall.resources.receipt import Receipt
from ackinstall.resources.service_account import ROLE_ARN, ServiceAccount
from ackinstall.resources.service_linked_role import ServiceLinkedRole
from ackinstall.values import merged, patched

AUDIENCE = "sts.amazonaws.com"
"""For whom EKS makes the tokens:
https://docs.aws.amazon.com/eks/latest/userguide/enable-iam-roles-for-service-accounts.html"""


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names and ARNs that policies, values and messages speak of."""

    controller_role: str
    controller_role_arn: str
    execution_role: str
    execution_role_arn: str
    bucket: str
    provider_arn: str


def names(profile: Profile, facts: Facts) -> Names:
    """Return the names that `profile` gives on this target.

    Raises UsageError when one is not allowed in IAM or S3.
    """
    known = {"cluster": facts.cluster.name, "account": facts.account, "region": facts.region}
    role = name_for("controllerRole.name", profile.controller_role.name, **known)
    execution, execution_path = "", "/"
    if profile.execution_role:
        execution = name_for("executionRole.name", profile.execution_role.name, **known)
        execution_path = profile.execution_role.path
    return Names(
        controller_role=role,
        controller_role_arn=facts.iam_arn(f"role{profile.controller_role.path}{role}"),
        execution_role=execution,
        execution_role_arn=facts.iam_arn(f"role{execution_path}{execution}") if execution else "",
        bucket=name_for("bucket.name", profile.bucket, **known) if profile.bucket else "",
        provider_arn=facts.iam_arn(f"oidc-provider/{facts.issuer_host}"),
    )


def build(profile: Profile, facts: Facts, *, delete_data: bool = False) -> list[Resource]:
    """Return everything that an installation is made of.

    `delete_data`: a teardown takes the bucket's objects too. Raises UsageError for what cannot be made.
    """
    builder = _Builder(profile, facts, names(profile, facts), delete_data)
    namespace = Namespace(
        name=profile.namespace, releases=tuple(controller.release for controller in profile.controllers)
    )
    receipt = Receipt(
        name=RECEIPT, namespace=profile.namespace, data=builder.receipt(), needs=(namespace.id,)
    )
    # The receipt comes before everything that it tells of, and goes after it.
    rest = [
        *builder.aws(),
        *builder.definitions(),
        *builder.controllers(),
    ]
    return [namespace, receipt, *(replace(one, needs=(receipt.id, *one.needs)) for one in rest)]


def in_aws(profile: Profile, facts: Facts) -> list[Resource]:
    """Return those of the resources that are in AWS, before anything else. Where `facts` has no charts, which
    name the service accounts, the roles are known but for their policies.
    """
    return _Builder(profile, facts, names(profile, facts), delete_data=False).aws()


def without_charts(profile: Profile, facts: Facts) -> list[Resource]:
    """Return those of the resources that do not follow from the charts, which `facts` need not have."""
    builder = _Builder(profile, facts, names(profile, facts), delete_data=False)
    return [replace(one, needs=(f"{Receipt.kind}/{RECEIPT}",)) for one in builder.without_charts()]


WAYS: Mapping[str, type[CustomResources]] = {"refuse": Guarded, "delete": Removed, "retain": Retained}
"""What a teardown does with custom resources that are alive."""


def teardown(
    made: list[Resource], others: list[Resource], facts: Facts, controllers: Controllers, way: str
) -> list[Resource]:
    """Return a teardown's list: the custom resources first, then all that was made, last made first, then
    what `others` there is beside it that carries our mark.

    `way` is one of WAYS. To retain what has no controller that could let it go is work for after the
    releases: only then is it proven that no controller acts any more.
    """
    known = {one.id for one in made}
    beside = [one for one in others if one.id not in known]
    definitions = tuple(one for crds in made if isinstance(crds, Crds) for one in crds.manifests)
    services = {one["spec"]["group"].removesuffix(f".{SHARED}") for one in definitions} - {SHARED}
    is_rescue = way == "retain" and bool(controllers.helpless(services))
    releases = {one.id for one in made if isinstance(one, HelmRelease)}
    before = releases if is_rescue else frozenset()
    alive = (Released if is_rescue else WAYS[way])(
        name=CUSTOM_RESOURCES,
        definitions=definitions,
        controllers=controllers,
        cluster=facts.cluster.name,
        needs=tuple(one.id for one in (*made, *beside) if one.id not in before),
    )
    # A controller may work with what others made: that goes after the releases.
    after = tuple(one.id for one in beside) + ((alive.id,) if is_rescue else ())
    kept = (replace(one, needs=(*one.needs, *after)) if one.id in releases else one for one in reversed(made))
    return [alive, *kept, *beside]


def needed_by_releases(resources: list[Resource]) -> list[Resource]:
    """Return the releases and all that they need: the part of an installation that makes controllers act."""
    by_id = {one.id: one for one in resources}
    wanted = {one.id for one in resources if isinstance(one, HelmRelease)}
    while more := {need for key in wanted for need in by_id[key].needs} - wanted:
        wanted |= more
    return [one for one in resources if one.id in wanted]


@dataclass(frozen=True)
class _Builder:
    """One target's resources, group by group."""

    profile: Profile
    facts: Facts
    names: Names
    delete_data: bool

    def aws(self) -> list[Resource]:
        return [
            self._provider(),
            self._controller_role(),
            *self._linked_roles(),
            *self._execution_role(),
            *self._bucket(),
        ]

    def without_charts(self) -> list[Resource]:
        return [self._provider(), *self._linked_roles(), *self._bucket()]

    def _provider(self) -> OidcProvider:
        return OidcProvider(
            name=self.facts.issuer_host,
            arn=self.names.provider_arn,
            url=self.facts.cluster.issuer,
            audience=AUDIENCE,
            owner=self.facts.owner,
            own_roles=(self.names.controller_role,),
            tags=self.profile.tags,
        )

    def _controller_role(self) -> IamRole:
        inline: dict[str, Document] = {}
        for controller in self.profile.controllers:
            inline.update(self._documents(controller.inline))
        return IamRole(
            name=self.names.controller_role,
            path=self.profile.controller_role.path,
            description=f"ACK controllers of the EKS cluster {self.facts.cluster.name}, made by ackinstall",
            owner=self.facts.owner,
            trust=self.render("trust.json.j2"),
            managed=self._managed(
                one for controller in self.profile.controllers for one in controller.managed
            ),
            inline=_within_limit(self.names.controller_role, inline),
            boundary=self.profile.controller_role.boundary,
            tags=self.profile.tags,
        )

    def _linked_roles(self) -> list[ServiceLinkedRole]:
        found = {one.linked_role.name: one.linked_role for one in self.profile.controllers if one.linked_role}
        return [
            ServiceLinkedRole(
                name=one.name, service=one.service, owner=self.facts.owner, user=self.facts.owner
            )
            for one in found.values()
        ]

    def _execution_role(self) -> list[ExecutionRole]:
        role = self.profile.execution_role
        if role is None:
            return []
        return [
            ExecutionRole(
                name=self.names.execution_role,
                arn=self.names.execution_role_arn,
                path=role.path,
                description="SageMaker jobs and endpoints, made by ackinstall",
                owner=self.facts.owner,
                user=self.facts.owner,
                trust=self.render("execution-trust.json.j2"),
                managed=self._managed(role.managed),
                inline=_within_limit(self.names.execution_role, self._documents(role.inline)),
                boundary=role.boundary,
                tags=self.profile.tags,
            )
        ]

    def _bucket(self) -> list[Bucket]:
        if not self.names.bucket:
            return []
        return [
            Bucket(
                name=self.names.bucket,
                account=self.facts.account,
                region=self.facts.region,
                policy=self.render("bucket-tls.json.j2"),
                owner=self.facts.owner,
                user=self.facts.owner,
                tags=self.profile.tags,
                delete_data=self.delete_data,
            )
        ]

    def definitions(self) -> list[Crds]:
        """One resource for each controller's API group, one for each kind that controllers share."""
        groups = tuple(f"{controller.service}.{SHARED}" for controller in self.profile.controllers)
        own: list[Crds] = []
        shared: dict[str, Manifest] = {}
        for controller in self.profile.controllers:
            group = f"{controller.service}.{SHARED}"
            crds = self.facts.charts[controller.service].crds
            mine = tuple(one for one in crds if one["spec"]["group"] != SHARED)
            own += [Crds(name=group, manifests=mine, groups=groups)] if mine else []
            shared |= {one["metadata"]["name"]: one for one in crds if one["spec"]["group"] == SHARED}
        return [
            *own,
            *(Crds(name=name, manifests=(one,), groups=groups) for name, one in sorted(shared.items())),
        ]

    def controllers(self) -> list[Resource]:
        """A service account and a release for each controller."""
        return [one for controller in self.profile.controllers for one in self._controller(controller)]

    def _controller(self, controller: Controller) -> list[Resource]:
        chart = self.facts.charts[controller.service]
        provider, role = self._provider().id, self._controller_role().id
        account = ServiceAccount(
            name=self.service_account(controller),
            namespace=self.profile.namespace,
            role_arn=self.names.controller_role_arn,
            release=controller.release,
            audience=AUDIENCE,
            needs=(provider, role),
        )
        carried = _crd_names(chart.crds)
        definitions = tuple(one.id for one in self.definitions() if _crd_names(one.manifests) & carried)
        release = HelmRelease(
            name=controller.release,
            namespace=self.profile.namespace,
            chart=chart.folder,
            version=chart.label,
            values=self.values(controller),
            needs=(account.id, *definitions),
        )
        return [account, release]

    def service_account(self, controller: Controller) -> str:
        """The service account's name, which the trust policy names too."""
        chart = self.facts.charts[controller.service]
        account = merged(chart.values, controller.values).get("serviceAccount") or {}
        return str(account.get("name") or f"ack-{controller.service}-controller")

    def values(self, controller: Controller) -> dict[str, object]:
        """Return the release's values: the profile's; region, role and its hash where the chart has them."""
        chart = self.facts.charts[controller.service]
        digest = hashlib.sha256(self.names.controller_role_arn.encode()).hexdigest()[:16]
        patches = {
            ("aws", "region"): self.facts.region,
            ("serviceAccount", "annotations", ROLE_ARN): self.names.controller_role_arn,
            ("deployment", "annotations", ROLE_HASH): digest,
        }
        return patched(controller, chart.values, chart.schema, patches)

    def receipt(self) -> dict[str, str]:
        """What a later `down` may want to know."""
        charts = {service: _told(chart) for service, chart in self.facts.charts.items()}
        return {
            "profile": json.dumps(self.profile.source, indent=2, sort_keys=True),
            "charts": json.dumps(charts, indent=2, sort_keys=True),
        }

    def _documents(self, inline: Mapping[str, str]) -> dict[str, Document]:
        return {name: self.render(template) for name, template in inline.items()}

    def render(self, template: str) -> Document:
        """Return a policy with this target's facts in it."""
        subjects = [
            f"system:serviceaccount:{self.profile.namespace}:{self.service_account(controller)}"
            for controller in self.profile.controllers
            if controller.service in self.facts.charts  # which only a role's policies speak of
        ]
        return render(
            template,
            self.profile.folder,
            account=self.facts.account,
            audience=AUDIENCE,
            bucket=self.names.bucket,
            cluster=self.facts.cluster.name,
            execution_role_arn=self.names.execution_role_arn,
            issuer=self.facts.issuer_host,
            partition=self.facts.partition,
            provider_arn=self.names.provider_arn,
            region=self.facts.region,
            subjects=subjects,
        )

    def _managed(self, policies: Iterable[str]) -> tuple[str, ...]:
        """Return the ARNs of managed policies that may be named in short."""
        own = f"arn:{self.facts.partition}:iam::aws:policy/"
        return tuple(one if one.startswith("arn:") else own + one for one in dict.fromkeys(policies))


def _within_limit(role: str, documents: dict[str, Document]) -> dict[str, Document]:
    size = sum(len(text(document)) for document in documents.values())
    if size > INLINE_LIMIT:
        raise UsageError(
            "policies-too-long",
            f"the inline policies of '{role}' have {size} characters, IAM allows {INLINE_LIMIT}",
            "move some of them to a managed policy and name it under 'managedPolicies'",
        )
    return documents


def _crd_names(manifests: Iterable[Manifest]) -> set[str]:
    return {manifest["metadata"]["name"] for manifest in manifests}


def _told(chart: Chart) -> dict[str, str]:
    return {"chart": chart.label, "digest": chart.digest}
