"""S3: new buckets are encrypted, closed to the public and tagged in the creating call, as in AWS."""

import json
import re
from collections.abc import Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket, PublicAccessBlock, s3_backends

from ackinstall.sandbox.aws.account import Account
from ackinstall.sandbox.aws.call import Call
from ackinstall.sandbox.aws.errors import AwsError
from ackinstall.sandbox.aws.resources import bucket_arn

_BY_DEFAULT = {"SSEAlgorithm": "AES256"}
_ENCRYPTION = {"Rule": {"ApplyServerSideEncryptionByDefault": _BY_DEFAULT, "BucketKeyEnabled": False}}
_TAKEN = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
    "Please select a different name and try again."
)
_NAME = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


def _permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Judge a request by those statements of a bucket's policy that have no condition.

    moto reads no conditions, so the usual "deny what does not come by TLS" would refuse every request.
    """
    if bucket.policy is None:
        return PermissionResult.NEUTRAL
    policy = json.loads(bucket.policy)
    statements = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    plain = [statement for statement in statements if "Condition" not in statement]
    if not plain:
        return PermissionResult.NEUTRAL
    return IAMPolicy(json.dumps(policy | {"Statement": plain})).is_action_permitted(action, resource)


FakeBucket.get_permission = _permission


class S3:
    """The operations of S3 that differ from moto's."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def create_bucket(self, call: Call) -> Mapping[str, Any]:
        """Make a bucket as AWS has made them since April 2023."""
        name = call.parameters["Bucket"]
        if not _NAME.fullmatch(name):
            raise AwsError("InvalidBucketName", "The specified bucket is not valid.")
        ours = (self._account.partition, self._account.id)
        if s3_backends.bucket_accounts.get(name, ours) != ours:
            raise AwsError("BucketAlreadyExists", _TAKEN, 409)
        is_new = name not in self._account.s3.buckets
        result = call.moto()
        if is_new:
            s3 = self._account.s3
            s3.delete_bucket_tagging(name)  # moto keeps those of a bucket of this name that was deleted
            s3.put_bucket_encryption(name, _ENCRYPTION)
            s3.buckets[name].public_access_block = PublicAccessBlock("true", "true", "true", "true")
            s3.put_bucket_ownership_controls(name, "BucketOwnerEnforced")
            tags = call.parameters.get("CreateBucketConfiguration", {}).get("Tags", [])
            if tags:
                s3.put_bucket_tagging(name, {tag["Key"]: tag["Value"] for tag in tags})
        return result

    def delete_bucket_encryption(self, call: Call) -> Mapping[str, Any]:
        """Go back to the default encryption: a bucket has always one."""
        result = call.moto()
        self._account.s3.put_bucket_encryption(call.parameters["Bucket"], _ENCRYPTION)
        return result

    def delete_objects(self, call: Call) -> Mapping[str, Any]:
        """Delete what may be deleted, and tell of each of the rest why not."""
        if not call.refused:
            return call.moto()
        bucket = call.parameters["Bucket"]
        arns = [
            (one, bucket_arn(self._account, bucket, one["Key"]))
            for one in call.parameters["Delete"]["Objects"]
        ]
        self._account.s3.delete_objects(bucket, [one for one, arn in arns if arn not in call.refused])
        refused = [(one, call.refused[arn]) for one, arn in arns if arn in call.refused]
        return {"Errors": [{**one, "Code": why.code, "Message": why.message} for one, why in refused]}

    def put_bucket_policy(self, call: Call) -> Mapping[str, Any]:
        """Write a bucket policy that is JSON."""
        try:
            json.loads(call.parameters["Policy"])
        except ValueError:
            message = "Policies must be valid JSON and the first byte must be '{'"
            raise AwsError("MalformedPolicy", message) from None
        return call.moto()
