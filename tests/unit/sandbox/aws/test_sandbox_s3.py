"""S3: what a new bucket has, and whose it is."""

import json
import re
import urllib.error
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends
from running_aws import REGION, Client, Json, RunningAws

WEST = {"LocationConstraint": REGION}


@pytest.fixture
def s3(aws: RunningAws) -> Client:
    return aws.client("s3")


def test_a_new_bucket_is_encrypted_and_closed(s3: Client) -> None:
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=WEST)
    with pytest.raises(ClientError, match="BucketAlreadyOwnedByYou"):
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=WEST)
    rules = s3.get_bucket_encryption(Bucket="bucket")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    block = s3.get_public_access_block(Bucket="bucket")["PublicAccessBlockConfiguration"]
    assert list(block.values()) == [True] * 4
    ownership = s3.get_bucket_ownership_controls(Bucket="bucket")["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.delete_public_access_block(Bucket="bucket")
    with pytest.raises(ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        s3.get_public_access_block(Bucket="bucket")
    s3.delete_bucket_encryption(Bucket="bucket")
    assert s3.get_bucket_encryption(Bucket="bucket")["ServerSideEncryptionConfiguration"]["Rules"] == rules


@pytest.mark.parametrize(("region", "location"), [(REGION, WEST), ("us-east-1", {})])
def test_a_bucket_is_tagged_in_the_creating_call(aws: RunningAws, region: str, location: Json) -> None:
    s3 = aws.client("s3", region_name=region)
    tags = [{"Key": "a", "Value": "b"}]
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={**location, "Tags": tags})
    assert s3.get_bucket_tagging(Bucket="bucket")["TagSet"] == tags
    s3.delete_bucket(Bucket="bucket")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=location)
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket="bucket")


@pytest.mark.parametrize("name", ["Upper", "under_score", "a..b", "1.2.3.4", "-dash"])
def test_a_name_that_no_bucket_can_have(s3: Client, name: str) -> None:
    with pytest.raises(ClientError, match="InvalidBucketName"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=WEST)


def test_a_bucket_of_another_account(s3: Client) -> None:
    s3_backends["999999999999"]["aws"].create_bucket("theirs", REGION)
    with pytest.raises(ClientError, match="403"):
        s3.head_bucket(Bucket="theirs")
    with pytest.raises(ClientError, match="BucketAlreadyExists"):
        s3.create_bucket(Bucket="theirs", CreateBucketConfiguration=WEST)


def test_objects_keep_a_bucket(s3: Client) -> None:
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=WEST)
    s3.put_object(Bucket="bucket", Key="a/b c.txt", Body=b"Action=AssumeRoleWithWebIdentity")
    assert s3.get_object(Bucket="bucket", Key="a/b c.txt")["Body"].read().startswith(b"Action=")
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="bucket")
    s3.delete_object(Bucket="bucket", Key="a/b c.txt")
    s3.delete_bucket(Bucket="bucket")


def test_a_presigned_url_gives_its_object_while_it_lasts(aws: RunningAws) -> None:
    s3 = aws.client("s3", config=Config(signature_version="s3v4"))
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=WEST)
    s3.put_object(Bucket="bucket", Key="key", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    with urllib.request.urlopen(url) as reply:  # noqa: S310 - loopback
        assert reply.read() == b"content"
    expired = re.sub(r"X-Amz-Date=\d{8}", "X-Amz-Date=20260101", url)
    for other in (url.replace("key?", "other?"), expired):
        with pytest.raises(urllib.error.HTTPError, match="403") as caught:
            urllib.request.urlopen(other)  # noqa: S310 - loopback
        caught.value.close()


def test_a_bucket_policy_is_json(s3: Client) -> None:
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=WEST)
    with pytest.raises(ClientError, match="MalformedPolicy"):
        s3.put_bucket_policy(Bucket="bucket", Policy="{")


def test_a_policy_for_tls_refuses_no_upload_and_another_deny_does(s3: Client) -> None:
    """A Deny whose condition is not met refuses nothing; one without a condition refuses."""
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration=WEST)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"}
    tls = deny | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    policy = {"Version": "2012-10-17", "Statement": [tls]}
    s3.put_bucket_policy(Bucket="bucket", Policy=json.dumps(policy))
    s3.put_object(Bucket="bucket", Key="train", Body=b"data")
    policy["Statement"] = [tls, deny]
    s3.put_bucket_policy(Bucket="bucket", Policy=json.dumps(policy))
    with pytest.raises(ClientError, match=r"Forbidden|AccessDenied"):
        s3.put_object(Bucket="bucket", Key="train", Body=b"data")
