"""How a bucket is emptied: counted first, then with a bar that fills."""

import pytest
from support.aws import InProcessAws

from ackinstall.errors import AckinstallError
from ackinstall.resources.bucket_calls import BucketCalls, bar

ACCOUNT = "123456789012"


class Versions:
    """S3 with a bucket of so many versions, a page of `size` at a time; those in `kept` do not go."""

    def __init__(self, count: int, size: int, kept: tuple[str, ...] = ()) -> None:
        self.keys = [f"key{number}" for number in range(count)]
        self.size = size
        self.kept = kept

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
        return {"Errors": [{"Key": key, "Code": "AccessDenied"} for key in asked if key in self.kept]}


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


def test_what_is_not_deleted_is_named() -> None:
    """S3 answers with success and a list of what it did not delete."""
    with pytest.raises(AckinstallError, match="1 objects were not deleted, 'key1' first: AccessDenied"):
        list(BucketCalls(Versions(3, 2, ("key1",)), "bucket", ACCOUNT).empty())


def test_an_empty_bucket_has_no_bar(in_process_aws: InProcessAws) -> None:
    """Nothing is counted and nothing divided by."""
    in_process_aws.reset()
    s3 = in_process_aws.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert list(BucketCalls(s3, "bucket", ACCOUNT).empty()) == []
    assert bar(1, 2).count("#") == 15
