"""What `decide` says for every way in which an object can be found, and how differences are named."""

from typing import Any

import pytest
from tables import cases
from things import NO_CLIENTS, Thing, World

from ackinstall.resource import (
    SETTLED,
    TAKEN_OVER,
    WRITES,
    Change,
    Difference,
    Kind,
    Resource,
    Seen,
    compare,
    decide,
)

ONE = Thing(name="one", world=World(), wanted={"size": 1, "tags": {"team": "ml"}})
SHARED = Thing(name="shared", world=World(), user="us-west-2/demo")
FITS: dict[str, Any] = {"size": 1, "tags": {"team": "ml"}}
DRIFTED: dict[str, Any] = {"size": 2, "tags": {"team": "ml"}}
UNTAGGED: dict[str, Any] = {"size": 1, "tags": {}}
FITTING, FOREIGN = "exists, is not ours, and fits", "exists and is not ours"
LOCKED, IN_USE = "is elsewhere", "still used by us-west-2/other"
SIZE = Difference("size", 2, 1)
TEAM = Difference("tags.team", None, "ml")
MINE, OTHERS = frozenset({"us-west-2/demo"}), frozenset({"us-west-2/other"})
JOINS = Difference("users", ["us-west-2/other"], ["us-west-2/demo", "us-west-2/other"])
LEAVES = Difference("users", ["us-west-2/demo", "us-west-2/other"], ["us-west-2/other"])


def ours(state: dict[str, Any], **about: Any) -> Seen:  # noqa: ANN401 (fields of Seen)
    """An object that carries our mark."""
    return Seen(state=state, ours=True, **about)


def foreign(state: dict[str, Any], **about: Any) -> Seen:  # noqa: ANN401 (fields of Seen)
    """An object that does not."""
    return Seen(state=state, ours=False, **about)


WANTED = [
    ("nothing is there", ONE, None, Kind.CREATE, (), ""),
    ("it fits", ONE, ours(FITS), Kind.NOTHING, (), ""),
    ("it differs", ONE, ours(DRIFTED), Kind.UPDATE, (SIZE,), ""),
    ("a tag is missing", ONE, ours(UNTAGGED), Kind.UPDATE, (TEAM,), ""),
    ("it is busy", ONE, ours(DRIFTED, busy="is Terminating"), Kind.WAIT, (), "is Terminating"),
    ("it fits and cannot be used yet", ONE, ours(FITS, unready="starts"), Kind.WAIT, (), "starts"),
    ("it differs and cannot be used yet", ONE, ours(DRIFTED, unready="starts"), Kind.UPDATE, (SIZE,), ""),
    ("it is broken", ONE, ours(FITS, broken="half made"), Kind.REPLACE, (), "half made"),
    ("it is broken and differs", ONE, ours(DRIFTED, broken="half made"), Kind.REPLACE, (), "half made"),
    ("it is locked and fits", ONE, ours(FITS, locked=LOCKED), Kind.NOTHING, (), ""),
    ("it is fixed and differs", ONE, ours(DRIFTED, fixed=LOCKED), Kind.REFUSE, (SIZE,), LOCKED),
    ("it is locked and differs", ONE, ours(DRIFTED, locked=LOCKED), Kind.REFUSE, (SIZE,), LOCKED),
    ("it is foreign and fits", ONE, foreign(FITS), Kind.LEAVE, (), FITTING),
    ("it is foreign and only tags differ", ONE, foreign(UNTAGGED), Kind.LEAVE, (), FITTING),
    ("it is foreign and differs", ONE, foreign(DRIFTED), Kind.REFUSE, (SIZE,), FOREIGN),
    ("it is foreign and broken", ONE, foreign(FITS, broken="half made"), Kind.REFUSE, (), FOREIGN),
    ("it is foreign and busy", ONE, foreign(DRIFTED, busy="is Terminating"), Kind.WAIT, (), "is Terminating"),
    ("foreign and locked", ONE, foreign(DRIFTED, locked=LOCKED), Kind.REFUSE, (SIZE,), LOCKED),
    ("another cluster uses it", SHARED, ours({"size": 1}, users=OTHERS), Kind.UPDATE, (JOINS,), ""),
    ("this cluster uses it already", SHARED, ours({"size": 1}, users=MINE | OTHERS), Kind.NOTHING, (), ""),
    ("it differs too", SHARED, ours({"size": 2}, users=OTHERS), Kind.UPDATE, (SIZE, JOINS), ""),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "seen", "kind", "differences", "reason"), cases(WANTED))
def test_what_a_wanted_object_needs(
    resource: Resource, seen: Seen | None, kind: Kind, differences: tuple[Difference, ...], reason: str
) -> None:
    """For every way in which a wanted object can be found there is one decision, with its reason."""
    assert decide(resource, seen) == Change(kind, resource, differences, reason)


ADOPTED = [
    ("it differs", foreign(DRIFTED), Kind.UPDATE, (SIZE,), TAKEN_OVER),
    ("it is broken", foreign(FITS, broken="half made"), Kind.REPLACE, (), TAKEN_OVER),
    ("it fits", foreign(FITS), Kind.LEAVE, (), FITTING),
    ("it is locked", foreign(DRIFTED, locked=LOCKED), Kind.REFUSE, (SIZE,), LOCKED),
    ("it is fixed", foreign(DRIFTED, fixed=LOCKED), Kind.REFUSE, (SIZE,), LOCKED),
]


@pytest.mark.parametrize(("seen", "kind", "differences", "reason"), cases(ADOPTED))
def test_what_adopting_changes(
    seen: Seen, kind: Kind, differences: tuple[Difference, ...], reason: str
) -> None:
    """Adopting takes over what differs and can be changed, and nothing else."""
    assert decide(ONE, seen, adopt=True) == Change(kind, ONE, differences, reason)


def test_adopting_a_shared_object_marks_it() -> None:
    """A shared object that is taken over gets this cluster's mark with the same change."""
    change = decide(SHARED, foreign({"size": 2}), adopt=True)
    assert change.paths == {"size", "users"}


UNWANTED = [
    ("nothing is there", ONE, None, Kind.NOTHING, (), ""),
    ("it is ours", ONE, ours(DRIFTED), Kind.DELETE, (), ""),
    ("it is broken", ONE, ours(FITS, broken="half made"), Kind.DELETE, (), ""),
    ("it is foreign", ONE, foreign(FITS), Kind.LEAVE, (), "is not ours"),
    ("it is being deleted", ONE, ours(FITS, busy="is Terminating"), Kind.WAIT, (), "is Terminating"),
    ("only a change needs a person", ONE, ours(FITS, fixed=LOCKED), Kind.DELETE, (), ""),
    ("a person must decide", ONE, ours(FITS, locked="are alive"), Kind.REFUSE, (), "are alive"),
    ("it would lose something", ONE, ours(FITS, keep="holds objects"), Kind.LEAVE, (), "holds objects"),
    ("only this cluster uses it", SHARED, ours({"size": 1}, users=MINE), Kind.DELETE, (), ""),
    ("nobody uses it any more", SHARED, ours({"size": 1}), Kind.DELETE, (), ""),
    ("others use it too", SHARED, ours({"size": 1}, users=MINE | OTHERS), Kind.UPDATE, (LEAVES,), IN_USE),
    ("only others use it", SHARED, ours({"size": 1}, users=OTHERS), Kind.LEAVE, (), IN_USE),
    ("only this cluster uses it, and it would lose something", SHARED,
     ours({"size": 1}, users=MINE, keep="holds objects"), Kind.UPDATE,
     (Difference("users", ["us-west-2/demo"], []),), "holds objects"),
]  # fmt: skip


@pytest.mark.parametrize(("resource", "seen", "kind", "differences", "reason"), cases(UNWANTED))
def test_what_an_unwanted_object_needs(
    resource: Resource, seen: Seen | None, kind: Kind, differences: tuple[Difference, ...], reason: str
) -> None:
    """For every way in which an object can be found at a teardown there is one decision, with its reason."""
    assert decide(resource, seen, present=False) == Change(kind, resource, differences, reason)


COMPARED: list[tuple[str, Any, Any, list[str]]] = [
    ("equal values", {"a": 1}, {"a": 1}, []),
    ("a value", {"a": 1}, {"a": 2}, ["a"]),
    ("a missing key", {"a": 1}, {}, ["a"]),
    ("a key too many", {}, {"a": 1}, ["a"]),
    ("a key below", {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
    ("a mapping for a value", {"a": {"b": 1}}, {"a": 1}, ["a"]),
    ("an item", {"a": [1, 2]}, {"a": [1, 3]}, ["a[1]"]),
    ("an item's key", {"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b"]),
    ("lists of two lengths", {"a": [1, 2]}, {"a": [1]}, ["a"]),
    ("a tuple for a list", {"a": (1, 2)}, {"a": [1, 2]}, []),
    ("text is no list", {"a": "ab"}, {"a": ["a", "b"]}, ["a"]),
    ("a list for text", {"a": ["a", "b"]}, {"a": "ab"}, ["a"]),
    ("the order of keys", {"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
]


@pytest.mark.parametrize(("wanted", "seen", "paths"), cases(COMPARED))
def test_where_two_states_differ(wanted: object, seen: object, paths: list[str]) -> None:
    """A difference is named by the path of the smallest part that differs."""
    assert [one.path for one in compare(wanted, seen)] == paths


@pytest.mark.parametrize("path", ["trust", "trust.Statement", "trust[0].Statement", "trust.a[1].b"])
def test_a_path_lies_in_a_key(path: str) -> None:
    """The key of a difference is the first part of its path, whatever comes after it."""
    assert Difference(path, 1, 2).key == "trust"


def test_a_resource_is_called_by_kind_and_name() -> None:
    """The id of a resource is made of kind and name, and most resources lose nothing."""
    assert ONE.id == "thing/one"
    assert Resource.loses(ONE, NO_CLIENTS) == ""


def test_kinds_are_told_apart_by_their_marks() -> None:
    """Every kind has a mark of its own, and no kind both writes and is settled."""
    assert len({kind.value for kind in Kind}) == len(Kind)
    assert not WRITES & SETTLED
