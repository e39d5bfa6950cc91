"""Names of AWS objects: filled in from templates, held against AWS's rules before anything is made."""

import re

import jinja2

from ackinstall.errors import UsageError

# Longest name, allowed names, and the same in words.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_ROLE = (64, re.compile(r"[\w+=,.@-]+", re.ASCII), "letters, digits and + = , . @ _ -")
_BUCKET = (
    63,
    re.compile(r"[a-z0-9](?:[a-z0-9-]|\.(?!\.))+[a-z0-9]"),
    "at least 3 lower case letters, digits, dots and hyphens, a letter or digit first and last",
)
RULES = {"controllerRole.name": _ROLE, "executionRole.name": _ROLE, "bucket.name": _BUCKET}
"""By the profile's key."""
FACTS = ("account", "cluster", "region")
"""What a name may be made of."""


def fill(key: str, template: str, **facts: str) -> str:
    """Return what `template`, the profile's `key`, gives with the facts (see FACTS).

    Raises UsageError when it is no template or uses another fact.
    """
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 (a name, not a page)
    try:
        return environment.from_string(template).render(**facts)
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            "name-template-wrong",
            f"'{key}' cannot be filled in: '{template}': {error}",
            f"these can be used in it: {', '.join('{{ ' + one + ' }}' for one in FACTS)}",
        ) from error


def name_for(key: str, template: str, **facts: str) -> str:
    """Return the filled name, which AWS accepts. Raises UsageError when it is too long or not allowed."""
    name = fill(key, template, **facts)
    limit, allowed, words = RULES[key]
    if len(name) > limit:
        raise UsageError(
            "name-too-long",
            f"the name '{name}' has {len(name)} characters, {limit} are allowed",
            f"give a shorter one in the profile, or with `--set {key}=NAME`",
        )
    if not allowed.fullmatch(name):
        raise UsageError(
            "name-not-allowed",
            f"the name '{name}' is not allowed: AWS takes {words}",
            f"give another one in the profile, or with `--set {key}=NAME`",
        )
    return name
