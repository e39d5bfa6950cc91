"""The least IAM policy for whoever runs the commands on a profile: a person, or a pipeline's role.

The template policies/installer.json.j2 has each action beside the occasions that need it, so that the policy
for a command and what a plan's changes need are the same text, read with other occasions. The tests hold it,
on an AWS that enforces IAM, against what the commands call.

Policies are attached to a role of ours only if the profile names them, and where the profile names a
permissions boundary a role gets policies only with it. A removal detaches whatever is attached, because a
role with policies of others could not go; that takes rights away, and gives nobody any.
The keys: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ackinstall.names import fill
from ackinstall.policies import Document, render
from ackinstall.profile import Profile, Role
from ackinstall.resource import TAKEN_OVER, USERS, Change, Kind
from ackinstall.resources.bucket import Bucket
from ackinstall.resources.iam_role import IamRole
from ackinstall.resources.oidc_provider import OidcProvider
from ackinstall.resources.service_linked_role import ServiceLinkedRole

ANY = "*"
# The template's occasions: to open a target; to look at an object; what a command asks for beside its plan;
# to make an object; to change a key of one, or its mark; to remove one, or only our mark from it, or what is
# in it.
_UP = frozenset(
    {
        *("open", "look", "up", "create", "mark"),
        *("audiences", "trust", "permissionsBoundary", "managedPolicies", "inlinePolicies"),
        *("publicAccessBlock", "encrypted", "policy"),
    }
)
_DOWN = frozenset({"open", "look", "down", "delete", "leave", "empty"})
_CHECK = frozenset({"open", "look", "check"})
_PURPOSES = {"up": _UP, "down": _DOWN, "check": _CHECK, "all": _UP | _DOWN | _CHECK}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the commands run; what is not known is ANY. `issuer` is the cluster's, without a scheme."""

    partition: str = ANY
    account: str = ANY
    region: str = ANY
    cluster: str = ANY
    issuer: str = ANY

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def iam(self, resource: str) -> str:
        """Return the ARN of an object of IAM, such as `role/NAME`."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"

    @property
    def providers(self) -> list[str]:
        """The ARNs that the provider of the cluster's issuer may have; an issuer has one of two hosts.

        https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
        """
        if self.issuer != ANY:
            return [self.iam(f"oidc-provider/{self.issuer}")]
        below = f"{self.region}.*" if self.region != ANY else ANY
        return [self.iam(f"oidc-provider/oidc{mark}eks.{below}/id/*") for mark in (".", "-")]


def place_of(caller: str, region: str, cluster: str, issuer: str = ANY) -> Place:
    """Return where somebody (an ARN) works."""
    _, partition, _, _, account, _ = caller.split(":", 5)
    return Place(partition=partition, account=account, region=region, cluster=cluster, issuer=issuer)


@dataclass(frozen=True, kw_only=True)
class _Role:
    """A role, with the ARNs of the policies that are attached to it and of its boundary, or none."""

    sid: str
    arn: str
    managed: Sequence[str]
    boundary: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class _Objects:
    """The objects that statements are about: ARNs, and the services of the linked roles."""

    providers: Sequence[str] = ()
    roles: Sequence[_Role] = ()
    shared_roles: Sequence[str] = ()
    linked_roles: Sequence[str] = ()
    linked_services: Sequence[str] = ()
    absent_roles: Sequence[str] = ()
    buckets: Sequence[str] = ()


def document(profile: Profile, place: Place, purpose: str) -> Document:
    """Return the policy for the command `purpose` (up, down, check), or for "all" of them, with the names
    that `profile` gives in `place`.

    Raises UsageError for a name that cannot be filled in.
    """
    services = {one.service for one in profile.controllers}
    statements = _statements(_of_profile(profile, place), place, _PURPOSES[purpose], services)
    return {"Version": "2012-10-17", "Statement": list(statements)}


def needed(change: Change, place: Place) -> list[Document]:
    """Return the statements that allow a change of a plan; none for what is not in AWS. They are about its
    one object, whose name has no wildcards where `place` is known.
    """
    objects = _of_change(change, place)
    return list(_statements(objects, place, _occasions(change), ())) if objects else []


def _occasions(change: Change) -> frozenset[str]:
    match change.kind:
        case Kind.CREATE:
            return frozenset({"look", "create"})
        case Kind.UPDATE if change.is_leaving:
            return frozenset({"look", "leave"})
        case Kind.UPDATE:
            is_marked = change.reason == TAKEN_OVER or change.paths & {USERS, "tags"}
            return frozenset({"look", *change.paths, *(("mark",) if is_marked else ())})
        case Kind.DELETE:
            empties = isinstance(change.resource, Bucket) and change.resource.delete_data
            return frozenset({"look", "delete", *(("empty",) if empties else ())})
        case _:
            return frozenset({"look"})


def _of_change(change: Change, place: Place) -> _Objects | None:
    resource = change.resource
    # A role that is not there has no path that IAM could know.
    absent = [place.iam(f"role/{resource.name}")] if change.kind is Kind.CREATE else []
    match resource:
        case OidcProvider():
            return _Objects(providers=[resource.arn])
        case IamRole():
            role = _Role(
                sid="Role",
                arn=place.iam(f"role{resource.path}{resource.name}"),
                managed=resource.managed,
                boundary=[resource.boundary] if resource.boundary else [],
            )
            return _Objects(
                roles=[role],
                shared_roles=[role.arn],
                absent_roles=absent if resource.path != "/" else [],
            )
        case ServiceLinkedRole():
            return _Objects(
                linked_roles=[place.iam(f"role/aws-service-role/{resource.service}/{resource.name}")],
                linked_services=[resource.service],
                absent_roles=absent,
            )
        case Bucket():
            return _Objects(buckets=[f"arn:{place.partition}:s3:::{resource.name}"])
        case _:
            return None


def _of_profile(profile: Profile, place: Place) -> _Objects:
    def filled(key: str, template: str) -> str:
        return fill(key, template, account=place.account, cluster=place.cluster, region=place.region)

    def role_of(kind: str, role: Role, managed: Collection[str]) -> _Role:
        name = filled(f"{kind}Role.name", role.name)
        absent.extend([place.iam(f"role/{name}")] if role.path != "/" else [])
        own = f"arn:{place.partition}:iam::aws:policy/"
        return _Role(
            sid=f"{kind.capitalize()}Role",
            arn=place.iam(f"role{role.path}{name}"),
            managed=[one if one.startswith("arn:") else own + one for one in dict.fromkeys(managed)],
            boundary=[role.boundary] if role.boundary else [],
        )

    absent: list[str] = []
    attached = [one for controller in profile.controllers for one in controller.managed]
    roles = [role_of("controller", profile.controller_role, attached)]
    if profile.execution_role:
        roles.append(role_of("execution", profile.execution_role, profile.execution_role.managed))
    linked = list(dict.fromkeys(one.linked_role for one in profile.controllers if one.linked_role))
    bucket = filled("bucket.name", profile.bucket) if profile.bucket else ""
    return _Objects(
        providers=place.providers,
        roles=roles,
        shared_roles=[one.arn for one in roles[1:]],
        linked_roles=[place.iam(f"role/aws-service-role/{one.service}/{one.name}") for one in linked],
        linked_services=[one.service for one in linked],
        absent_roles=[*absent, *(place.iam(f"role/{one.name}") for one in linked)],
        buckets=[f"arn:{place.partition}:s3:::{bucket}"] if bucket else [],
    )


def _statements(
    objects: _Objects, place: Place, occasions: Collection[str], services: Collection[str]
) -> Iterator[Document]:
    """Yield the template's statements that allow something on these occasions; `services` are those of the
    profile's controllers.
    """

    def actions(by_action: Mapping[str, str]) -> list[str]:
        return sorted(action for action, when in by_action.items() if set(when.split()) & set(occasions))

    rendered = render(
        "installer.json.j2",
        **asdict(objects),
        actions=actions,
        arn=place.arn,
        iam=place.iam,
        partition=place.partition,
        cluster=place.cluster,
        marked_roles=[*objects.shared_roles, *objects.linked_roles],
        objects=[f"{one}/*" for one in objects.buckets],
        scales="applicationautoscaling" in services,
        trains="sagemaker" in services,
    )
    for one in rendered["Statement"]:
        if one["Action"] and one["Resource"]:
            yield _plain(one)


def _plain(value: Any) -> Any:  # noqa: ANN401 (JSON-like)
    """Return a part of a policy without what is empty; a list of one stands as that one."""
    if isinstance(value, dict):
        parts = {key: _plain(part) for key, part in value.items()}
        return {key: part for key, part in parts.items() if part not in ([], {})}
    return value[0] if isinstance(value, list) and len(value) == 1 else value
