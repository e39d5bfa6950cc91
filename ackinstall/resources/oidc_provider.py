"""The IAM OIDC provider of a cluster's issuer: what lets IAM believe the cluster's service account tokens."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ackinstall.errors import is_absent
from ackinstall.resource import TAKEN_OVER, Change, Resource, Seen, State
from ackinstall.resources.marks import Tags, is_ours, mapping, marked, pairs, wanted

if TYPE_CHECKING:
    from ackinstall.clients import Clients


@dataclass(frozen=True, kw_only=True)
class OidcProvider(Resource):
    """The provider `arn` for the issuer `url` (https), accepting `audience`; other audiences are left alone.

    `own_roles` are the names of our roles that trust it; it is kept while other roles do.
    No thumbprint is sent: IAM trusts EKS's issuers through its own library of authorities.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc_verify-thumbprint.html
    """

    kind: ClassVar[str] = "oidc-provider"

    arn: str
    url: str
    audience: str
    owner: str
    own_roles: tuple[str, ...] = ()
    tags: Tags = field(default_factory=dict)

    def desired(self) -> State:
        """See Resource."""
        return {"audiences": [self.audience], "tags": dict(self.tags)}

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        try:
            found = self._iam(clients).get_open_id_connect_provider(OpenIDConnectProviderArn=self.arn)
        except Exception as error:
            if is_absent(error):
                return None
            raise
        tags = mapping(found.get("Tags", ()))
        audiences = [one for one in found.get("ClientIDList", ()) if one == self.audience]
        return Seen(
            state={"audiences": audiences, "tags": wanted(self.tags, tags)},
            ours=is_ours(tags, self.owner, shared=False),
        )

    def loses(self, clients: "Clients") -> str:
        """See Resource."""
        others = [role for role in clients.roles.trusting(self.arn) if role not in self.own_roles]
        return f"other roles trust it: {', '.join(others)}" if others else ""

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        self._iam(clients).create_open_id_connect_provider(
            Url=self.url, ClientIDList=[self.audience], Tags=pairs(marked(self.owner, self.tags))
        )

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource."""
        iam = self._iam(clients)
        if change.reason == TAKEN_OVER or "tags" in change.paths:
            iam.tag_open_id_connect_provider(
                OpenIDConnectProviderArn=self.arn, Tags=pairs(marked(self.owner, self.tags))
            )
        if "audiences" in change.paths:
            iam.add_client_id_to_open_id_connect_provider(
                OpenIDConnectProviderArn=self.arn, ClientID=self.audience
            )

    def delete(self, clients: "Clients") -> None:
        """See Resource."""
        try:
            self._iam(clients).delete_open_id_connect_provider(OpenIDConnectProviderArn=self.arn)
        except Exception as error:
            if not is_absent(error):
                raise

    def _iam(self, clients: "Clients") -> Any:  # noqa: ANN401 (boto3's clients are made at run time)
        return clients.aws.client("iam")
