"""`ackinstall sandbox`: the commands. They parse, call the parts, and print; they decide nothing.

Imports stand inside the commands, so that `--help` stays quick.
"""

import sys
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ackinstall.options import EventsFile, Output, OutputAs
from ackinstall.reporting import reporting

if TYPE_CHECKING:
    from ackinstall.sandbox.layout import Sandbox

app = typer.Typer(
    name="sandbox",
    help="An AWS account and an EKS cluster on this machine, to try things in.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help, which is there in a tenth of the time
)
Name = Annotated[str, typer.Option(help="The sandbox, and the EKS cluster in it, are called this.")]


class Format(StrEnum):
    """How `env` answers."""

    SHELL = "shell"
    JSON = "json"


@app.command()
def up(
    ctx: typer.Context,
    name: Name = "demo",
    charts: Annotated[
        str,
        typer.Option(
            help="Charts to serve instead of the pinned ones: a folder with charts, unpacked or .tgz; or "
            "'public' for the real gallery, which needs the internet.",
            metavar="public|DIR",
        ),
    ] = "",
    controller: Annotated[
        list[str] | None,
        typer.Option(
            help="Run this program as the controller of a service; repeatable.", metavar="SERVICE=PATH"
        ),
    ] = None,
    region: Annotated[str, typer.Option(help="The AWS region to pretend.")] = "us-west-2",
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
) -> None:
    """Start a sandbox in the background.

    Its programs are found, or built once, which takes minutes.
    """
    with reporting(ctx) as report:
        from ackinstall.sandbox.assembly import up as bring_up  # noqa: PLC0415 (quick --help)
        from ackinstall.sandbox.assembly import wishes  # noqa: PLC0415 (same)
        from ackinstall.sandbox.progress import Progress  # noqa: PLC0415 (same)
        from ackinstall.sandbox.state import look  # noqa: PLC0415 (same)

        sandbox, started = bring_up(wishes(name, region, charts, controller or []), Progress())
        report.event("sandbox", **look(sandbox))
        if not started:
            report.say(f"sandbox '{name}' is running already")
        report.say(
            f"cluster '{sandbox.name}' in {sandbox.region}, account {sandbox.account}",
            f"  look around:  ackinstall sandbox exec --name {name} -- kubectl get pods -A",
            f'  in a shell:   eval "$(ackinstall sandbox env --name {name})"',
            f"  stop it:      ackinstall sandbox down --name {name}",
        )


@app.command()
def down(
    ctx: typer.Context,
    name: Name = "demo",
    *,
    all_: Annotated[bool, typer.Option("--all", help="Stop every sandbox.")] = False,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
) -> None:
    """Stop a sandbox and remove all of it.

    Its programs stay in the cache.
    """
    with reporting(ctx) as report:
        from ackinstall.sandbox.assembly import down as take_down  # noqa: PLC0415 (quick --help)
        from ackinstall.sandbox.layout import names  # noqa: PLC0415 (same)
        from ackinstall.sandbox.progress import Progress  # noqa: PLC0415 (same)

        chosen = names() if all_ else [name]
        for one in chosen:
            count = take_down(one, Progress())
            report.event("sandbox-gone", name=one, processes=count)
            report.say(f"sandbox '{one}' is gone ({count} processes)")
        if not chosen:
            report.say("there is no sandbox")


@app.command()
def status(
    ctx: typer.Context, name: Name = "demo", output: OutputAs = Output.TEXT, events: EventsFile = None
) -> None:
    """Show how a sandbox is; exit 1 when it is not whole."""
    with reporting(ctx) as report:
        from ackinstall.sandbox import state  # noqa: PLC0415 (quick --help)

        found = state.look(_sandbox(name))
        report.event("sandbox", **found)
        report.say(*state.lines(found))
        if not found["up"]:
            raise typer.Exit(1)


@app.command()
def env(
    ctx: typer.Context,
    name: Name = "demo",
    format_: Annotated[Format, typer.Option("--format", help="How to answer.")] = Format.SHELL,
) -> None:
    """Print the environment of a sandbox, for eval.

    In a shell: eval "$(ackinstall sandbox env)"
    """
    with reporting(ctx):
        import os  # noqa: PLC0415 (quick --help)

        from ackinstall.sandbox import environment  # noqa: PLC0415 (same)

        sandbox = _sandbox(name)
        chosen = environment.settings(sandbox, os.environ)
        gone = environment.unsettings(chosen, os.environ, environment.foreign(sandbox))
        as_format = environment.as_json if format_ is Format.JSON else environment.as_shell
        typer.echo(as_format(chosen, gone))


@app.command("exec", context_settings={"allow_interspersed_args": False})
def exec_(
    ctx: typer.Context,
    command: Annotated[list[str], typer.Argument(help="The program and its arguments.", metavar="-- CMD…")],
    name: Name = "demo",
) -> None:
    """Run a command in a sandbox; its exit code is ours.

    helm, kubectl and ackinstall are on its PATH.
    """
    with reporting(ctx):
        import os  # noqa: PLC0415 (quick --help)

        from ackinstall.errors import AckinstallError  # noqa: PLC0415 (same)
        from ackinstall.sandbox import environment  # noqa: PLC0415 (same)

        sandbox = _sandbox(name)
        cleaned = environment.clean(os.environ, environment.foreign(sandbox))
        chosen = cleaned | environment.settings(sandbox, os.environ)
        try:
            os.execvpe(command[0], command, chosen)  # noqa: S606 (its purpose)
        except OSError as error:
            raise AckinstallError(
                "cannot-run",
                f"cannot run '{command[0]}': {error.strerror}",
                "give a program on PATH, or a path",
            ) from None


@app.command()
def logs(
    ctx: typer.Context,
    part: Annotated[str, typer.Argument(help="The part; without it, the parts are listed.")] = "",
    name: Name = "demo",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until Ctrl-C.")] = False,
) -> None:
    """Print the log of a process, or of a controller.

    Without a part, the parts that have a log are listed.
    """
    with reporting(ctx), suppress(BrokenPipeError):
        from ackinstall.sandbox import logs as kept  # noqa: PLC0415 (quick --help)

        if not part:
            typer.echo("\n".join(kept.names(name)))
            return
        for text in kept.read(name, part, follow=follow):
            sys.stdout.write(text)
            sys.stdout.flush()


def _sandbox(name: str) -> "Sandbox":
    """Return the sandbox of this name; raise AckinstallError, with the names there are, when it is not up."""
    from ackinstall.sandbox.assembly import existing  # noqa: PLC0415 (quick --help)

    return existing(name)
