"""The contract that every resource type keeps (ackinstall/resource.py), each part of it for each type."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import partial

import pytest
from contract_case import Case, Deed, Property, converge, planned
from contract_cases import CASES
from support.faults import Killed, Mode, Strike, at, nothing
from support.world import World

from ackinstall import resources
from ackinstall.errors import Refused
from ackinstall.resource import Kind, Resource, compare


def with_property(*wanted: Property) -> pytest.MarkDecorator:
    """Return the cases that are not exempt from any of these properties."""
    names = [name for name, case in CASES.items() if not set(wanted) & set(case.exempt)]
    return pytest.mark.parametrize("case", [CASES[name] for name in names], ids=names)


def types() -> list[type[Resource]]:
    """Return every resource type that there is in ackinstall/resources."""
    modules = [
        importlib.import_module(f"{resources.__name__}.{found.name}")
        for found in pkgutil.iter_modules(resources.__path__)
    ]
    return [
        one
        for module in modules
        for _, one in inspect.getmembers(module, inspect.isclass)
        if issubclass(one, Resource) and one.__module__ == module.__name__ and not inspect.isabstract(one)
    ]


@pytest.mark.parametrize("kind", types(), ids=lambda kind: kind.__name__)
def test_every_type_has_a_case(kind: type[Resource]) -> None:
    """A type without a case here is a type whose contract nobody has tested."""
    covered = {type(case.resource) for case in CASES.values()}
    assert kind in covered, f"add a case for '{kind.__name__}' to tests/contract/contract_cases.py"


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_whole(name: str) -> None:
    """A case drifts each key of `desired`, and makes foreign objects, or says why that makes no sense."""
    case = CASES[name]
    if Property.LIFE in case.exempt:
        return
    keys = set(case.resource.desired()) - set(case.drifts) - set(case.exempt)
    assert not keys, f"the case '{name}' neither drifts these keys nor says why not: {sorted(keys)}"
    assert case.foreign or Property.FOREIGN_DIFFERS in case.exempt
    assert case.fitting or Property.FOREIGN_FITS in case.exempt


@with_property(Property.LIFE)
def test_what_is_created_is_as_desired(world: World, case: Case) -> None:
    """After a creation `observe` gives what `desired` gives, marked as ours, and nothing more is planned."""
    case.prepare(world)
    converge(world, case.resource)
    seen = case.resource.observe(world.opened())
    assert seen is not None
    assert compare(case.resource.desired(), seen.state) == ()
    assert seen.ours
    assert planned(world, case.resource).kind is Kind.NOTHING


DRIFTS = [pytest.param(case, key, id=f"{name}: {key}") for name, case in CASES.items() for key in case.drifts]


@pytest.mark.parametrize(("case", "key"), DRIFTS)
def test_drift_is_seen_and_healed(world: World, case: Case, key: str) -> None:
    """A field that somebody changed is a difference in the plan, and is as desired after the next run."""
    case.prepare(world)
    converge(world, case.resource)
    wanted = world.inventory()
    case.drifts[key](world)
    change = planned(world, case.resource)
    assert change.kind is Kind.UPDATE
    assert key in change.paths
    converge(world, case.resource)
    assert planned(world, case.resource).kind is Kind.NOTHING
    assert set(world.inventory()["aws"]) == set(wanted["aws"])


@with_property(Property.LIFE)
def test_what_is_deleted_is_gone(world: World, case: Case) -> None:
    """After a removal nothing is seen, all is as before the creation, and a second removal is no error."""
    case.prepare(world)
    before = world.inventory()
    converge(world, case.resource)
    converge(world, case.resource, present=False)
    assert case.resource.observe(world.opened()) is None
    assert world.inventory() == before
    assert converge(world, case.resource, present=False).kind is Kind.NOTHING
    case.resource.delete(world.opened())
    assert world.inventory() == before


@with_property(Property.LIFE, Property.FOREIGN_DIFFERS)
def test_a_foreign_object_that_differs_is_refused_and_left(world: World, case: Case) -> None:
    """What others made is not changed by `up`, which refuses and says what differs, nor by `down`."""
    assert case.foreign
    case.prepare(world)
    case.foreign(world)
    before = world.inventory()
    change = planned(world, case.resource)
    assert change.kind is Kind.REFUSE
    assert change.differences
    with pytest.raises(Refused):
        converge(world, case.resource)
    assert converge(world, case.resource, present=False).kind is Kind.LEAVE
    assert world.inventory() == before


@with_property(Property.LIFE, Property.FOREIGN_FITS)
def test_a_foreign_object_that_fits_is_used_and_left(world: World, case: Case) -> None:
    """What others made and is as desired is used as it is, by `up`, also with `--adopt`, and by `down`."""
    assert case.fitting
    case.prepare(world)
    case.fitting(world)
    before = world.inventory()
    assert converge(world, case.resource).kind is Kind.LEAVE
    assert converge(world, case.resource, adopt=True).kind is Kind.LEAVE
    assert converge(world, case.resource, present=False).kind is Kind.LEAVE
    assert world.inventory() == before


@with_property(Property.LIFE, Property.FOREIGN_DIFFERS)
def test_adopting_takes_a_foreign_object_over(world: World, case: Case) -> None:
    """With `--adopt` what differs becomes as desired and ours, so that `down` removes it."""
    assert case.foreign
    case.prepare(world)
    case.foreign(world)
    converge(world, case.resource, adopt=True)
    assert planned(world, case.resource).kind is Kind.NOTHING
    assert planned(world, case.resource, present=False).kind is Kind.DELETE


def creation(case: Case) -> Deed:
    """Return what comes before a run that creates."""
    return case.prepare


def change(case: Case) -> Deed:
    """Return what comes before a run that heals every field."""

    def deed(world: World) -> None:
        case.prepare(world)
        converge(world, case.resource)
        for drift in case.drifts.values():
            drift(world)

    return deed


def removal(case: Case) -> Deed:
    """Return what comes before a run that removes."""

    def deed(world: World) -> None:
        case.prepare(world)
        converge(world, case.resource)

    return deed


def adoption(case: Case) -> Deed:
    """Return what comes before a run that takes over what others made."""

    def deed(world: World) -> None:
        assert case.foreign
        case.prepare(world)
        case.foreign(world)

    return deed


RUNS = [
    pytest.param(case, before, id=f"{before.__name__} of {name}")
    for name, case in CASES.items()
    if Property.LIFE not in case.exempt
    for before in (creation, change, removal, adoption)
    if before is not adoption or case.foreign
]


@pytest.mark.parametrize(("case", "before"), RUNS)
def test_a_kill_at_any_call_is_made_good(world: World, case: Case, before: Callable[[Case], Deed]) -> None:
    """Killed before or after any of its calls, the same run again reaches what an undisturbed one reaches."""
    run = partial(_run, world, case, present=before is not removal, adopt=before is adoption)
    before(case)(world)
    start = world.save()
    assert not run(nothing)
    wanted, calls = world.inventory(), len(world.faults.calls)
    made_good: list[object] = []
    for number in range(1, calls + 1):
        for mode in (Mode.KILL_BEFORE, Mode.KILL_AFTER):
            world.restore(start)
            assert run(at(number, mode)), "the call was not reached"
            left = world.inventory()
            if left in made_good:  # what a read leaves is what the call before it left
                continue
            world.let_time_pass()
            assert not run(nothing)
            assert compare(wanted, world.inventory()) == (), f"{mode.value} call {number}"
            made_good.append(left)


@pytest.mark.parametrize(("case", "before"), RUNS)
def test_a_lost_reply_is_made_good_in_the_same_run(
    world: World, case: Case, before: Callable[[Case], Deed]
) -> None:
    """Whichever reply is lost, the same run reaches what an undisturbed one reaches."""
    run = partial(_run, world, case, present=before is not removal, adopt=before is adoption)
    before(case)(world)
    start = world.save()
    assert not run(nothing)
    wanted, calls = world.inventory(), len(world.faults.calls)
    for number in range(1, calls + 1):
        world.restore(start)
        assert not run(at(number, Mode.LOSE_REPLY))
        assert compare(wanted, world.inventory()) == (), f"lost the reply of call {number}"


def _run(world: World, case: Case, strike: Strike, *, present: bool, adopt: bool) -> bool:
    """Run in a world where `strike` makes something go wrong; tell whether it was killed."""
    world.faults.begin(strike)
    try:
        converge(world, case.resource, present=present, adopt=adopt)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("name", CASES)
def test_looking_writes_nothing(world: World, name: str) -> None:
    """`observe` and `loses` make no writing call, whether the object is absent, there, drifted or foreign."""
    case = CASES[name]
    case.prepare(world)
    empty = world.save()
    deeds: list[Deed] = [lambda _: None]
    if Property.LIFE not in case.exempt:
        deeds += [removal(case), change(case), *(one for one in (case.foreign, case.fitting) if one)]
    for deed in deeds:
        world.restore(empty)
        deed(world)
        world.faults.begin()
        seen = case.resource.observe(world.opened())
        if seen and seen.ours:
            case.resource.loses(world.opened())
        assert world.faults.calls
        assert world.faults.writes == []
