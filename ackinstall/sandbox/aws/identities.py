"""Which policies are in force for a user, a group or a role of the account."""

from collections.abc import Iterator
from typing import TypeAlias

from moto.iam.models import Group, ManagedPolicy, Role, User

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.policy_evaluation import BOUNDARY, IDENTITY, SESSION, Policies
from ackinstall.sandbox.aws.principals import Principal

Identity: TypeAlias = User | Group | Role


def find(account: Account, arn: str) -> Identity | None:
    """Find who has this ARN; the path in it does not matter, since names are unique without it."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    name = name.rpartition("/")[2]
    match kind:
        case "role":
            return account.role(name)
        case "user":
            return account.iam.users.get(name)
        case "group":
            return account.iam.groups.get(name)
        case _:
            return None


def policies(account: Account, identity: Identity | None) -> Policies:
    """Return the policies of an identity; nobody has none."""
    if identity is None:
        return {IDENTITY: ()}
    found: Policies = {IDENTITY: [*named_policies(account, identity).values()]}
    if boundary := getattr(identity, "permissions_boundary_arn", None):
        bounding = account.iam.managed_policies.get(boundary)
        return {**found, BOUNDARY: [_default_version(bounding)] if bounding else ()}
    return found


def named_policies(account: Account, identity: Identity) -> dict[str, str]:
    """Return the identity-based policies of an identity by the name that the simulator gives them."""
    groups = account.iam.get_groups_for_user(identity.name) if isinstance(identity, User) else ()
    return {name: document for one in (identity, *groups) for name, document in _documents(one)}


def policies_of(account: Account, principal: Principal) -> Policies:
    """Return the policies that are in force for a caller, with that of its session."""
    found = policies(account, find(account, principal.role_arn or principal.arn))
    return {**found, SESSION: (principal.session_policy,)} if principal.session_policy else found


def _documents(identity: Identity) -> Iterator[tuple[str, str]]:
    kind = type(identity).__name__.lower()
    for name, document in identity.policies.items():
        yield f"{kind}_{identity.name}_{name}", document
    for policy in identity.managed_policies.values():
        yield policy.name, _default_version(policy)


def _default_version(policy: ManagedPolicy) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))
