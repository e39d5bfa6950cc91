"""The commands: they parse, confirm and pick exit codes; what happens is decided in the engine.

`up` is the whole story: open the target, plan, show, confirm, run, sum up. The other commands are the same
list of resources, seen another way. Imports that cost time stand in the functions that need them.
"""

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ackinstall import __version__
from ackinstall.errors import AckinstallError, Interrupted, UsageError
from ackinstall.options import (
    Account,
    Adopt,
    AwsProfile,
    ClusterName,
    Context,
    DeleteData,
    EventsFile,
    Kubeconfig,
    LockTimeout,
    NoColor,
    Output,
    OutputAs,
    OutputsFormat,
    ProfileName,
    Purpose,
    Region,
    RepairController,
    RetainedTo,
    Settings,
    SkipCheck,
    Timeout,
    Upgrade,
    Wait,
    Workers,
    Workloads,
    WorkloadsWay,
    Yes,
)
from ackinstall.reporting import reporting

if TYPE_CHECKING:
    from ackinstall.engine import Options
    from ackinstall.execution import Execution, Proposal
    from ackinstall.opening import Opening
    from ackinstall.report import Report
    from ackinstall.target import Choice, Doors


app = typer.Typer(
    name="ackinstall",
    help="Install AWS Controllers for Kubernetes for Amazon SageMaker on an EKS cluster; take them away.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs 0.1 s at every start
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Run the program, and end its process at once: to take apart all that was loaded costs 0.3 s, and there
    is nothing left to do.
    """
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):
            stream.flush()
    os._exit(code if isinstance(code, int) else bool(code))


def main() -> None:
    """Run the command line and exit with its code. SIGINT and SIGTERM end it after the calls in flight, a
    second one at once.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    gc.set_threshold(50_000)  # loading and reading makes much and drops little: it saves a tenth of the time
    try:
        app()
    except AckinstallError as error:
        sys.exit(error.exit_code)


def _interrupt(_number: int, _frame: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(Interrupted.exit_code))
    raise KeyboardInterrupt


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (typer's way to call it)
    if wanted:
        typer.echo(f"ackinstall {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks.", envvar="ACKINSTALL_DEBUG")
    ] = False,
) -> None:
    if debug:
        os.environ["ACKINSTALL_DEBUG"] = "1"


@app.command()
def up(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    yes: Yes = False,
    adopt: Adopt = False,
    upgrade: Upgrade = False,
    account: Account = "",
    skip_check: SkipCheck = None,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    timeout: Timeout = None,
    lock_timeout: LockTimeout = 0.0,
    workers: Workers = 8,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Install everything that is missing and mend what differs; a second run changes nothing."""
    from ackinstall import examination, installation  # noqa: PLC0415
    from ackinstall.checks import lists  # noqa: PLC0415

    with reporting(ctx) as report:
        lists.require_known(skip_check or ())
        with _executing(ctx, report, present=True) as run:
            proposal = run.propose()
            examination.prepare(run.context, proposal.changes, report)
            run.show(proposal)
            run.allow(proposal)
            question = f"install on the cluster '{cluster}'?"
            with run.alone(proposal, lambda _: _confirm(question, ctx)) as agreed:
                with examination.explained(run.context, report):
                    run.carry_out(agreed)
                examination.prove(run.context, report)
            installation.tell(run.opening.choice, agreed.target, report)
            report.sum_up()


@app.command()
def down(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    yes: Yes = False,
    workloads: WorkloadsWay = Workloads.REFUSE,
    retained_to: RetainedTo = None,
    repair_controller: RepairController = False,
    delete_data: DeleteData = False,
    account: Account = "",
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    timeout: Timeout = None,
    lock_timeout: LockTimeout = 0.0,
    workers: Workers = 8,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Take back what `up` made, in the order that loses nothing; what is not ours stays."""
    from ackinstall import examination, teardown  # noqa: PLC0415
    from ackinstall.workloads import dangerous  # noqa: PLC0415

    def confirm(proposal: "Proposal") -> bool:
        ends = workloads is Workloads.DELETE and dangerous(proposal.alive)
        return _confirm(f"remove all this from the cluster '{cluster}'?", ctx, typed=cluster if ends else "")

    with reporting(ctx) as report:
        if repair_controller:
            with _executing(ctx, report, present=True) as run:
                teardown.repair(run)
        with _executing(ctx, report, present=False) as run:
            proposal = run.propose()
            run.show(proposal)
            run.allow(proposal)
            examination.prepare_removal(run.context, proposal.changes, report)
            with run.alone(proposal, confirm) as agreed:
                retains = workloads is Workloads.RETAIN and agreed.has_work
                if retains:
                    teardown.tell_retained(agreed, retained_to, report)
                ended = run.carry_out(agreed)
                if retains:
                    teardown.prove_retained(agreed.alive, agreed.target)
                teardown.prove(run, agreed.target, ended)
            report.sum_up()


@app.command()
def plan(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    down: Annotated[bool, typer.Option("--down", help="What `down` would do.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 4 when changes are pending.")] = False,
    adopt: Adopt = False,
    upgrade: Upgrade = False,
    workloads: WorkloadsWay = Workloads.REFUSE,
    delete_data: DeleteData = False,
    account: Account = "",
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Show what `up` (or `down`) would do; changes nothing."""
    from ackinstall import engine  # noqa: PLC0415

    with reporting(ctx) as report, _executing(ctx, report, present=not down) as run:
        proposal = run.propose()
        run.show(proposal)
        engine.check(proposal.changes)
        report.sum_up()
        if exit_code and proposal.has_work:
            raise typer.Exit(4)


@app.command()
def check(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    pre: Annotated[
        bool, typer.Option("--pre", help="What has to hold before `up`; nothing needs to be installed.")
    ] = False,
    wait: Annotated[
        float, typer.Option(help="How long to wait for what may come true by itself.", metavar="SECONDS")
    ] = 0,
    account: Account = "",
    skip_check: SkipCheck = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write a JUnit report too.", metavar="FILE", dir_okay=False)
    ] = None,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Look at everything that has to hold, and say what to do; changes nothing. Exit 1 when something fatal
    does not hold.
    """
    from ackinstall import examination  # noqa: PLC0415
    from ackinstall.checks import lists  # noqa: PLC0415
    from ackinstall.checks.context import Context as Looking  # noqa: PLC0415

    with reporting(ctx) as report:
        lists.require_known(skip_check or ())
        with _opening(ctx, report) as found:
            checks = lists.before() if pre else lists.after()
            found.begin()
            results = examination.examine(checks, Looking(found), report, wait, junit)
        if any(one.is_fatal for one in results):
            raise typer.Exit(1)


@app.command()
def status(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    wait: Wait = False,
    account: Account = "",
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    timeout: Timeout = 300,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Show how the installation stands; exit 1 when something is missing, differs or is not ready."""
    from ackinstall import board  # noqa: PLC0415
    from ackinstall.checks import results  # noqa: PLC0415
    from ackinstall.checks.context import Context as Looking  # noqa: PLC0415

    with reporting(ctx) as report, _opening(ctx, report) as found:
        _ = found.known
        encoding = getattr(report.answer, "encoding", None)

        def look() -> "board.Board":
            return board.read(Looking(found))

        with report.redrawing() as show:
            seen = board.watch(
                look,
                (timeout or 0) if wait else 0,
                lambda one: show([*one.rows(encoding), one.verdict], one.verdict),
            )
        report.event("status", **seen.data())
        report.say(*seen.text(encoding), f"{results.summary(seen.results)} {report.spent()}", seen.verdict)
        if not seen.is_well:
            raise typer.Exit(1)


@app.command()
def unlock(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    yes: Yes = False,
    account: Account = "",
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Take the lock away from a run that is known to be dead; one that still lives notices it within seconds
    and stops.
    """
    from ackinstall import lock  # noqa: PLC0415

    with reporting(ctx) as report, _opening(ctx, report) as found:
        _ = found.server_version
        kube = found.clients.kube
        lease = kube.get(lock.REF)
        if lease is None:
            report.event("unlocked", holder="")
            report.say(f"no run of ackinstall holds the lock of '{cluster}'")
            return
        holder = lock.described(lease)
        _confirm(f"take the lock away from {holder}?", ctx)
        lock.take_away(kube, lease)
        report.event("unlocked", holder=holder)
        report.say(f"the lock of '{cluster}' is free; it was held by {holder}")


@app.command()
def render(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    to: Annotated[Path | None, typer.Option(help="Write files to this folder.", metavar="DIR")] = None,
    account: Account = "",
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """Write what `up` would send: trust.json, policies, values.yaml and CRDs; changes nothing."""
    from ackinstall import documents  # noqa: PLC0415

    with reporting(ctx) as report:
        with _executing(ctx, report, present=True) as run:
            files = documents.files(run.open())
        for name in documents.write(files, to, "another folder with `--to DIR`") if to else []:
            report.event("file", path=name)
            report.say(name)
        if not to:
            report.event("render", files=files)
            report.say(*documents.printed(files))


@app.command("iam-policy")
def iam_policy(
    ctx: typer.Context,
    purpose: Annotated[Purpose, typer.Option("--for", help="Which command is to be allowed.")] = Purpose.ALL,
    cluster: Annotated[
        str, typer.Option("--cluster", help="Narrow it to this cluster and the account.", metavar="NAME")
    ] = "",
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    aws_profile: AwsProfile = None,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
) -> None:
    """Print the least IAM policy that a person or a pipeline needs to run the commands on a profile."""
    import json  # noqa: PLC0415

    from ackinstall import documents  # noqa: PLC0415

    with reporting(ctx) as report:
        document = documents.installer_policy(_choice(ctx), _doors(ctx), purpose.value)
        report.event("iam-policy", purpose=purpose.value, document=document)
        report.say(json.dumps(document, indent=2))


@app.command()
def outputs(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    settings: Settings = None,
    format_: Annotated[
        OutputsFormat, typer.Option("--format", help="Shell exports, or JSON.")
    ] = OutputsFormat.ENV,
    account: Account = "",
    aws_profile: AwsProfile = None,
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
) -> None:
    """Print names and ARNs of the installation for other programs, under the tutorials' variable names."""
    from ackinstall import documents  # noqa: PLC0415

    with reporting(ctx) as report, _opening(ctx, report) as found:
        named = documents.outputs(found.profile, found.known)
        report.event("outputs", outputs=named)
        report.say(documents.outputs_text(named, format_.value))


@app.command()
def profiles(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(help="`list`, or `show`.")] = "list",
    name: Annotated[str, typer.Argument(help="The profile to show.")] = "default",
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
    no_color: NoColor = False,
) -> None:
    """List the profiles that come with the program, or show one."""
    from ackinstall import profile as reading  # noqa: PLC0415

    with reporting(ctx) as report:
        if action not in ("list", "show"):
            raise UsageError(
                "unknown-action", f"there is no 'profiles {action}'", "run `ackinstall profiles show default`"
            )
        if action == "show":
            text = reading.read(name)
            report.event("profile", name=name, text=text)
            report.say(text.rstrip())
            return
        for each, summary in reading.shipped().items():
            report.event("profile", name=each, summary=summary)
            report.say(f"{each:<16} {summary}")


@app.command()
def schema(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="`events`, or `profile`.")],
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
) -> None:
    """Print a JSON Schema: of the stream that `--output json` prints, or of profiles."""
    import json  # noqa: PLC0415

    from ackinstall import schemas  # noqa: PLC0415

    with reporting(ctx) as report:
        if name not in schemas.NAMES:
            raise UsageError(
                "unknown-schema", f"there is no schema '{name}'", f"name one of: {', '.join(schemas.NAMES)}"
            )
        text = schemas.read(name)
        report.event("schema", name=name, document=json.loads(text))
        report.say(text.rstrip())


@app.command()
def explain(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(help="A check's id, or an error's reference.", metavar="ID")],
    output: OutputAs = Output.TEXT,
    events: EventsFile = None,
) -> None:
    """Print what a check looks at and how it is mended, or what an error means and what helps."""
    from ackinstall import explanations  # noqa: PLC0415

    with reporting(ctx) as report:
        text = explanations.explain(id_)
        report.event("explanation", id=id_, text=text)
        report.say(text)


def _choice(ctx: typer.Context) -> "Choice":
    """Return what the command line chooses of the target."""
    from dataclasses import fields  # noqa: PLC0415

    from ackinstall.target import Choice  # noqa: PLC0415

    chosen = {one.name: ctx.params[one.name] for one in fields(Choice) if one.name in ctx.params}
    return Choice(**chosen, command=ctx.info_name or "")


@contextmanager
def _opening(ctx: typer.Context, report: "Report") -> "Iterator[Opening]":
    """Begin to open the target that the command line chooses; the report counts its calls of AWS."""
    from ackinstall.opening import opening  # noqa: PLC0415

    before = report.aws_calls
    with opening(_choice(ctx), _doors(ctx)) as found:
        report.aws_calls = lambda: before() + found.aws_calls
        report.cluster, report.region = found.choice.cluster, found.choice.region
        yield found


@contextmanager
def _executing(ctx: typer.Context, report: "Report", *, present: bool) -> "Iterator[Execution]":
    """Begin to open the target that the command line chooses, for an installation or for a teardown."""
    from ackinstall.execution import Execution  # noqa: PLC0415

    with _opening(ctx, report) as found:
        yield Execution(found, _options(ctx, present=present), report)


def _doors(ctx: typer.Context) -> "Doors":
    """Return how the worlds are opened: as the caller of the application says, else really."""
    from ackinstall.target import Doors  # noqa: PLC0415

    return ctx.find_object(Doors) or Doors()


def _options(ctx: typer.Context, *, present: bool) -> "Options":
    from ackinstall.engine import Options  # noqa: PLC0415

    chosen = {key: ctx.params[key] for key in ("adopt", "workers", "timeout") if key in ctx.params}
    return Options(present=present, stop=threading.Event(), **chosen)


def _confirm(question: str, ctx: typer.Context, typed: str = "") -> bool:
    """Ask; where `typed` is given, for that very word, because something that works would end. Tell whether
    somebody was asked.
    """
    if ctx.params["yes"]:
        return False
    if ctx.params["output"] is Output.JSON or not sys.stdin.isatty():
        raise UsageError("not-confirmed", "nobody can be asked here", "add `--yes`")
    if typed:
        if typer.prompt(f"this ends what is at work; type '{typed}' to go on", err=True) != typed:
            raise Interrupted
    elif not typer.confirm(question, err=True):
        raise Interrupted
    return True


def _sandbox() -> typer.Typer:
    from ackinstall.sandbox.cli import app as sandbox  # noqa: PLC0415 (its own imports are late)

    return sandbox


app.add_typer(_sandbox(), name="sandbox")
