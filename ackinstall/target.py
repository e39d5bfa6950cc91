"""What a command works with: the command line's choices, and the target that they lead to."""

import shlex
from collections.abc import Callable, Mapping, Sequence
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
    is the AWS account that it has to be, "" for any; `skip_check` are ids of checks to leave out.
    `lock_timeout` are seconds, `command` is what this run is called in its lock.
    """

    cluster: str
    region: str | None = None
    profile: str = ""
    settings: Sequence[str] | None = None
    aws_profile: str | None = None
    kubeconfig: str | None = None
    context: str | None = None
    account: str = ""
    skip_check: Sequence[str] | None = None
    upgrade: bool = False
    delete_data: bool = False
    workloads: str = "refuse"
    lock_timeout: float = 0.0
    command: str = ""

    def again(self, command: str, *more: str) -> str:
        """Return the line that runs `command` of this program on the same target, with `more` options."""
        chosen: dict[str, Sequence[str | None]] = {
            "--cluster": [self.cluster],
            "--region": [self.region],
            "--profile": [self.profile],
            "--set": self.settings or (),
            "--account": [self.account],
            "--skip-check": self.skip_check or (),
            "--aws-profile": [self.aws_profile],
            "--kubeconfig": [self.kubeconfig],
            "--context": [self.context],
        }
        lacking = _LACKING.get(command, frozenset({"--skip-check"}))
        options = [
            word
            for option, values in chosen.items()
            if option not in lacking
            for value in values
            if value
            for word in (option, value)
        ]
        return shlex.join(["ackinstall", command, *options, *more])

    def aws_options(self, region: str) -> str:
        """Return the options, after a space each, by which `aws` and `eksctl` act in `region` ("" for the
        configured one) as the same identity.
        """
        return _options({"--region": region, "--profile": self.aws_profile})

    @property
    def kubectl(self) -> str:
        """How a `kubectl` command begins that reaches the same cluster."""
        return f"kubectl{_options({'--kubeconfig': self.kubeconfig, '--context': self.context})}"

    @property
    def helm(self) -> str:
        """The same for `helm`."""
        return f"helm{_options({'--kubeconfig': self.kubeconfig, '--kube-context': self.context})}"


_LACKING = {
    "up": frozenset[str](),
    "check": frozenset[str](),
    "unlock": frozenset({"--skip-check", "--profile", "--set"}),
    "iam-policy": frozenset({"--skip-check", "--account", "--kubeconfig", "--context"}),
    "outputs": frozenset({"--skip-check", "--kubeconfig", "--context"}),
}
"""The choices that a command does not take; one that is not named takes all but `--skip-check`."""


def _options(chosen: Mapping[str, str | None]) -> str:
    return "".join(f" {option} {shlex.quote(value)}" for option, value in chosen.items() if value)


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
