"""The least IAM policy for whoever runs the commands on a profile: a person, or a pipeline's role.

The template policies/installer.json.j2 has each action beside what it is for; the tests hold it, on an AWS
that enforces IAM, against what the commands call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ackinstall.names import fill
from ackinstall.policies import Document, render
from ackinstall.profile import Profile, Role

INSTALL = "install"
"""What `up` cannot do without: its checks are unproven where they are not allowed to ask."""
# The parts of the template, by purpose; `plan`, `render` and `outputs` look, and no more.
_PARTS = {
    INSTALL: ("look", "up"),
    "up": ("look", "up", "check"),
    "down": ("look", "down"),
    "check": ("look", "check"),
    "all": ("look", "up", "down", "check"),
}
ANY = "*"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the commands run; what is not known is ANY."""

    partition: str = ANY
    account: str = ANY
    region: str = ANY
    cluster: str = ANY

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource in the region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def iam(self, resource: str) -> str:
        """Return the ARN of an object of IAM, such as `role/NAME`."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"


def document(profile: Profile, place: Place, purpose: str) -> Document:
    """Return the policy for the command `purpose` (up, down, check), for "all" of them or for INSTALL, with
    the names that `profile` gives in `place`.

    Raises UsageError for a name that cannot be filled in.
    """

    def actions(**by_part: Sequence[str]) -> list[str]:
        return sorted({action for part in _PARTS[purpose] for action in by_part.get(part, ())})

    roles = [("controllerRole.name", profile.controller_role)]
    roles += [("executionRole.name", profile.execution_role)] if profile.execution_role else []
    named = {_name(key, role.name, place): role for key, role in roles}
    linked = list(dict.fromkeys(one.linked_role for one in profile.controllers if one.linked_role))
    services = {one.service for one in profile.controllers}
    bucket = _name("bucket.name", profile.bucket, place) if profile.bucket else ""
    in_s3 = f"arn:{place.partition}:s3:::{bucket}"
    rendered = render(
        "installer.json.j2",
        actions=actions,
        arn=place.arn,
        iam=place.iam,
        partition=place.partition,
        region=place.region,
        cluster=place.cluster,
        bounded_roles=[_arn(name, role, place) for name, role in named.items() if role.boundary],
        unbounded_roles=[_arn(name, role, place) for name, role in named.items() if not role.boundary],
        shared_roles=[
            _arn(name, role, place) for name, role in named.items() if role is profile.execution_role
        ],
        linked_roles=[place.iam(f"role/aws-service-role/{one.service}/{one.name}") for one in linked],
        linked_services=[one.service for one in linked],
        absent_roles=[
            # A role that is not there has no path that IAM could know.
            *(place.iam(f"role/{name}") for name, role in named.items() if role.path != "/"),
            *(place.iam(f"role/{one.name}") for one in linked),
        ],
        buckets=[in_s3] if bucket else [],
        objects=[f"{in_s3}/*"] if bucket else [],
        scales="applicationautoscaling" in services,
        trains="sagemaker" in services,
    )
    return {**rendered, "Statement": list(_needed(rendered["Statement"]))}


def _name(key: str, template: str, place: Place) -> str:
    return fill(key, template, account=place.account, cluster=place.cluster, region=place.region)


def _arn(name: str, role: Role, place: Place) -> str:
    return place.iam(f"role{role.path}{name}")


def _needed(statements: Sequence[Document]) -> Iterator[Document]:
    """Yield the statements that allow something; a list of one stands as that one."""
    for one in statements:
        if one["Action"] and one["Resource"]:
            yield {key: _plain(value) for key, value in one.items()}


def _plain(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
