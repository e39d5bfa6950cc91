"""What the reader of IAM roles knows of a role without asking about it alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.commands import aws_error

from ackinstall.resources.role_book import RoleBook

ROLE = {
    "RoleName": "there",
    "Arn": "arn:aws:iam::123456789012:role/there",
    "Path": "/",
    "AssumeRolePolicyDocument": {},
}


class Iam:
    """IAM as it answers once for all roles; any other call is an AttributeError."""

    def __init__(self, answer: Mapping[str, Any] | Exception) -> None:
        self._answer = answer
        self.asked = 0

    def get_account_authorization_details(self, **_: object) -> Mapping[str, Any]:
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_what_is_known_is_read_once() -> None:
    """Who writes nothing needs no second look."""
    iam = Iam({"RoleDetailList": [ROLE]})
    book = RoleBook(iam)
    for _ in range(2):
        found = book.known("there")
        assert found
        assert found.arn == ROLE["Arn"]
        assert book.known("missing") is None
    assert iam.asked == 1


@pytest.mark.parametrize(
    ("answer", "lacks"),
    [
        pytest.param({"RoleDetailList": [ROLE]}, True, id="all roles"),
        pytest.param({"RoleDetailList": [ROLE], "IsTruncated": True}, False, id="one page of them"),
        pytest.param(
            aws_error("AccessDenied", "no", "GetAccountAuthorizationDetails", 403), False, id="denied"
        ),
    ],
)
def test_what_is_not_there(answer: Mapping[str, Any] | Exception, *, lacks: bool) -> None:
    """Only who was told of all roles knows that there is none."""
    iam = Iam(answer)
    book = RoleBook(iam)
    assert book.lacks("missing") is lacks
    assert not book.lacks("there")
    assert iam.asked == 1
