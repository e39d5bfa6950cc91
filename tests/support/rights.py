"""Somebody in the account who has one policy, and no other right."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from support.aws import InProcessAws

NAME = "administrator"
"""The user that all clients of an InProcessAws are."""

OPTIONAL = ("GetAccountAuthorizationDetails", "SimulatePrincipalPolicy")
"""Calls that a command goes on without."""


def actions_of(document: Mapping[str, Any]) -> set[str]:
    """Return the actions that a policy allows, as they stand in it."""
    return {action for statement in document["Statement"] for action in _listed(statement["Action"])}


def without(document: Mapping[str, Any], *actions: str) -> dict[str, Any]:
    """Return a policy that does not allow some of its actions."""
    left = [
        {**one, "Action": [each for each in _listed(one["Action"]) if each not in actions]}
        for one in document["Statement"]
    ]
    return {**document, "Statement": [one for one in left if one["Action"]]}


@contextmanager
def limited(aws: InProcessAws, document: Mapping[str, Any]) -> Iterator[None]:
    """Let the account's only user have the rights of `document` alone, for a while."""
    user = aws.account.iam.users[NAME]
    attached = dict(user.managed_policies)
    user.managed_policies.clear()
    user.policies["least"] = json.dumps(document)
    try:
        yield
    finally:
        user.policies.pop("least")
        user.managed_policies.update(attached)


def needed(aws: InProcessAws) -> set[str]:
    """Return the actions that the calls since `forget` asked for. Raises AssertionError for a refusal of one
    that is not optional.
    """
    calls = aws._sandbox.application._record.shown()
    denied = [(one["operation"], one["needs"]) for one in calls if one["status"] == 403]
    refused = [one for one in denied if one[0] not in OPTIONAL]
    assert not refused, refused
    return {need["action"] for call in calls for need in call["needs"]}


def forget(aws: InProcessAws) -> None:
    """Forget the calls that were made."""
    aws._sandbox.application._record.clear()


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
