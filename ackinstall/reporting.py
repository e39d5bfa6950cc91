"""What every command works in: a report on which what goes wrong is told once, and which ends with a code."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from ackinstall import __version__
from ackinstall.errors import Interrupted, cannot_write, translate
from ackinstall.options import Output

if TYPE_CHECKING:
    from ackinstall.report import Report


@contextmanager
def reporting(ctx: typer.Context) -> "Iterator[Report]":
    """Give the report that the command line asks for, begin and end its stream, and print what goes wrong in
    the body. Ends with typer.Exit where the exit code is not 0.
    """
    from ackinstall.report import Report  # noqa: PLC0415 (costs 0.1 s, which `--help` need not wait for)

    chosen = ctx.params.get("output", Output.TEXT).value
    report = Report(chosen, plain=ctx.params.get("no_color", False))
    code = 0
    with ExitStack() as files:
        try:
            try:
                report.events = _events_file(ctx.params.get("events"), files)
            finally:
                report.start(_command(ctx), __version__)
            yield report
        except typer.Exit as ended:
            code = ended.exit_code
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (whatever it is, the stream has its end)
            is_stopped = isinstance(error, (KeyboardInterrupt, typer.Abort))
            told = Interrupted() if is_stopped else translate(error)
            if os.environ.get("ACKINSTALL_DEBUG"):
                report.traceback(error)
            report.error(told)
            report.sum_up_work()
            code = report.exit_code(told)
        report.end(code)
    if code:
        raise typer.Exit(code)


def _command(ctx: Any) -> str:  # noqa: ANN401 (typer has no public name for the class of `parent`)
    """Return the command's name, after its group's if it has one."""
    return f"{_command(ctx.parent)} {ctx.info_name}".strip() if ctx.parent else ""


def _events_file(path: Path | None, files: ExitStack) -> TextIO | None:
    """Return the file that takes the stream too. Raises UsageError when it cannot be written."""
    if path is None:
        return None
    try:
        return files.enter_context(path.open("w", encoding="utf-8"))
    except OSError as error:
        raise cannot_write(error, "another file with `--events FILE`") from error
