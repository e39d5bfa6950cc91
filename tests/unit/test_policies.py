"""IAM documents: rendered from templates, compared by what they mean."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import cases

from ackinstall.errors import UsageError
from ackinstall.policies import canonical, data, parse, render, source, text

ACCOUNT = "123456789012"
WORDS = st.sampled_from(["s3:GetObject", "s3:*", "iam:PassRole", "sagemaker:Create*"])
RESOURCES = st.sampled_from(["*", "arn:aws:s3:::a", "arn:aws:s3:::A/*", "arn:aws:iam::123456789012:role/r"])
PRINCIPALS = st.one_of(
    st.just({"AWS": ["*"]}),
    st.fixed_dictionaries({"AWS": st.lists(st.sampled_from([ACCOUNT, "210987654321"]),
                                           min_size=1, unique=True)}),
    st.fixed_dictionaries({"Service": st.lists(st.sampled_from(["a.amazonaws.com", "b.amazonaws.com"]),
                                               min_size=1, unique=True)}),
)  # fmt: skip
CONDITIONS = st.dictionaries(
    st.sampled_from(["StringEquals", "StringLike", "Bool", "NumericLessThan"]),
    st.dictionaries(
        st.sampled_from(["aws:SourceAccount", "aws:SecureTransport", "oidc:sub"]),
        st.lists(st.sampled_from(["true", "false", "5", "a", "A"]), min_size=1, unique=True),
        min_size=1,
    ),
    min_size=1,
)
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(WORDS, min_size=1, unique=True),
        "Resource": st.lists(RESOURCES, min_size=1, unique=True),
    },
    optional={"Sid": st.sampled_from(["One", "Two"]), "Principal": PRINCIPALS, "Condition": CONDITIONS},
)
DOCUMENTS = st.fixed_dictionaries(
    {"Version": st.just("2012-10-17"), "Statement": st.lists(STATEMENTS, min_size=1, max_size=3)}
)
LUCK = st.integers(0, 2**32).map(random.Random)


def any_case(word: str, luck: random.Random) -> str:
    """Return a word in upper and lower case letters by chance."""
    return "".join(luck.choice([letter.upper(), letter.lower()]) for letter in word)


def respelled_list(values: list[Any], luck: random.Random) -> Any:  # noqa: ANN401 (JSON-like)
    """Return a list in another order, an item twice, or a single item without its list."""
    if len(values) == 1 and luck.random() < 0.5:
        return values[0]
    return luck.sample(values, len(values)) + luck.sample(values, luck.randint(0, len(values)))


def respelled_value(value: str, luck: random.Random) -> Any:  # noqa: ANN401 (JSON-like)
    """Return a condition's value as text, or as the number or truth that it is."""
    if value in ("true", "false", "5") and luck.random() < 0.5:
        return json.loads(value)
    return value


def respelled_principal(principal: dict[str, list[str]], luck: random.Random) -> Any:  # noqa: ANN401 (JSON-like)
    """Return a principal in another form: everybody as a star, an account by its root."""
    if principal == {"AWS": ["*"]} and luck.random() < 0.5:
        return "*"
    roots = [
        f"arn:aws:iam::{one}:root" if one.isdigit() and luck.random() < 0.5 else one
        for one in next(iter(principal.values()))
    ]
    return {next(iter(principal)): respelled_list(roots, luck)}


def respelled(document: dict[str, Any], luck: random.Random) -> Any:  # noqa: ANN401 (JSON-like)
    """Return another document of the same meaning, perhaps as the URL-encoded text that IAM answers with."""
    statements = []
    for one in document["Statement"]:
        other = copy.deepcopy(one)
        other["Action"] = respelled_list([any_case(word, luck) for word in one["Action"]], luck)
        other["Resource"] = respelled_list(one["Resource"], luck)
        if "Principal" in one:
            other["Principal"] = respelled_principal(one["Principal"], luck)
        if "Condition" in one:
            other["Condition"] = {
                any_case(operator, luck): {
                    any_case(key, luck): respelled_list([respelled_value(v, luck) for v in values], luck)
                    for key, values in keys.items()
                }
                for operator, keys in one["Condition"].items()
            }
        statements.append(dict(luck.sample(list(other.items()), len(other))))
    luck.shuffle(statements)
    alone = len(statements) == 1 and luck.random() < 0.5
    other = {"Statement": statements[0] if alone else statements, "Version": document["Version"]}
    return quote(json.dumps(other)) if luck.random() < 0.5 else other


@given(DOCUMENTS, LUCK)
def test_documents_of_one_meaning_are_equal(document: dict[str, Any], luck: random.Random) -> None:
    """Order, single items, repeated items, case, encoding and the form of a principal change nothing."""
    assert canonical(respelled(document, luck)) == canonical(document)


Mutation = Callable[[dict[str, Any], dict[str, Any]], None]


def widen(key: str) -> Mutation:
    """Return a mutation that adds something new to a list of the statement."""
    return lambda _document, one: one[key].append("new:Thing")


def set_to(key: str, value: object) -> Mutation:
    """Return a mutation that sets a key of the statement to something new."""
    return lambda _document, one: one.update({key: value})


MUTATIONS: list[tuple[str, Mutation]] = [
    ("another action", widen("Action")),
    ("another resource", widen("Resource")),
    ("another effect", lambda _, one: one.update(Effect={"Allow": "Deny", "Deny": "Allow"}[one["Effect"]])),
    ("another name", set_to("Sid", "New")),
    ("another principal", set_to("Principal", {"AWS": "999999999999"})),
    ("a principal of another kind", set_to("Principal", {"Federated": ACCOUNT})),
    ("a principal that is none", set_to("Principal", "nobody")),
    ("another condition", set_to("Condition", {"StringNotEquals": {"aws:SourceAccount": ["a"]}})),
    ("another value", set_to("Condition", {"StringEquals": {"aws:SourceAccount": ["new"]}})),
    ("a condition that is none", set_to("Condition", "never")),
    ("an operator without keys", set_to("Condition", {"StringEquals": "never"})),
    (
        "an operator twice",
        set_to("Condition", {"StringLike": {"oidc:sub": "a"}, "stringlike": {"oidc:sub": "new"}}),
    ),
    ("all but the actions", lambda _, one: one.update(NotAction=one.pop("Action"))),
    ("all but the resources", lambda _, one: one.update(NotResource=one.pop("Resource"))),
    ("a resource in another case", set_to("Resource", ["ARN:AWS:S3:::A"])),
    ("another version", lambda document, _: document.update(Version="2008-10-17")),
    ("no version", lambda document, _: document.pop("Version")),
    ("an id", lambda document, _: document.update(Id="new")),
    ("another statement", lambda document, _: document["Statement"].append({"Effect": "Allow"})),
    ("a statement that is none", lambda document, _: document["Statement"].append("nothing")),
    ("no statements", lambda document, _: document.pop("Statement")),
]


@pytest.mark.parametrize("mutate", cases(MUTATIONS))
@given(document=DOCUMENTS, luck=LUCK)
@settings(max_examples=15)
def test_any_change_of_meaning_differs(
    mutate: Mutation, document: dict[str, Any], luck: random.Random
) -> None:
    """A change of any part of a document is seen, whatever else is in it."""
    other = copy.deepcopy(document)
    mutate(other, luck.choice(other["Statement"]))
    assert canonical(other) != canonical(document)


@pytest.mark.parametrize("answer", ["", "{", "nothing", '"text"', "[1]", "%7B"])
def test_what_is_no_document_differs_from_every_document(answer: str) -> None:
    """An answer that cannot be parsed is a difference and no crash."""
    assert parse(answer) == {"Unparsable": answer}
    assert canonical(answer) != canonical({"Statement": []})


def test_a_document_is_sent_without_white_space() -> None:
    """IAM counts a document's characters, so it is sent as short as it can be."""
    assert text({"Version": "2012-10-17", "Statement": []}) == '{"Version":"2012-10-17","Statement":[]}'


def test_a_template_beside_the_profile_comes_first(tmp_path: Path) -> None:
    """A template of the profile's own hides a shipped one of the same name; others are the shipped ones."""
    (tmp_path / "trust.json.j2").write_text('{"mine": {{ account | tojson }}}')
    assert render("trust.json.j2", tmp_path, account=ACCOUNT) == {"mine": ACCOUNT}
    assert source("pass-role.json.j2", tmp_path) == source("pass-role.json.j2")


WRONG = [
    ("no such template", None, "unknown-policy-template", "no policy template 'own.json.j2'"),
    ("another fact", '{"a": {{ acount | tojson }}}', "policy-template-wrong", "uses 'acount', which"),
    ("wrong syntax", "{% if %}", "policy-template-wrong", "cannot be rendered"),
    ("what fails in it", '{"a": {{ 1 / 0 }}}', "policy-template-wrong", "division by zero"),
    ("no JSON", "{", "policy-not-json", "does not render to JSON"),
    ("no object", "[1]", "policy-not-json", "does not render to a JSON object"),
    ("no text", b"\xff", "policy-template-unreadable", "it is not UTF-8 text"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "reference", "message"), cases(WRONG))
def test_a_wrong_template_is_a_mistake_of_the_user(
    tmp_path: Path, content: str | bytes | None, reference: str, message: str
) -> None:
    """Whatever is wrong with a template is an error of usage that names it."""
    if content is not None:
        path = tmp_path / "own.json.j2"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=message) as caught:
        render("own.json.j2", tmp_path, account=ACCOUNT)
    assert caught.value.reference == reference
    assert "own.json.j2" in caught.value.message


def test_data_is_found_in_a_checkout() -> None:
    """Templates and profiles lie above the code in a checkout."""
    assert (data("policies") / "trust.json.j2").is_file()
