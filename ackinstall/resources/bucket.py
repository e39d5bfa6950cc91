"""The S3 bucket for data and models: private, encrypted, TLS only, shared by the account's clusters."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ackinstall.denied import names_action
from ackinstall.errors import Kept, Refused, aws_code, aws_text, is_absent
from ackinstall.policies import Document, canonical, parse, text
from ackinstall.resource import TAKEN_OVER, USERS, Change, Resource, Seen, State
from ackinstall.resources.bucket_calls import BucketCalls
from ackinstall.resources.marks import PREFIX, Tags, is_ours, mapping, marked, pairs, users, wanted

if TYPE_CHECKING:
    from ackinstall.clients import Clients

PRIVATE = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
ENCRYPTED = ("AES256", "aws:kms", "aws:kms:dsse")
_SETTINGS = ("get_bucket_tagging", "get_public_access_block", "get_bucket_encryption", "get_bucket_policy")
_NOT_FOR_US = frozenset({"AccessDenied", "403", "AllAccessDisabled"})
"""How S3 answers for another account's bucket, without a word of the action; within an account it has one.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html"""
HOLDS_OBJECTS = "holds objects"
WITHOUT_CONSTRAINT = "us-east-1"
"""The region whose buckets have no LocationConstraint:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""


@dataclass(frozen=True, kw_only=True)
class Bucket(Resource):
    """A bucket in `region`, owned by `account`; `policy` holds the statements it must have, each with a Sid.

    Other statements, other settings and all objects are left alone. With `delete_data` a removal takes the
    objects too; without, a bucket that holds any is kept.
    """

    kind: ClassVar[str] = "bucket"
    patience: ClassVar[float] = 900.0

    account: str
    region: str
    policy: Document
    owner: str
    tags: Tags = field(default_factory=dict)
    delete_data: bool = False

    def desired(self) -> State:
        """See Resource."""
        return {
            "region": self.region,
            "publicAccessBlock": PRIVATE,
            "encrypted": True,
            "policy": canonical(self.policy)["Statement"],
            "tags": dict(self.tags),
        }

    def observe(self, clients: "Clients") -> Seen | None:
        """See Resource."""
        s3 = self._open(clients)
        try:
            region = s3.ask("get_bucket_location").get("LocationConstraint") or WITHOUT_CONSTRAINT
            with ThreadPoolExecutor(len(_SETTINGS)) as pool:
                tagging, access, encryption, policy = pool.map(s3.ask, _SETTINGS)
        except Exception as error:
            if is_absent(error):
                return None
            if aws_code(error) in _NOT_FOR_US and not names_action(aws_text(error)):
                raise self._taken() from error
            raise
        tags = mapping(tagging.get("TagSet", ()))
        block = access.get("PublicAccessBlockConfiguration", {})
        rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
        own = self._own(parse(policy.get("Policy", "{}")))
        state = {
            "region": region,
            "publicAccessBlock": {key: block.get(key, False) for key in PRIVATE},
            "encrypted": any(_algorithm(rule) in ENCRYPTED for rule in rules),
            "policy": canonical({"Statement": own})["Statement"],
            "tags": wanted(self.tags, tags),
        }
        return Seen(
            state=state,
            ours=is_ours(tags, self.owner, shared=True),
            users=users(tags),
            locked=f"is in the region '{region}', which cannot be changed" if region != self.region else "",
        )

    def loses(self, clients: "Clients") -> str:
        """See Resource."""
        if self.delete_data or not self._open(clients).holds_objects():
            return ""
        return HOLDS_OBJECTS

    def takes(self, clients: "Clients") -> State:
        """See Resource."""
        return {"objects": self._open(clients).content()} if self.delete_data else {}

    def create(self, clients: "Clients") -> None:
        """See Resource."""
        configuration: dict[str, Any] = {"Tags": pairs(marked(self.owner, self.tags))}
        if self.region != WITHOUT_CONSTRAINT:
            configuration["LocationConstraint"] = self.region
        try:
            clients.aws.client("s3").create_bucket(Bucket=self.name, CreateBucketConfiguration=configuration)
        except Exception as error:
            if aws_code(error) == "BucketAlreadyExists":
                raise self._taken() from error
            raise

    def update(self, clients: "Clients", change: Change) -> None:
        """See Resource."""
        s3 = self._open(clients)
        self._tag(s3, change)
        if "publicAccessBlock" in change.paths:
            s3.tell("put_public_access_block", PublicAccessBlockConfiguration=PRIVATE)
        if "encrypted" in change.paths:
            default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            s3.tell("put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": [default]})
        if "policy" in change.paths:
            s3.tell(
                "put_bucket_policy",
                Policy=text(self._merged(parse(s3.ask("get_bucket_policy").get("Policy", "{}")))),
            )

    def delete(self, clients: "Clients") -> Iterator[str]:
        """See Resource."""
        s3 = self._open(clients)
        try:
            if self.delete_data:
                yield from s3.empty()
            s3.tell("delete_bucket")
        except Exception as error:
            if is_absent(error):
                return
            if aws_code(error) == "BucketNotEmpty":
                raise Kept(HOLDS_OBJECTS) from error
            raise

    def _open(self, clients: "Clients") -> BucketCalls:
        return BucketCalls(clients.aws.client("s3"), self.name, self.account)

    def _own(self, policy: Document) -> list[Any]:
        sids = {statement["Sid"] for statement in self.policy["Statement"]}
        return [one for one in _statements(policy) if one.get("Sid") in sids]

    def _merged(self, policy: Document) -> Document:
        own = self._own(policy)
        others = [one for one in _statements(policy) if one not in own]
        return {**self.policy, "Statement": [*others, *self.policy["Statement"]]}

    def _tag(self, s3: BucketCalls, change: Change) -> None:
        if not (change.reason == TAKEN_OVER or change.paths & {USERS, "tags"}):
            return
        found = mapping(s3.ask("get_bucket_tagging").get("TagSet", ()))
        if change.is_leaving:
            tags: Mapping[str, str] = {key: one for key, one in found.items() if key != PREFIX + self.owner}
        else:
            tags = {**found, **marked(self.owner, self.tags)}
        s3.tell("put_bucket_tagging", Tagging={"TagSet": pairs(tags)})

    def _taken(self) -> Refused:
        return Refused(
            "bucket-not-accessible",
            f"the bucket '{self.name}' exists and cannot be read: another account has the name",
            "give another name with `--set bucket.name=NAME`",
        )


def _statements(policy: Document) -> list[Any]:
    statements = policy.get("Statement", [])
    return list(statements) if isinstance(statements, list) else [statements]


def _algorithm(rule: Mapping[str, Any]) -> str:
    return str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", ""))
