"""The commands in this process, on a World instead of AWS, a cluster and helm."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from typer.testing import CliRunner

from ackinstall.cli import app
from ackinstall.clients import Access, Aws, Clients
from ackinstall.helm import Helm
from ackinstall.kube import Kube
from ackinstall.target import Doors
from support.world import World


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def error(self) -> str:
        """The sentence and the reference of the error."""
        return next((line for line in self.stderr.splitlines() if line.startswith("error: ")), "")

    @property
    def hint(self) -> str:
        """The hint below it."""
        return next((line for line in self.stderr.splitlines() if line.startswith("  hint: ")), "")


@dataclass
class Commands:
    """Runs `ackinstall`; the clients may be put another way for what is to go wrong."""

    world: World
    folder: Path
    aws: Aws | None = None
    kube: Callable[[Kube], Kube] = field(default=lambda kube: kube)
    helm: Callable[[Helm], Helm] = field(default=lambda helm: helm)

    @property
    def doors(self) -> Doors:
        """The way into the world, as the commands take it."""
        return Doors(
            login=lambda *_: self.aws or self.world.aws,
            gallery=lambda: nullcontext((self.helm(self.world.helm), self.folder)),
            worlds=self._worlds,
        )

    def run(self, *arguments: str, answers: str | None = None) -> Answer:
        """Run one command line."""
        result = CliRunner().invoke(app, list(arguments), obj=self.doors, input=answers)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    def changed_by(self, *arguments: str) -> tuple[Answer, bool]:
        """Run one command line; return what it printed, and whether anything is not as it was."""
        before = copy.deepcopy(self.world.inventory())
        answer = self.run(*arguments)
        return answer, self.world.inventory() != before

    def _worlds(self, aws: Aws, access: Access) -> AbstractContextManager[Clients]:
        assert access.cluster == self.world.name
        clients = self.world.opened()
        return nullcontext(
            replace(clients, aws=aws, kube=self.kube(clients.kube), helm=self.helm(clients.helm))
        )


class Instead:
    """A client of which some methods are others."""

    def __init__(self, real: object, **others: object) -> None:
        self._real = real
        self._others = others

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the client has)
        return self._others[name] if name in self._others else getattr(self._real, name)


def aws_error(code: str, message: str, operation: str, status: int = 400) -> ClientError:
    """Return an error as AWS answers it."""
    about = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(about, operation)  # type: ignore[arg-type]


class Failing:
    """An AWS identity all of whose calls fail in one way."""

    region = "us-west-2"
    calls = 0

    def __init__(self, error: Exception) -> None:
        self._error = error

    def client(self, service: str) -> Any:  # noqa: ANN401, ARG002 (as Aws)
        """Return a client that only fails."""
        return self

    def eks_token(self, cluster: str) -> str:  # noqa: ARG002 (as Aws)
        """See Aws."""
        raise self._error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(**_arguments: object) -> Any:  # noqa: ANN401 (never returns)
            raise self._error

        return fail
