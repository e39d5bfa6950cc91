"""What a command works with: the command line's choices, and the target that they lead to."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from ackinstall.clients import Access, Aws, Clients, Session, open_gallery, open_worlds
from ackinstall.facts import Facts
from ackinstall.helm import Helm
from ackinstall.lock import Lock
from ackinstall.profile import Profile
from ackinstall.resource import Resource


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the user chose; `profile` "" means the receipt's for a teardown, else the default one. `account`
    is the AWS account that it has to be, "" for any. `lock_timeout` are seconds, `command` is what this run
    is called in its lock.
    """

    cluster: str
    region: str | None = None
    profile: str = ""
    settings: Sequence[str] | None = None
    aws_profile: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    account: str = ""
    upgrade: bool = False
    delete_data: bool = False
    workloads: str = "refuse"
    lock_timeout: float = 0.0
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An opened target."""

    profile: Profile
    facts: Facts
    clients: Clients
    resources: list[Resource]
    lock: Lock = field(default_factory=Lock)


@dataclass(frozen=True, kw_only=True)
class Doors:
    """How the outside worlds are opened; a test hands in its own.

    `login` takes an AWS profile and a region, `gallery` and `worlds` are as open_gallery and open_worlds.
    """

    login: Callable[[str | None, str | None], Aws] = Session
    gallery: Callable[[], AbstractContextManager[tuple[Helm, Path]]] = open_gallery
    worlds: Callable[[Aws, Access], AbstractContextManager[Clients]] = open_worlds
