"""The calls on one bucket, each bound to the account that must own it; and how it is emptied."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

from ackinstall import denied
from ackinstall.codes import DENIED
from ackinstall.errors import REQUEST, AckinstallError, aws_code, refused
from ackinstall.request import Request

NONE_SET = frozenset(
    {
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
PAGE = 1000
"""How many versions S3 lists, and deletes, in one call:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
SIDE_BY_SIDE = 8
COUNTED = 10
"""Pages after which a plan does not count any further."""
BAR = 30


class BucketCalls:
    """One bucket, `name`, of the account `account`; `s3` is a boto3 client."""

    def __init__(self, s3: Any, name: str, account: str) -> None:  # noqa: ANN401 (boto3's)
        self._s3 = s3
        self._about = {"Bucket": name, "ExpectedBucketOwner": account}

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Return an answer, empty where nothing of the sort is set."""
        call: Callable[..., dict[str, Any]] = getattr(self._s3, operation)
        try:
            return call(**self._about, **arguments)
        except Exception as error:
            if aws_code(error) in NONE_SET:
                return {}
            raise

    def tell(self, operation: str, **arguments: object) -> None:
        """Make a change."""
        getattr(self._s3, operation)(**self._about, **arguments)

    def holds_objects(self) -> bool:
        """Tell whether there is any object, or a version of one that was deleted."""
        found = self.ask("list_object_versions", MaxKeys=1)
        return bool(found.get("Versions") or found.get("DeleteMarkers"))

    def content(self) -> str:
        """Return how much is in the bucket, counting so far as a plan may take."""
        pages = list(islice(self._pages(), COUNTED))
        count, size = sum(map(len, pages)), sum(one.get("Size", 0) for page in pages for one in page)
        more = "more than " if len(pages) == COUNTED else ""
        return f"{more}{count} versions of objects, {size / 2**20:.1f} MiB"

    def empty(self) -> Iterator[str]:
        """Delete all versions, delete markers and open uploads; yield how far it is.

        Raises AckinstallError for objects that S3 does not delete.
        """
        total, done = 0, 0
        for page in self._pages():
            total += len(page)
            yield f"counts what goes: {total} versions of objects"
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            listing = self._pages()
            while pages := list(islice(listing, SIDE_BY_SIDE)):
                list(pool.map(self._delete, pages))
                done += sum(map(len, pages))
                yield bar(done, max(total, done))
        for page in self._s3.get_paginator("list_multipart_uploads").paginate(**self._about):
            for upload in page.get("Uploads", ()):
                self.tell("abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"])

    def _pages(self) -> Iterator[list[Mapping[str, Any]]]:
        for page in self._s3.get_paginator("list_object_versions").paginate(**self._about):
            if found := [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
                yield found

    def _delete(self, versions: Iterable[Mapping[str, Any]]) -> None:
        keys = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
        answer = self.ask("delete_objects", Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):  # which S3 tells in a successful answer
            asked = Request("s3:DeleteObjectVersion", f"arn:aws:s3:::{self._about['Bucket']}")
            raise _not_deleted(errors, answer.get(REQUEST, asked))


def _not_deleted(errors: Sequence[Mapping[str, str]], asked: Request) -> AckinstallError:
    """Return why S3 did not delete some versions: what its first refusal means, as if it were of one call."""
    first = errors[0]
    code, text = first["Code"], first.get("Message") or first["Code"]
    told = f"{len(errors)} objects were not deleted, '{first['Key']}' first: "
    if "object lock" in text.lower():
        bucket = asked.resource.rpartition(":")[2]
        return AckinstallError(
            "objects-locked",
            f"{told}{text}",
            f"see how long the lock holds with `aws s3api get-object-retention --bucket {bucket} "
            f"--key '{first['Key']}' --version-id {first.get('VersionId', 'null')}`",
        )
    if code in DENIED:
        denial = replace(denied.read(text, asked), resource=f"{asked.resource}/*")
        return AckinstallError("access-denied", told + denial.message, denial.hint)
    return refused(code, text, asked, told)


def bar(done: int, total: int) -> str:
    """Return `[#####     ] 5 of 10 versions of objects`."""
    filled = BAR * done // total
    return f"[{'#' * filled}{' ' * (BAR - filled)}] {done} of {total} versions of objects"
