"""What carries our mark in AWS, found by the mark alone: of a cluster that is gone, of one that was made anew
under the same name, of a profile that has changed since.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ackinstall.clients import Aws, Clients
from ackinstall.errors import aws_code, is_absent
from ackinstall.facts import Facts, settled
from ackinstall.policies import Document
from ackinstall.resource import Resource
from ackinstall.resources.bucket import Bucket
from ackinstall.resources.iam_role import ExecutionRole
from ackinstall.resources.marks import OWNED, PREFIX, Tags, mapping
from ackinstall.resources.oidc_provider import OidcProvider
from ackinstall.resources.role_book import ListedRole
from ackinstall.resources.service_linked_role import DESCRIPTION, ServiceLinkedRole

LINKED = "/aws-service-role/"
"""The path of all service-linked roles, followed by the service's principal."""
NOTHING: Document = {"Statement": []}
"""In the place of documents that a removal does not look at."""
_NOT_OURS_TO_READ = frozenset({"AccessDenied", "403", "NoSuchTagSet", "NoSuchBucket"})


def find(
    clients: Clients, facts: Facts, *, policies: Iterable[str] = (), delete_data: bool = False
) -> list[Resource]:
    """Return what in the account is marked as in use by the cluster of `facts`, for a teardown.

    `policies` are the names of the inline policies that are ours in roles. The resources know no more of an
    object than its removal takes. Raises AckinstallError where the account's objects may not be listed: what
    was not looked at is not proven to be gone.
    """
    owner, inline = facts.owner, dict.fromkeys(policies, NOTHING)
    with ThreadPoolExecutor(3) as pool:
        roles = pool.submit(
            settled, lambda: sorted(_roles(clients, owner), key=lambda role: role.name), "the roles"
        )
        providers = pool.submit(settled, lambda: _providers(clients.aws, owner), "the OIDC providers")
        buckets = pool.submit(settled, lambda: _buckets(clients.aws, owner), "the buckets")
        named = tuple(role.name for role in roles.result())
    return [
        *(_provider(arn, owner, named) for arn in providers.result()),
        *(_role(role, owner, inline) for role in roles.result()),
        *(_bucket(name, facts, delete_data=delete_data) for name in buckets.result()),
    ]


def _roles(clients: Clients, owner: str) -> Iterator[ListedRole]:
    """Yield the marked roles; service-linked ones that are not tagged yet are known by their text."""
    for role in clients.roles.all():
        is_half_made = role.path.startswith(LINKED) and role.description == DESCRIPTION
        if _is_marked(role.tags, owner) or (is_half_made and OWNED not in role.tags):
            yield role


def _providers(aws: Aws, owner: str) -> list[str]:
    iam = aws.client("iam")
    arns = [one["Arn"] for one in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]

    def tags(arn: str) -> Tags:
        try:
            pages = iam.get_paginator("list_open_id_connect_provider_tags").paginate(
                OpenIDConnectProviderArn=arn
            )
            return mapping(tag for page in pages for tag in page["Tags"])
        except Exception as error:
            if is_absent(error):
                return {}
            raise

    return _marked(arns, tags, owner)


def _buckets(aws: Aws, owner: str) -> list[str]:
    s3 = aws.client("s3")
    pages = s3.get_paginator("list_buckets").paginate(BucketRegion=aws.region)
    names = [bucket["Name"] for page in pages for bucket in page.get("Buckets", ())]

    def tags(name: str) -> Tags:
        try:
            return mapping(s3.get_bucket_tagging(Bucket=name)["TagSet"])
        except Exception as error:
            if aws_code(error) in _NOT_OURS_TO_READ:
                return {}
            raise

    return _marked(names, tags, owner)


def _marked(names: Sequence[str], tags: Callable[[str], Tags], owner: str) -> list[str]:
    with ThreadPoolExecutor(8) as pool:
        return [
            name for name, found in zip(names, pool.map(tags, names), strict=True) if _is_marked(found, owner)
        ]


def _is_marked(tags: Tags, owner: str) -> bool:
    return OWNED in tags and PREFIX + owner in tags


def _provider(arn: str, owner: str, roles: tuple[str, ...]) -> OidcProvider:
    host = arn.split("/", 1)[1]
    return OidcProvider(name=host, arn=arn, url=f"https://{host}", audience="", owner=owner, own_roles=roles)


def _role(role: ListedRole, owner: str, inline: Mapping[str, Document]) -> Resource:
    if role.path.startswith(LINKED):
        service = role.path.removeprefix(LINKED).strip("/")
        return ServiceLinkedRole(name=role.name, service=service, owner=owner, user=owner)
    return ExecutionRole(
        name=role.name, arn=role.arn, path=role.path, owner=owner, user=owner, trust=role.trust, inline=inline
    )


def _bucket(name: str, facts: Facts, *, delete_data: bool) -> Bucket:
    return Bucket(
        name=name,
        account=facts.account,
        region=facts.region,
        policy=NOTHING,
        owner=facts.owner,
        user=facts.owner,
        delete_data=delete_data,
    )
