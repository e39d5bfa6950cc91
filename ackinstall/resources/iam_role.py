"""An IAM role: trust policy, managed and inline policies, permissions boundary and tags, as one object."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ackinstall.errors import Retry, aws_code, is_absent
from ackinstall.policies import Document, canonical, text
from ackinstall.resource import TAKEN_OVER, USERS, Change, Resource, Seen, State
from ackinstall.resources.marks import PREFIX, Tags, is_ours, marked, pairs, users, wanted
from ackinstall.resources.role_book import FoundRole
from ackinstall.words import some

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ackinstall.clients import Clients


@dataclass(frozen=True, kw_only=True)
class IamRole(Resource):
    """A role with these policies. What others attach to it beside them is left alone, a permissions boundary
    too: `up` sets one, and neither takes one away nor replaces it, since that could let the role do more.

    `owner` is REGION/CLUSTER; `managed` are policy ARNs; `inline` maps names to documents. `user` (see
    Resource) is `owner` again when clusters share the role.
    """

    kind: ClassVar[str] = "iam-role"

    owner: str
    trust: Document
    path: str = "/"
    description: str = ""
    managed: tuple[str, ...] = ()
    inline: "Mapping[str, Document]" = field(default_factory=dict)
    boundary: str = ""
    tags: Tags = field(default_factory=dict)

    def desired(self) -> State:
        """See Resource."""
        return {
            "path": self.path,
            "trust": canonical(self.trust),
            "managedPolicies": {arn.rsplit("/", 1)[-1]: arn for arn in self.managed},
            "inlinePolicies": {name: canonical(document) for name, document in self.inline.items()},
            "permissionsBoundary": self.boundary,
            "tags": dict(self.tags),
        }

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        found = clients.roles.read(self.name, self.inline)
        if found is None:
            return None
        return Seen(
            state=self._state(found),
            ours=is_ours(found.tags, self.owner, shared=bool(self.user)),
            users=users(found.tags) if self.user else frozenset(),
            fixed=self._fixed(found),
        )

    def _fixed(self, found: FoundRole) -> str:
        if found.path != self.path:
            return f"lies under the path '{found.path}', which cannot be changed"
        if self.boundary and found.boundary not in ("", self.boundary):
            return f"has the permissions boundary '{found.boundary}', which only a person replaces"
        return ""

    def _state(self, found: FoundRole) -> State:
        return {
            "path": found.path,
            "trust": canonical(found.trust),
            "managedPolicies": {arn.rsplit("/", 1)[-1]: arn for arn in self.managed if arn in found.managed},
            "inlinePolicies": {
                name: canonical(document) for name, document in found.inline.items() if name in self.inline
            },
            "permissionsBoundary": found.boundary if self.boundary else "",
            "tags": wanted(self.tags, found.tags),
        }

    def takes(self, clients: "Clients") -> State:
        """See Resource. Attached policies stay in the account; inline ones are nowhere else."""
        others = clients.roles.inline(self.name, but=self.inline)
        return {f"inlinePolicies.{name}": document for name, document in others.items()}

    def create(self, clients: "Clients") -> None:
        """See Resource. The trust comes first, so that nobody waits for policies to assume the role."""
        iam = clients.aws.client("iam")
        boundary = {"PermissionsBoundary": self.boundary} if self.boundary else {}
        with _principals_may_lag():
            iam.create_role(
                RoleName=self.name,
                Path=self.path,
                Description=self.description,
                AssumeRolePolicyDocument=text(self.trust),
                Tags=pairs(marked(self.owner, self.tags)),
                **boundary,
            )
        self._put_policies(iam, managed=True, inline=True)

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource."""
        iam = clients.aws.client("iam")
        self._tag(iam, change)
        if "trust" in change.paths:
            with _principals_may_lag():
                iam.update_assume_role_policy(RoleName=self.name, PolicyDocument=text(self.trust))
        if "permissionsBoundary" in change.paths:
            iam.put_role_permissions_boundary(RoleName=self.name, PermissionsBoundary=self.boundary)
        self._put_policies(
            iam, managed="managedPolicies" in change.paths, inline="inlinePolicies" in change.paths
        )

    def delete(self, clients: "Clients") -> None:
        """See Resource. A role goes only once nothing is attached to it, inline policies included."""
        iam = clients.aws.client("iam")
        try:
            for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=self.name):
                for policy in page["AttachedPolicies"]:
                    iam.detach_role_policy(RoleName=self.name, PolicyArn=policy["PolicyArn"])
            for page in iam.get_paginator("list_role_policies").paginate(RoleName=self.name):
                for name in page["PolicyNames"]:
                    iam.delete_role_policy(RoleName=self.name, PolicyName=name)
            iam.delete_role(RoleName=self.name)
        except Exception as error:
            if not is_absent(error):
                raise

    def _put_policies(self, iam: Any, *, managed: bool, inline: bool) -> None:  # noqa: ANN401 (boto3's)
        for arn in self.managed if managed else ():
            iam.attach_role_policy(RoleName=self.name, PolicyArn=arn)
        for name, document in self.inline.items() if inline else ():
            iam.put_role_policy(RoleName=self.name, PolicyName=name, PolicyDocument=text(document))

    def _tag(self, iam: Any, change: Change) -> None:  # noqa: ANN401 (boto3's)
        if change.is_leaving:
            iam.untag_role(RoleName=self.name, TagKeys=[PREFIX + self.owner])
        elif change.reason == TAKEN_OVER or change.paths & {USERS, "tags"}:
            iam.tag_role(RoleName=self.name, Tags=pairs(marked(self.owner, self.tags)))


@dataclass(frozen=True, kw_only=True)
class ExecutionRole(IamRole):
    """The role that SageMaker assumes for models: it is kept while a model of the account names it, because
    an endpoint cannot be made anew or scaled without the role of its models.
    """

    arn: str

    def loses(self, clients: "Clients") -> str:
        """See Resource."""
        sagemaker = clients.aws.client("sagemaker")
        pages = sagemaker.get_paginator("list_models").paginate()
        names = [model["ModelName"] for page in pages for model in page["Models"]]
        with ThreadPoolExecutor(8) as pool:
            found = pool.map(lambda name: sagemaker.describe_model(ModelName=name), names)
            using = [one["ModelName"] for one in found if one.get("ExecutionRoleArn") == self.arn]
        return f"SageMaker models use it: {some(using, 3)}" if using else ""


class _principals_may_lag:  # noqa: N801 (reads as a statement)
    """IAM refuses a principal that it does not see yet; that passes."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error and aws_code(error) == "MalformedPolicyDocument" and "principal" in str(error).lower():
            raise Retry(f"IAM does not know the principal yet: {error}") from error
