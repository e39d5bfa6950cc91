"""How a bucket is emptied: counted first, then with a bar that fills."""

from collections.abc import Mapping

import pytest
from support.aws import InProcessAws
from tables import cases

from ackinstall.errors import AckinstallError
from ackinstall.resources.bucket_calls import BucketCalls, bar

ACCOUNT = "123456789012"


class Versions:
    """S3 with a bucket of so many versions, a page of `size` at a time; those in `kept` do not go."""

    def __init__(
        self, count: int, size: int, kept: tuple[str, ...] = (), refusal: Mapping[str, str] | None = None
    ) -> None:
        self.keys = [f"key{number}" for number in range(count)]
        self.size = size
        self.kept = kept
        self.refusal = refusal or {}

    def get_paginator(self, operation: str) -> "Versions":
        """Return what pages an operation."""
        self.operation = operation
        return self

    def paginate(self, **_: object) -> list[dict[str, list[dict[str, object]]]]:
        """Return the pages."""
        if self.operation != "list_object_versions":
            return [{}]
        found = [{"Key": key, "VersionId": "1", "Size": 2**20} for key in self.keys]
        return [{"Versions": found[start : start + self.size]} for start in range(0, len(found), self.size)]

    def delete_objects(self, Delete: dict[str, list[dict[str, str]]], **_: object) -> dict[str, object]:  # noqa: N803 (boto3's)
        """Delete some."""
        asked = [one["Key"] for one in Delete["Objects"]]
        self.keys = [key for key in self.keys if key not in asked or key in self.kept]
        return {"Errors": [{"Key": key, **self.refusal} for key in asked if key in self.kept]}


def test_the_bar_fills() -> None:
    """Each step tells how far it is; the total is known before the first is deleted."""
    s3 = Versions(40, 2)
    steps = list(BucketCalls(s3, "bucket", ACCOUNT).empty())
    assert steps[19] == "counts what goes: 40 versions of objects"
    assert steps[20] == "[############                  ] 16 of 40 versions of objects"
    assert steps[-1] == "[##############################] 40 of 40 versions of objects"
    assert s3.keys == []


def test_a_plan_counts_no_further_than_it_may_take() -> None:
    """Of a large bucket it says "more than"."""
    assert BucketCalls(Versions(3, 2), "bucket", ACCOUNT).content() == "3 versions of objects, 3.0 MiB"
    assert BucketCalls(Versions(40, 2), "bucket", ACCOUNT).content().startswith("more than 20 versions")


WORDS = (
    f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: s3:DeleteObject on resource: "
    '"arn:aws:s3:::bucket/key1" with an explicit deny in a service control policy'
)
REFUSALS = [
    (
        "denied without words",
        {"Code": "AccessDenied", "Message": "Access Denied"},
        "access-denied",
        "this AWS identity may not call 's3:DeleteObjectVersion' on 'arn:aws:s3:::bucket/*'",
        '"Action": "s3:DeleteObjectVersion", "Resource": "arn:aws:s3:::bucket/*"',
    ),
    (
        "denied",
        {"Code": "AccessDenied", "Message": WORDS},
        "access-denied",
        f"'arn:aws:iam::{ACCOUNT}:user/ann' may not call 's3:DeleteObject' on 'arn:aws:s3:::bucket/*': a ",
        "the Deny in a service control policy",
    ),
    (
        "locked",
        {"Code": "AccessDenied", "Message": "Access Denied because object protected by object lock."},
        "objects-locked",
        "because object protected by object lock",
        "aws s3api get-object-retention --bucket bucket --key 'key1' --version-id null",
    ),
    ("busy", {"Code": "SlowDown"}, "throttled", "AWS throttles DeleteObjectVersion", "cloudtrail"),
]


@pytest.mark.parametrize(("refusal", "reference", "message", "hint"), cases(REFUSALS))
def test_what_is_not_deleted_is_named(
    refusal: dict[str, str], reference: str, message: str, hint: str
) -> None:
    """S3 answers with success and a list of what it did not delete, each with an error of its own."""
    with pytest.raises(AckinstallError) as caught:
        list(BucketCalls(Versions(3, 2, ("key1",), refusal), "bucket", ACCOUNT).empty())
    assert caught.value.reference == reference
    assert caught.value.message.startswith("1 objects were not deleted, 'key1' first: ")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_empty_bucket_has_no_bar(in_process_aws: InProcessAws) -> None:
    """Nothing is counted and nothing divided by."""
    in_process_aws.reset()
    s3 = in_process_aws.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert list(BucketCalls(s3, "bucket", ACCOUNT).empty()) == []
    assert bar(1, 2).count("#") == 15
