"""Reads IAM roles whole. A role takes two calls and one more for every inline policy, and the tags of all
roles one for each, so the first look is one GetAccountAuthorizationDetails; after that, and where it is not
allowed or the account is larger than one answer, a role is read alone.
"""

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ackinstall.errors import aws_code, is_absent
from ackinstall.policies import Document, parse
from ackinstall.resources.marks import Tags, mapping

_DENIED = ("AccessDenied", "AccessDeniedException")


@dataclass(frozen=True, kw_only=True)
class ListedRole:
    """A role without its policies; the trust policy is parsed."""

    name: str
    arn: str
    path: str
    description: str
    trust: Document
    tags: Tags


@dataclass(frozen=True, kw_only=True)
class FoundRole(ListedRole):
    """A role as it stands: documents are parsed, `managed` are ARNs, `inline` maps names to documents."""

    managed: frozenset[str]
    inline: Mapping[str, Document]
    boundary: str


class RoleBook:
    """The reader; `iam` is a boto3 client. Safe to use from several threads."""

    def __init__(self, iam: Any) -> None:  # noqa: ANN401 (boto3's clients are made at run time)
        self._iam = iam
        self._lock = threading.Lock()
        self._first: dict[str, FoundRole] | None = None
        self._whole = False
        self._looked: set[str] = set()

    def read(self, name: str, inline: Iterable[str] = ()) -> FoundRole | None:
        """Return the role `name`, or None; a single read fetches only the `inline` policies named."""
        with self._lock:
            first = self._together()
            again = name in self._looked
            self._looked.add(name)
            if not again and (name in first or self._whole):
                return first.get(name)
        return self._read_one(name, inline)

    def known(self, name: str) -> FoundRole | None:
        """Return the role `name` as it was when all were read together, else read alone, or None."""
        with self._lock:
            first = self._together()
            if name in first or self._whole:
                return first.get(name)
        return self._read_one(name, ())

    def lacks(self, name: str) -> bool:
        """Tell whether there was no role `name` when all were read together; False where they cannot be."""
        with self._lock:
            return name not in self._together() and self._whole

    def inline(self, name: str, but: Collection[str] = ()) -> dict[str, Document]:
        """Return the inline policies of a role `but` for those named, read anew."""
        try:
            pages = self._iam.get_paginator("list_role_policies").paginate(RoleName=name)
            names = [one for page in pages for one in page["PolicyNames"] if one not in but]
        except Exception as error:
            if is_absent(error):
                return {}
            raise
        documents = {one: self._read_inline(name, one) for one in names}
        return {one: document for one, document in documents.items() if document is not None}

    def all(self) -> Iterator[ListedRole]:
        """Yield all roles of the account, read anew."""
        roles = self._list()
        tags = self._tags([role["RoleName"] for role in roles])
        for role in roles:
            yield ListedRole(**_listed(role), tags=tags.get(role["RoleName"], {}))

    def trusting(self, principal: str) -> list[str]:
        """Return the names of all roles whose trust policy names the federated `principal` (an ARN)."""
        return sorted(
            role["RoleName"]
            for role in self._list()
            if principal in _federated(parse(role["AssumeRolePolicyDocument"]))
        )

    def _list(self) -> list[Mapping[str, Any]]:
        """Return all roles; IAM does not list their tags.

        https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html
        """
        pages = self._iam.get_paginator("list_roles").paginate()
        return [role for page in pages for role in page["Roles"]]

    def _tags(self, names: Collection[str]) -> dict[str, Tags]:
        """Return the tags of these roles, by name."""

        def tags(name: str) -> Tags:
            try:
                pages = self._iam.get_paginator("list_role_tags").paginate(RoleName=name)
                return mapping(tag for page in pages for tag in page["Tags"])
            except Exception as error:
                if is_absent(error):
                    return {}
                raise

        try:
            pages = self._iam.get_paginator("get_account_authorization_details").paginate(Filter=["Role"])
            details = [role for page in pages for role in page["RoleDetailList"]]
        except Exception as error:
            if aws_code(error) not in _DENIED:
                raise
            with ThreadPoolExecutor(8) as pool:
                return dict(zip(names, pool.map(tags, names), strict=True))
        return {role["RoleName"]: mapping(role.get("Tags", ())) for role in details}

    def _together(self) -> dict[str, FoundRole]:
        """Return the roles that one call tells of, asked once. The caller holds the lock."""
        if self._first is None:
            self._first = self._read_all()
        return self._first

    def _read_all(self) -> dict[str, FoundRole]:
        try:
            answer = self._iam.get_account_authorization_details(Filter=["Role"], MaxItems=1000)
        except Exception as error:
            if aws_code(error) in _DENIED:
                return {}
            raise
        self._whole = not answer.get("IsTruncated", False)
        return {role["RoleName"]: _from_details(role) for role in answer["RoleDetailList"]}

    def _read_one(self, name: str, inline: Iterable[str]) -> FoundRole | None:
        try:
            role = self._iam.get_role(RoleName=name)["Role"]
            with ThreadPoolExecutor(8) as pool:
                managed = pool.submit(self._attached, name)
                found = pool.map(lambda policy: (policy, self._read_inline(name, policy)), inline)
            documents = {policy: document for policy, document in found if document}
            return _found(role, managed.result(), documents)
        except Exception as error:
            if is_absent(error):
                return None
            raise

    def _attached(self, name: str) -> frozenset[str]:
        pages = self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
        return frozenset(one["PolicyArn"] for page in pages for one in page["AttachedPolicies"])

    def _read_inline(self, role: str, policy: str) -> Document | None:
        try:
            return parse(self._iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"])
        except Exception as error:
            if is_absent(error):
                return None
            raise


def _from_details(role: Mapping[str, Any]) -> FoundRole:
    managed = frozenset(one["PolicyArn"] for one in role.get("AttachedManagedPolicies", ()))
    inline = {one["PolicyName"]: parse(one["PolicyDocument"]) for one in role.get("RolePolicyList", ())}
    return _found(role, managed, inline)


def _found(role: Mapping[str, Any], managed: frozenset[str], inline: Mapping[str, Document]) -> FoundRole:
    return FoundRole(
        **_listed(role),
        tags=mapping(role.get("Tags", ())),
        managed=managed,
        inline=inline,
        boundary=(role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", ""),
    )


def _listed(role: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": role["RoleName"],
        "arn": role["Arn"],
        "path": role["Path"],
        "description": role.get("Description", ""),
        "trust": parse(role["AssumeRolePolicyDocument"]),
    }


def _federated(trust: Document) -> set[str]:
    statements = trust.get("Statement", [])
    found: set[str] = set()
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        named = principal.get("Federated", []) if isinstance(principal, Mapping) else []
        found.update(named if isinstance(named, list) else [named])
    return found
