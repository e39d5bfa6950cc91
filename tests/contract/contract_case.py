"""What the contract suite has to know of a resource type: an instance, and how the world can differ."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from support.world import Hurry, World

from ackinstall import engine
from ackinstall.engine import Options
from ackinstall.resource import Change, Resource, decide

Deed = Callable[[World], object]
"""Something that somebody else does to the world."""


class Property(Enum):
    """A part of the contract that a type can be exempt from, with a reason."""

    LIFE = "it is made, changed and removed by the installer"
    FOREIGN_DIFFERS = "a foreign object of the same name can differ"
    FOREIGN_FITS = "a foreign object of the same name can fit"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One instance of a type.

    `prepare` makes what the instance needs. `drifts` change it behind the installer's back, by the key of
    `desired` that then differs; they can be done one after the other too, in their order. `foreign` and
    `fitting` make an object of the same name that is not ours, with differences and without. `exempt` says
    why a property or a key of `desired` makes no sense here.
    """

    resource: Resource
    prepare: Deed = lambda _: None
    drifts: Mapping[str, Deed] = field(default_factory=dict)
    foreign: Deed | None = None
    fitting: Deed | None = None
    exempt: Mapping[Property | str, str] = field(default_factory=dict)


def converge(
    world: World, resource: Resource, *, present: bool = True, adopt: bool = False, timeout: float = 20
) -> Change:
    """Make the resource as wanted, as a new process does it."""
    options = Options(present=present, adopt=adopt, timeout=timeout, stop=Hurry())
    return engine.converge(resource, world.opened(), options, lambda _: None)


def planned(world: World, resource: Resource, *, present: bool = True, adopt: bool = False) -> Change:
    """Return what would have to happen."""
    seen = resource.observe(world.opened())
    return decide(resource, seen, present=present, adopt=adopt)
