"""How the engine plans, converges and runs, on small resources in memory."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import cases
from things import NO_CLIENTS, Thing, World, needs

from ackinstall.clients import Clients
from ackinstall.engine import Options, Progress, Status, check, converge, plan, run
from ackinstall.errors import AckinstallError, Interrupted, Kept, Refused, Retry, UsageError
from ackinstall.resource import Change, Difference, Kind, Resource, Seen, State

PATIENT = 20.0
"""Seconds after which a test that hangs is over; none of them should wait at all."""


class Steps(list[Progress]):
    """The steps that were told, in order."""

    def of(self, name: str) -> list[Status]:
        """Return how the work on one thing went."""
        return [one.status for one in self if one.resource.name == name]


def chain(world: World) -> list[Resource]:
    """Return a diamond and one thing beside it: top needs left and right, which need bottom."""
    return [
        Thing(name="top", world=world, needs=needs("left", "right")),
        Thing(name="left", world=world, needs=needs("bottom")),
        Thing(name="right", world=world, needs=needs("bottom")),
        Thing(name="bottom", world=world),
        Thing(name="beside", world=world),
    ]


def go(resources: Sequence[Resource], options: Options) -> tuple[dict[str, Progress], Steps]:
    """Plan and run; return how each thing ended, and all steps."""
    steps = Steps()
    ended = run(plan(resources, NO_CLIENTS, options), NO_CLIENTS, options, steps.append)
    return {one.resource.name: one for one in ended}, steps


def fails(error: BaseException) -> Callable[[], None]:
    """Return something that raises `error`."""

    def fail() -> None:
        raise error

    return fail


def fails_first(times: int, error: BaseException) -> Callable[[], None]:
    """Return something that raises `error` some times and then no more."""
    left = [error] * times

    def fail() -> None:
        if left:
            raise left.pop()

    return fail


# plan


def test_a_plan_is_in_the_order_given() -> None:
    """A plan lists what has to happen to each resource, in the order in which they were given."""
    world = World()
    world.put("left")
    world.put("right", size=2)
    world.put("beside", size=2, ours=False)
    changes = plan(chain(world), NO_CLIENTS, Options())
    assert [(one.resource.name, one.kind) for one in changes] == [
        ("top", Kind.CREATE),
        ("left", Kind.NOTHING),
        ("right", Kind.UPDATE),
        ("bottom", Kind.CREATE),
        ("beside", Kind.REFUSE),
    ]
    assert world.writes == []


def test_a_plan_looks_at_all_resources_side_by_side() -> None:
    """All resources are observed at the same time: each look waits until all have begun."""
    together = threading.Barrier(5)
    world = World()
    for name in ("top", "left", "right", "bottom", "beside"):
        world.before[f"observe {name}"] = lambda: together.wait(PATIENT)
    assert len(plan(chain(world), NO_CLIENTS, Options(workers=5))) == 5


def test_a_plan_asks_again_while_the_answer_is_later() -> None:
    """An observation that must be tried again is tried again within the plan."""
    world = World(before={"observe one": fails_first(2, Retry("throttled"))})
    assert plan([Thing(name="one", world=world)], NO_CLIENTS, Options())[0].kind is Kind.CREATE
    assert world.looks == {"one": 3}


def test_a_plan_fails_with_the_first_resource_that_cannot_be_seen() -> None:
    """An error of an observation ends the plan as our own error, whatever it was."""
    world = World(before={"observe one": fails(ValueError("odd"))})
    with pytest.raises(AckinstallError, match="odd") as caught:
        plan([Thing(name="one", world=world)], NO_CLIENTS, Options())
    assert caught.value.reference == "unexpected"


def test_a_plan_stops_when_it_is_told_to() -> None:
    """Once the stop is set a plan does not look a second time."""
    options = Options()
    options.stop.set()
    world = World(before={"observe one": fails(Retry("throttled"))})
    with pytest.raises(Interrupted):
        plan([Thing(name="one", world=world)], NO_CLIENTS, options)
    assert world.looks == {"one": 1}


def test_a_teardown_asks_what_would_be_lost_only_of_what_is_ours() -> None:
    """`loses` is asked on a teardown, of our own objects, and its answer keeps the object."""
    world = World(before={"loses foreign": fails(AssertionError("asked"))})
    world.put("foreign", ours=False)
    world.put("full", keep="holds objects")
    things = [Thing(name=name, world=world) for name in ("foreign", "full", "gone")]
    changes = plan(things, NO_CLIENTS, Options(present=False))
    assert [one.reason for one in changes] == ["is not ours", "holds objects", ""]
    world.before["loses full"] = fails(AssertionError("asked"))
    assert [one.kind for one in plan(things[1:2], NO_CLIENTS, Options())] == [Kind.NOTHING]


# converge


def converged(thing: Resource, options: Options | None = None) -> tuple[Change, Steps]:
    """Converge one thing; return the last decision and the waits told."""
    steps = Steps()
    last = converge(thing, NO_CLIENTS, options or Options(), steps.append)
    return last, Steps(one for one in steps if one.status is not Status.STARTED)


HEALED = [
    ("nothing is there", None, ["create one"]),
    ("it differs", Seen(state={"size": 2}, ours=True), ["update one"]),
    ("it is broken", Seen(state={"size": 1}, ours=True, broken="half made"), ["delete one", "create one"]),
    ("it is as wanted", Seen(state={"size": 1}, ours=True), []),
    ("it is foreign and fits", Seen(state={"size": 1}, ours=False), []),
]


@pytest.mark.parametrize(("seen", "writes"), cases(HEALED))
def test_converging_ends_with_what_is_wanted(seen: Seen | None, writes: list[str]) -> None:
    """However an object was found, converging writes what is needed, looks again, and then stops."""
    world = World(seen={"one": seen} if seen else {})
    last, _ = converged(Thing(name="one", world=world))
    assert last.kind in (Kind.NOTHING, Kind.LEAVE)
    assert world.writes == writes


def test_a_lost_reply_is_answered_by_looking() -> None:
    """A write whose reply was lost is not sent again: the next look finds it done."""
    world = World()

    def done_but_unheard() -> None:
        world.put("one")
        raise ConnectionError("reset by peer")

    world.before["create one"] = done_but_unheard
    last, steps = converged(Thing(name="one", world=world))
    assert last.kind is Kind.NOTHING
    assert world.writes == []
    assert [one.detail for one in steps] == ["no answer (reset by peer)"]


def test_a_write_that_shows_late_is_made_once() -> None:
    """While a write may still become visible it is not repeated."""
    world = World()
    stale = fails_first(3, Retry("never raised"))

    class Late(Thing):
        settles: ClassVar[float] = PATIENT

        def observe(self, clients: object) -> Seen | None:
            try:
                stale()
            except Retry:
                return None
            return super().observe(clients)  # type: ignore[arg-type]

    _, steps = converged(Late(name="one", world=world))
    assert world.writes == ["create one"]
    assert {one.detail for one in steps} == {"written, but not visible yet"}


def test_a_write_that_does_not_hold_is_named() -> None:
    """What something else changes back is written twice; then the error names the field."""
    world = World()
    world.before["observe one"] = lambda: world.put("one", size=2)
    with pytest.raises(AckinstallError, match="'thing/one' does not keep 'size'") as caught:
        converged(Thing(name="one", world=world))
    assert caught.value.reference == "write-does-not-hold"
    assert world.writes == ["update one", "update one"]


def test_an_object_that_vanishes_again_is_named() -> None:
    """What something else deletes again has no field to name: the error names the verb."""
    world = World()
    world.before["observe one"] = world.seen.clear
    with pytest.raises(AckinstallError, match="'thing/one' does not keep 'create'"):
        converged(Thing(name="one", world=world))


def test_another_change_is_made_at_once() -> None:
    """Only the same write twice running is suspicious; a second, different one follows at once."""
    world = World()

    class Half(Thing):
        settles: ClassVar[float] = PATIENT

        def create(self, clients: object) -> None:  # noqa: ARG002 (in memory)
            self.world.put(self.name, size=2)
            self.world.wrote("create", self.name)

    _, steps = converged(Half(name="one", world=world))
    assert world.writes == ["create one", "update one"]
    assert steps == []


def test_waiting_says_why_and_ends_with_patience() -> None:
    """A busy object is waited for, with its reason; when patience is over the error says how long it was."""
    world = World()
    world.put("one", busy="is still Terminating")
    steps = Steps()
    with pytest.raises(AckinstallError, match=r"is still Terminating \(after 0 s\)") as caught:
        converge(Thing(name="one", world=world), NO_CLIENTS, Options(timeout=0.3), steps.append)
    assert caught.value.reference == "not-ready-in-time"
    assert caught.value.hint == "run the same command again: it goes on from here"
    assert {one.status for one in steps} == {Status.WAITING}
    assert {one.detail for one in steps} == {"is still Terminating"}


def test_the_timeout_never_lengthens_patience() -> None:
    """A type's own patience holds when the user allows more; a hint of the reason is kept."""

    class Hasty(Thing):
        patience: ClassVar[float] = 0.1

    world = World(before={"observe one": fails(Retry("no answer", "connection-lost", "check the network"))})
    with pytest.raises(AckinstallError, match=r"no answer \(after 0 s\)") as caught:
        converged(Hasty(name="one", world=world), Options(timeout=PATIENT))
    assert caught.value.hint == "check the network"


def test_patience_that_ends_with_a_write_says_so() -> None:
    """When a write took all the time, the error says that it was made and not looked at."""
    world = World(before={"create one": lambda: threading.Event().wait(0.02)})
    with pytest.raises(AckinstallError, match="was written, but no time was left to look again"):
        converged(Thing(name="one", world=world), Options(timeout=0.01))
    assert world.writes == ["create one"]


def test_what_becomes_ready_is_waited_for() -> None:
    """Waiting ends as soon as the object can be used."""
    world = World()
    looks = iter(["its pods are not ready yet", "its pods are not ready yet", ""])
    world.before["observe one"] = lambda: world.put("one", unready=next(looks))
    last, steps = converged(Thing(name="one", world=world))
    assert last.kind is Kind.NOTHING
    assert len(steps) == 2


def test_a_decision_of_a_person_is_not_waited_for() -> None:
    """A refusal ends the work at once and names the field; nothing is written."""
    world = World()
    world.put("one", size=2, ours=False)
    with pytest.raises(Refused, match="'thing/one' exists and is not ours: it differs in 'size'"):
        converged(Thing(name="one", world=world))
    assert world.writes == []


def test_adopting_takes_over() -> None:
    """With `adopt` the foreign object that differs becomes ours and as wanted."""
    world = World()
    world.put("one", size=2, ours=False)
    converged(Thing(name="one", world=world), Options(adopt=True))
    assert world.seen["one"] == Seen(state={"size": 1}, ours=True)


def test_no_write_follows_a_stop() -> None:
    """A stop that comes while a resource waits ends its work: what was to be written is not."""
    options = Options()
    world = World()

    def throttled_and_stopped() -> None:
        del world.before["observe one"]
        threading.Timer(0.01, options.stop.set).start()
        raise Retry("throttled")

    world.before["observe one"] = throttled_and_stopped

    class Slow(Thing):
        def observe(self, clients: object) -> Seen | None:
            seen = super().observe(clients)  # type: ignore[arg-type]
            options.stop.wait(PATIENT)
            return seen

    with pytest.raises(Interrupted):
        converged(Slow(name="one", world=world), options)
    assert world.writes == []


# run


def test_what_is_needed_comes_first() -> None:
    """An installation makes things before what needs them; a teardown takes them in the opposite order."""
    world = World()
    ended, _ = go(chain(world), Options())
    assert {one.status for one in ended.values()} == {Status.DONE}
    assert list(ended) == ["top", "left", "right", "bottom", "beside"]
    made = [write.removeprefix("create ") for write in world.writes]
    assert made.index("bottom") < min(made.index("left"), made.index("right"))
    assert made.index("top") > max(made.index("left"), made.index("right"))
    world.writes.clear()
    go(chain(world), Options(present=False))
    gone = [write.removeprefix("delete ") for write in world.writes]
    assert gone.index("bottom") > max(gone.index("left"), gone.index("right"))
    assert gone.index("top") < min(gone.index("left"), gone.index("right"))
    assert world.seen == {}


@given(st.integers(2, 9), st.sampled_from([1, 8]), st.booleans(), st.integers(0, 2**32).map(random.Random))
@settings(max_examples=30)
def test_any_graph_is_walked_in_order(size: int, workers: int, present: bool, luck: random.Random) -> None:  # noqa: FBT001 (hypothesis)
    """In any graph, with any number of workers, no write comes before the writes that it rests on."""
    world = World()
    edges = {str(i): [str(j) for j in range(i) if luck.random() < 0.4] for i in range(size)}
    things: list[Resource] = [Thing(name=one, world=world, needs=needs(*its)) for one, its in edges.items()]
    luck.shuffle(things)
    if not present:
        for name in edges:
            world.put(name)
    go(things, Options(present=present, workers=workers))
    order = [write.split()[1] for write in world.writes]
    assert sorted(order) == sorted(edges)
    turned = order if present else order[::-1]
    assert all(turned.index(need) < turned.index(one) for one, its in edges.items() for need in its)


def test_a_second_run_writes_nothing() -> None:
    """What is as wanted is neither written nor looked at again, and is reported as unchanged."""
    world = World()
    go(chain(world), Options())
    world.writes.clear()
    world.looks.clear()
    ended, _ = go(chain(world), Options())
    assert {one.status for one in ended.values()} == {Status.UNCHANGED}
    assert world.writes == []
    assert set(world.looks.values()) == {1}


def test_what_rests_on_a_change_is_looked_at_again() -> None:
    """A resource that was as wanted is seen to once more when something that it needs was changed."""
    world = World()
    for name in ("top", "left", "right", "beside"):
        world.put(name)
    ended, _ = go(chain(world), Options())
    assert ended["bottom"].status is Status.DONE
    assert ended["left"].status is Status.UNCHANGED
    assert world.looks == {"top": 1, "left": 2, "right": 2, "bottom": 3, "beside": 1}


def test_a_failure_stops_only_what_needs_it() -> None:
    """Below a failure everything is skipped and says behind what; everything else goes on."""
    world = World(before={"create left": fails(UsageError("denied", "may not"))})
    ended, steps = go(chain(world), Options())
    assert {name: one.status for name, one in ended.items()} == {
        "top": Status.SKIPPED,
        "left": Status.FAILED,
        "right": Status.DONE,
        "bottom": Status.DONE,
        "beside": Status.DONE,
    }
    assert ended["top"].detail == "'thing/left' did not succeed"
    assert ended["left"].error is not None
    assert ended["left"].error.reference == "denied"
    assert steps.of("left") == [Status.STARTED, Status.FAILED]


def test_a_failure_of_any_sort_ends_only_one_resource() -> None:
    """An exception that nobody foresaw becomes an error of ours, and the others go on."""
    world = World(before={"create beside": fails(ZeroDivisionError("oh"))})
    ended, _ = go(chain(world), Options())
    assert ended["beside"].error is not None
    assert ended["beside"].error.reference == "unexpected"
    assert ended["top"].status is Status.DONE


def test_a_skip_goes_all_the_way_up() -> None:
    """What needs something that was skipped is skipped too."""
    world = World(before={"create bottom": fails(UsageError("denied", "may not"))})
    ended, _ = go(chain(world), Options())
    assert [ended[name].status for name in ("left", "right", "top")] == [Status.SKIPPED] * 3
    assert ended["top"].detail == "'thing/left' did not succeed"


def test_work_side_by_side_overlaps() -> None:
    """Things that do not need each other are made at the same time: each waits until the other has begun."""
    together = threading.Barrier(2)
    world = World()
    world.before["create left"] = world.before["create right"] = lambda: together.wait(PATIENT)
    ended, _ = go(chain(world), Options(workers=2))
    assert ended["top"].status is Status.DONE


def test_a_stop_hands_out_no_more_work() -> None:
    """After a stop the call in flight ends, and nothing else is begun, whatever the number of workers."""
    for workers in (1, 8):
        options = Options(workers=workers)
        world = World(before={"create bottom": options.stop.set})
        things = [*chain(world)[:4], Thing(name="later", world=world, needs=needs("bottom"))]
        ended, _ = go(things, options)
        assert world.writes == ["create bottom"]
        assert ended["bottom"].status is Status.SKIPPED
        assert ended["bottom"].detail == "stopped before its end"
        assert {ended[name].detail for name in ("left", "right", "top", "later")} == {"stopped before it"}


def test_work_that_waits_for_a_worker_is_not_begun_after_a_stop() -> None:
    """What was ready but had no worker yet when the stop came is not written."""
    options = Options(workers=1)
    world = World(before={"create a": options.stop.set})
    ended, _ = go([Thing(name=name, world=world) for name in "abcd"], options)
    assert world.writes == ["create a"]
    assert {one.status for one in ended.values()} == {Status.SKIPPED}


def test_what_is_kept_on_purpose_is_no_failure() -> None:
    """A removal that finds out late that it would lose something leaves the object and says why."""
    world = World(before={"delete right": fails(Kept("holds objects"))})
    for name in ("top", "left", "right", "bottom", "beside"):
        world.put(name)
    ended, _ = go(chain(world), Options(present=False))
    assert ended["right"].status is Status.DONE
    assert ended["right"].change is not None
    assert ended["right"].change.kind is Kind.LEAVE
    assert ended["right"].detail == "holds objects"
    assert list(world.seen) == ["right"]


def test_a_shared_object_goes_with_its_last_user() -> None:
    """A teardown takes this cluster's mark away; the object itself goes with the last mark."""
    world = World()
    demo, other = (Thing(name="one", world=world, user=user) for user in ("r/demo", "r/other"))
    go([demo], Options())
    go([other], Options())
    assert world.seen["one"].users == {"r/demo", "r/other"}
    ended, _ = go([demo], Options(present=False))
    assert ended["one"].detail == "still used by r/other"
    assert world.seen["one"].users == {"r/other"}
    go([other], Options(present=False))
    assert world.seen == {}


def test_needs_outside_the_plan_are_not_waited_for() -> None:
    """A need that is no part of the plan does not hold a resource up."""
    world = World()
    ended, _ = go([Thing(name="one", world=world, needs=needs("elsewhere"))], Options())
    assert ended["one"].status is Status.DONE


def test_no_resources_at_all_is_a_run() -> None:
    """An empty plan ends at once."""
    assert run([], NO_CLIENTS, Options(), Steps().append) == []


# long removals


@dataclass(frozen=True, kw_only=True)
class Full(Thing):
    """A thing that is emptied step by step before it goes."""

    def delete(self, clients: Clients) -> Iterator[str]:
        """Remove it in two steps."""
        for step in ("1 of 2", "2 of 2"):
            self.world.wrote("empty", self.name)
            yield step
        super().delete(clients)


def test_a_long_removal_tells_how_far_it_is() -> None:
    """Each step is told, and the next look comes after the last."""
    world, steps = World(), Steps()
    world.put("one")
    converge(Full(name="one", world=world), NO_CLIENTS, Options(present=False), steps.append)
    assert [one.detail for one in steps if one.status is Status.WAITING] == ["1 of 2", "2 of 2"]
    assert world.writes == ["empty one", "empty one", "delete one"]


def test_a_long_removal_can_be_stopped_between_its_steps() -> None:
    """A stop, or the loss of the lock, ends it after the step in flight; what is left is there for the next
    run.
    """
    stop = threading.Event()
    for options in (
        Options(present=False, stop=stop),
        Options(present=False, lost=lambda: "gone" if stop.is_set() else ""),
    ):
        stop.clear()
        world = World()
        world.put("one")

        def tell(step: Progress) -> None:
            if step.status is Status.WAITING:
                stop.set()

        with pytest.raises(Interrupted):
            converge(Full(name="one", world=world), NO_CLIENTS, options, tell)
        assert world.writes == ["empty one"]
        assert "one" in world.seen


def test_no_write_follows_the_loss_of_the_lock() -> None:
    """It is asked for right before the write, when all that comes before it is over; nothing else begins."""
    world, lost = World(), [""]

    def tell(step: Progress) -> None:
        if step.status is Status.STARTED:
            lost[0] = "it was taken away"

    options = Options(lost=lambda: lost[0])
    things = [Thing(name="one", world=world), Thing(name="two", world=world, needs=needs("one"))]
    ended = run(plan(things, NO_CLIENTS, options), NO_CLIENTS, options, tell)
    assert world.writes == []
    assert [one.detail for one in ended] == ["stopped before its end", "stopped before it"]


@dataclass(frozen=True, kw_only=True)
class Watched(Thing):
    """A thing that can be watched: whoever waits for it gets a look as soon as it changes."""

    def wait(self, clients: Clients, seconds: float, stop: threading.Event) -> None:  # noqa: ARG002 (as Resource)
        """Let it change."""
        self.world.put(self.name)


def test_what_can_be_watched_is_not_slept_for() -> None:
    """A type's own way of waiting takes the place of the pause."""
    world = World()
    world.put("one", busy="is busy")
    assert converged(Watched(name="one", world=world))[0].kind is Kind.NOTHING
    assert world.looks["one"] == 2


def test_what_was_done_is_told_and_not_what_was_planned() -> None:
    """When what kept a thing has gone meanwhile, it is deleted, and the end says so."""
    world = World()
    world.put("one", users=frozenset({"us-west-2/demo"}), keep="is in use")
    thing = Thing(name="one", world=world, user="us-west-2/demo")
    options = Options(present=False)
    changes = plan([thing], NO_CLIENTS, options)
    assert [one.kind for one in changes] == [Kind.UPDATE]
    world.put("one", users=frozenset({"us-west-2/demo"}))
    (ended,) = run(changes, NO_CLIENTS, options, Steps().append)
    assert ended.change is not None
    assert (ended.status, ended.change.kind) == (Status.DONE, Kind.DELETE)


def test_what_was_only_waited_for_is_told_as_ready() -> None:
    """No write, so what was planned, a wait, says what was done."""
    world = World()
    world.put("one", busy="is busy")
    changes = plan([Watched(name="one", world=world)], NO_CLIENTS, Options())
    (ended,) = run(changes, NO_CLIENTS, Options(), Steps().append)
    assert ended.change is not None
    assert (ended.status, ended.change.kind) == (Status.DONE, Kind.WAIT)


def test_what_others_put_into_an_object_is_shown_before_it_goes() -> None:
    """It stands among the differences of the removal, whole."""

    @dataclass(frozen=True, kw_only=True)
    class Shared(Thing):
        def takes(self, clients: Clients) -> State:  # noqa: ARG002 (as Resource)
            """Return a guest's."""
            return {"guests.ann": {"key": "value"}}

    world = World()
    world.put("one")
    (change,) = plan([Shared(name="one", world=world)], NO_CLIENTS, Options(present=False))
    assert change.kind is Kind.DELETE
    assert change.differences == (Difference("guests.ann", {"key": "value"}, None),)


# check

ONE = Thing(name="one", world=World())
MANY = tuple(Difference(f"field{number}", 1, 2) for number in range(6))
REFUSALS = [
    ("no field", [Change(Kind.REFUSE, ONE, (), "are alive")], "'thing/one' are alive"),
    (
        "one field",
        [Change(Kind.REFUSE, ONE, MANY[:1], "is not ours")],
        "'thing/one' is not ours: it differs in 'field0'",
    ),
    (
        "many fields",
        [Change(Kind.REFUSE, ONE, MANY, "is not ours")],
        "'thing/one' is not ours: it differs in 'field0', 'field1', 'field2', 'field3'",
    ),
    (
        "several resources",
        [Change(Kind.REFUSE, ONE, (), "is not ours"), Change(Kind.REFUSE, replace(ONE, name="two"))],
        "'thing/one' is not ours (and 1 more)",
    ),
]


@pytest.mark.parametrize(("changes", "message"), cases(REFUSALS))
def test_a_refusal_names_what_differs(changes: list[Change], message: str) -> None:
    """A refusal names the first object, its reason and a few of its fields, and counts the other objects."""
    with pytest.raises(Refused) as refused:
        check(changes)
    error = refused.value
    assert (error.exit_code, error.reference, error.message) == (3, "needs-a-decision", message)
    assert error.hint == ONE.advice
