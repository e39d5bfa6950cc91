"""`ackinstall sandbox`: the commands. They parse, call the parts, and print; they decide nothing.

Imports stand inside the commands, so that `--help` stays quick.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

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


class Output(StrEnum):
    """How `status` answers."""

    TEXT = "text"
    JSON = "json"


class Format(StrEnum):
    """How `env` answers."""

    SHELL = "shell"
    JSON = "json"


@app.command()
def up(
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
) -> None:
    """Start a sandbox in the background.

    Its programs are found, or built once, which takes minutes.
    """
    with _told():
        from ackinstall.sandbox.assembly import up as bring_up  # noqa: PLC0415 (quick --help)
        from ackinstall.sandbox.assembly import wishes  # noqa: PLC0415 (same)
        from ackinstall.sandbox.progress import Progress  # noqa: PLC0415 (same)

        sandbox, started = bring_up(wishes(name, region, charts, controller or []), Progress())
        if not started:
            typer.echo(f"sandbox '{name}' is running already")
        typer.echo(
            f"cluster '{sandbox.name}' in {sandbox.region}, account {sandbox.account}\n"
            f"  look around:  ackinstall sandbox exec --name {name} -- kubectl get pods -A\n"
            f'  in a shell:   eval "$(ackinstall sandbox env --name {name})"\n'
            f"  stop it:      ackinstall sandbox down --name {name}"
        )


@app.command()
def down(
    name: Name = "demo",
    *,
    all_: Annotated[bool, typer.Option("--all", help="Stop every sandbox.")] = False,
) -> None:
    """Stop a sandbox and remove all of it.

    Its programs stay in the cache.
    """
    with _told():
        from ackinstall.sandbox.assembly import down as take_down  # noqa: PLC0415 (quick --help)
        from ackinstall.sandbox.layout import names  # noqa: PLC0415 (same)
        from ackinstall.sandbox.progress import Progress  # noqa: PLC0415 (same)

        for one in names() if all_ else [name]:
            count = take_down(one, Progress())
            typer.echo(f"sandbox '{one}' is gone ({count} processes)")


@app.command()
def status(
    name: Name = "demo", output: Annotated[Output, typer.Option(help="How to answer.")] = Output.TEXT
) -> None:
    """Show how a sandbox is; exit 1 when it is not whole."""
    with _told():
        from ackinstall.sandbox import report  # noqa: PLC0415 (quick --help)

        sandbox = _sandbox(name)
        state = report.state(sandbox)
        typer.echo(report.as_json(state) if output is Output.JSON else report.as_text(state))
        if not state["up"]:
            raise typer.Exit(1)


@app.command()
def env(
    name: Name = "demo",
    format_: Annotated[Format, typer.Option("--format", help="How to answer.")] = Format.SHELL,
) -> None:
    """Print the environment of a sandbox, for eval.

    In a shell: eval "$(ackinstall sandbox env)"
    """
    with _told():
        import os  # noqa: PLC0415 (quick --help)

        from ackinstall.sandbox import environment  # noqa: PLC0415 (same)

        sandbox = _sandbox(name)
        chosen = environment.settings(sandbox, os.environ)
        gone = environment.unsettings(chosen, os.environ, environment.foreign(sandbox))
        as_format = environment.as_json if format_ is Format.JSON else environment.as_shell
        typer.echo(as_format(chosen, gone))


@app.command("exec", context_settings={"allow_interspersed_args": False})
def exec_(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments.", metavar="-- CMD…")],
    name: Name = "demo",
) -> None:
    """Run a command in a sandbox; its exit code is ours.

    helm, kubectl and ackinstall are on its PATH.
    """
    with _told():
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
    part: Annotated[str, typer.Argument(help="The part; without it, the parts are listed.")] = "",
    name: Name = "demo",
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows, until Ctrl-C.")] = False,
) -> None:
    """Print the log of a process, or of a controller.

    Without a part, the parts that have a log are listed.
    """
    with _told():
        from ackinstall.sandbox import report  # noqa: PLC0415 (quick --help)

        if not part:
            typer.echo("\n".join(report.logs(name)))
            return
        for text in report.log(name, part, follow=follow):
            sys.stdout.write(text)
            sys.stdout.flush()


def _sandbox(name: str) -> "Sandbox":
    """Return the sandbox of this name; raise AckinstallError, with the names there are, when it is not up."""
    from ackinstall.sandbox.assembly import existing  # noqa: PLC0415 (quick --help)

    return existing(name)


@contextmanager
def _told() -> Iterator[None]:
    """Turn our errors into a sentence, a hint and an exit code, and signals into an orderly end."""
    import signal  # noqa: PLC0415 (quick --help)

    from ackinstall.errors import AckinstallError  # noqa: PLC0415 (same)

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    try:
        yield
    except AckinstallError as error:
        from ackinstall.report import Report  # noqa: PLC0415 (same)

        Report().error(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from None
