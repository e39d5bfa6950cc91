"""The commands: they parse, confirm and pick exit codes; what happens is decided in the engine.

`up` is the whole story: open the target, plan, show, confirm, lock, run, sum up. The other commands are the
same list of resources, seen another way. Imports that cost time stand in the functions that need them.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ackinstall import __version__
from ackinstall.errors import AckinstallError, Interrupted, UsageError

if TYPE_CHECKING:
    from ackinstall.engine import Options
    from ackinstall.report import Report
    from ackinstall.resource import Change
    from ackinstall.target import Choice, Doors, Target
    from ackinstall.workloads import Workload


class Output(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


class Workloads(StrEnum):
    """What `down` does with custom resources that are alive."""

    REFUSE = "refuse"
    DELETE = "delete"
    RETAIN = "retain"


class OutputsFormat(StrEnum):
    """How `outputs` writes."""

    ENV = "env"
    JSON = "json"


ClusterName = Annotated[str, typer.Option("--cluster", help="The EKS cluster's name.", metavar="NAME")]
Region = Annotated[str | None, typer.Option(help="The cluster's region; default: the AWS configuration's.")]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile", help="What to install: a shipped profile's name, or a file.", metavar="NAME|FILE"
    ),
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="Put a value over the profile's.", metavar="KEY=VALUE")
]
AwsProfile = Annotated[str | None, typer.Option(help="The AWS profile with the credentials.", metavar="NAME")]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="Reach the cluster by this kubeconfig; default: by what EKS says.", metavar="FILE"),
]
Context = Annotated[str | None, typer.Option(help="The kubeconfig's context.", metavar="NAME")]
OutputAs = Annotated[Output, typer.Option("--output", help="Text, or a stream of JSON lines.")]
Timeout = Annotated[float | None, typer.Option(help="The longest wait for one object, in seconds.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over what exists, is not ours and differs.")]
Upgrade = Annotated[
    bool, typer.Option("--upgrade", help="Move charts to the newest version in the profile's range.")
]
DeleteData = Annotated[bool, typer.Option("--delete-data", help="Delete the bucket's objects too.")]
WorkloadsWay = Annotated[
    Workloads, typer.Option("--workloads", help="What happens to custom resources that are alive.")
]
Workers = Annotated[
    int, typer.Option(help="How many objects are worked on side by side.", min=1, max=32, hidden=True)
]

app = typer.Typer(
    name="ackinstall",
    help="Install AWS Controllers for Kubernetes for Amazon SageMaker on an EKS cluster; take them away.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich costs 0.1 s at every start
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        app()
    except AckinstallError as error:
        sys.exit(error.exit_code)


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
    set_: Settings = None,
    yes: Yes = False,
    adopt: Adopt = False,
    upgrade: Upgrade = False,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    timeout: Timeout = None,
    workers: Workers = 8,
    output: OutputAs = Output.TEXT,
) -> None:
    """Install everything that is missing and mend what differs; a second run changes nothing."""
    choice = _choice(cluster, region, profile, set_, aws_profile, kubeconfig, context, upgrade=upgrade)
    with _reporting(output) as report, _opened(ctx, choice, present=True) as target:
        options = _options(present=True, adopt=adopt, workers=workers, timeout=timeout)
        changes = _plan(target, options)
        report.plan(changes, _about(target))
        _refuse(changes)
        if _has_work(changes):
            _may(changes, target)
            _confirm(f"install on the cluster '{cluster}'?", yes=yes, output=output)
            _carry_out(changes, target, options, report)
        _tell_installed(target, report)


@app.command()
def down(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    set_: Settings = None,
    yes: Yes = False,
    workloads: WorkloadsWay = Workloads.REFUSE,
    retained_to: Annotated[
        Path | None, typer.Option(help="Where `--workloads retain` lists what stays.", metavar="FILE")
    ] = None,
    repair_controller: Annotated[
        bool, typer.Option("--repair-controller", help="Put the controllers back first, as `up` does.")
    ] = False,
    delete_data: DeleteData = False,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    timeout: Timeout = None,
    workers: Workers = 8,
    output: OutputAs = Output.TEXT,
) -> None:
    """Take back what `up` made, in the order that loses nothing; what is not ours stays."""
    from ackinstall import workloads as alive_ones  # noqa: PLC0415

    choice = _choice(
        cluster,
        region,
        profile,
        set_,
        aws_profile,
        kubeconfig,
        context,
        delete_data=delete_data,
        workloads=workloads.value,
    )
    with _reporting(output) as report:
        if repair_controller:
            _repair(ctx, choice, _options(present=True, workers=workers, timeout=timeout), report)
        with _opened(ctx, choice, present=False) as target:
            options = _options(present=False, workers=workers, timeout=timeout)
            changes = _plan(target, options)
            report.plan(changes, _about(target))
            alive = _tell_alive(target, report)
            _refuse(changes)
            if _has_work(changes):
                _may(changes, target)
                ends = workloads is Workloads.DELETE and alive_ones.dangerous(alive)
                _confirm(
                    f"remove all this from the cluster '{cluster}'?",
                    yes=yes,
                    output=output,
                    typed=cluster if ends else "",
                )
                if workloads is Workloads.RETAIN:
                    _tell_retained(alive, retained_to, report)
                _carry_out(changes, target, options, report)
                if workloads is Workloads.RETAIN:
                    _prove_retained(alive, target)
            _tell_left(target, options, report)


@app.command()
def plan(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    set_: Settings = None,
    down: Annotated[bool, typer.Option("--down", help="What `down` would do.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 4 when changes are pending.")] = False,
    adopt: Adopt = False,
    upgrade: Upgrade = False,
    workloads: WorkloadsWay = Workloads.REFUSE,
    delete_data: DeleteData = False,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputAs = Output.TEXT,
) -> None:
    """Show what `up` (or `down`) would do; changes nothing."""
    choice = _choice(
        cluster,
        region,
        profile,
        set_,
        aws_profile,
        kubeconfig,
        context,
        upgrade=upgrade,
        delete_data=delete_data,
        workloads=workloads.value,
    )
    with _reporting(output) as report, _opened(ctx, choice, present=not down) as target:
        changes = _plan(target, _options(present=not down, adopt=adopt))
        report.plan(changes, _about(target))
        if down:
            _tell_alive(target, report)
        _refuse(changes)
        if exit_code and _has_work(changes):
            raise typer.Exit(4)


@app.command()
def status(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    set_: Settings = None,
    wait: Annotated[bool, typer.Option("--wait", help="Look until all is well.")] = False,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    timeout: Timeout = 300,
    output: OutputAs = Output.TEXT,
) -> None:
    """Show how the installation stands; exit 1 when something is missing, differs or is not ready."""
    from ackinstall import board  # noqa: PLC0415

    choice = _choice(cluster, region, profile, set_, aws_profile, kubeconfig, context)
    with _reporting(output) as report, _opened(ctx, choice, present=True) as target:
        options = _options(present=True)

        def look() -> "board.Board":
            return board.read(target, _plan(target, options))

        found = board.watch(look, timeout or 0) if wait else look()
        report.event("status", **found.data())
        report.say(*found.text())
        if not found.is_well:
            raise typer.Exit(1)


@app.command()
def render(
    ctx: typer.Context,
    cluster: Annotated[str, typer.Option("--cluster", help="The EKS cluster's name.", metavar="NAME")] = "",
    region: Region = None,
    profile: ProfileName = "",
    set_: Settings = None,
    to: Annotated[Path | None, typer.Option(help="Write files to this folder.", metavar="DIR")] = None,
    installer_policy: Annotated[
        bool,
        typer.Option("--installer-policy", help="Print the IAM policy that `up` and `down` themselves need."),
    ] = False,
    aws_profile: AwsProfile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputAs = Output.TEXT,
) -> None:
    """Write what `up` would send: trust.json, policies, values.yaml and CRDs; changes nothing."""
    from ackinstall import documents  # noqa: PLC0415

    choice = _choice(cluster or "CLUSTER", region, profile, set_, aws_profile, kubeconfig, context)
    files: Mapping[str, str]
    with _reporting(output) as report:
        if installer_policy:
            files = {"installer-policy.json": documents.installer_policy(choice)}
        elif not cluster:
            raise UsageError("no-cluster", "no cluster is named", "add `--cluster NAME`")
        else:
            with _opened(ctx, choice, present=True) as target:
                files = documents.files(target)
        for name in documents.write(files, to) if to else []:
            report.event("file", path=name)
            report.say(name)
        if not to:
            report.event("render", files=files)
            report.say(*documents.printed(files))


@app.command()
def outputs(
    ctx: typer.Context,
    cluster: ClusterName,
    region: Region = None,
    profile: ProfileName = "",
    set_: Settings = None,
    format_: Annotated[
        OutputsFormat, typer.Option("--format", help="Shell exports, or JSON.")
    ] = OutputsFormat.ENV,
    aws_profile: AwsProfile = None,
) -> None:
    """Print names and ARNs of the installation for other programs, under the tutorials' variable names."""
    from ackinstall import documents  # noqa: PLC0415
    from ackinstall.target import known  # noqa: PLC0415

    choice = _choice(cluster, region, profile, set_, aws_profile, None, None)
    with _reporting(Output.TEXT) as report:
        chosen, found = known(choice, _doors(ctx))
        report.say(documents.outputs_text(documents.outputs(chosen, found), format_.value))


@app.command()
def profiles(
    action: Annotated[str, typer.Argument(help="`list`, or `show`.")] = "list",
    name: Annotated[str, typer.Argument(help="The profile to show.")] = "default",
    output: OutputAs = Output.TEXT,
) -> None:
    """List the profiles that come with the program, or show one."""
    from ackinstall import profile as reading  # noqa: PLC0415

    with _reporting(output) as report:
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


def _choice(
    cluster: str,
    region: str | None,
    profile: str,
    settings: list[str] | None,
    aws_profile: str | None,
    kubeconfig: str | None,
    context: str | None,
    *,
    upgrade: bool = False,
    delete_data: bool = False,
    workloads: str = "refuse",
) -> "Choice":
    from ackinstall.target import Choice  # noqa: PLC0415

    return Choice(
        cluster=cluster,
        region=region,
        profile=profile,
        settings=tuple(settings or ()),
        aws_profile=aws_profile,
        kubeconfig=kubeconfig,
        context=context,
        upgrade=upgrade,
        delete_data=delete_data,
        workloads=workloads,
    )


@contextmanager
def _reporting(output: Output) -> "Iterator[Report]":
    """Print what goes wrong in the body, once, and end with its exit code."""
    from ackinstall.errors import translate  # noqa: PLC0415
    from ackinstall.report import Report  # noqa: PLC0415

    report = Report(output.value)
    try:
        yield report
    except (typer.Exit, typer.Abort):
        raise
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("ACKINSTALL_DEBUG"):
            raise
        told = Interrupted() if isinstance(error, KeyboardInterrupt) else translate(error)
        report.error(told)
        raise typer.Exit(told.exit_code) from None


@contextmanager
def _opened(ctx: typer.Context, choice: "Choice", *, present: bool) -> "Iterator[Target]":
    from ackinstall.target import opened  # noqa: PLC0415

    with opened(choice, _doors(ctx), present=present) as target:
        yield target


def _doors(ctx: typer.Context) -> "Doors":
    """Return how the worlds are opened: as the caller of the application says, else really."""
    from ackinstall.target import Doors  # noqa: PLC0415

    return ctx.find_object(Doors) or Doors()


def _options(
    *, present: bool, adopt: bool = False, workers: int = 8, timeout: float | None = None
) -> "Options":
    from ackinstall.engine import Options  # noqa: PLC0415

    return Options(present=present, adopt=adopt, workers=workers, timeout=timeout, stop=threading.Event())


def _plan(target: "Target", options: "Options") -> "list[Change]":
    from ackinstall import engine  # noqa: PLC0415

    return engine.plan(target.resources, target.clients, options)


def _about(target: "Target") -> dict[str, str]:
    facts = target.facts
    return {
        "cluster": facts.cluster.name,
        "region": facts.region,
        "account": facts.account,
        "profile": target.profile.name,
    }


def _has_work(changes: "Sequence[Change]") -> bool:
    from ackinstall.resource import SETTLED  # noqa: PLC0415

    return any(change.kind not in SETTLED for change in changes)


def _refuse(changes: "Sequence[Change]") -> None:
    """Stop before the first write when a person must decide."""
    from ackinstall.engine import refusal  # noqa: PLC0415
    from ackinstall.resource import Kind  # noqa: PLC0415

    refused = [change for change in changes if change.kind is Kind.REFUSE]
    if refused:
        raise refusal(refused)


def _may(changes: "Sequence[Change]", target: "Target") -> None:
    """Stop before the first write when the caller may not carry the plan out."""
    from ackinstall import preflight  # noqa: PLC0415

    rights = preflight.to_carry_out(changes, target.profile.namespace)
    hint = preflight.grant(target.facts.cluster.arn, target.facts.caller)
    preflight.require(target.clients.kube, rights, hint)


def _confirm(question: str, *, yes: bool, output: Output, typed: str = "") -> None:
    """Ask; where `typed` is given, for that very word, because something that works would end."""
    if yes:
        return
    if output is Output.JSON or not sys.stdin.isatty():
        raise UsageError("not-confirmed", "nobody can be asked here", "add `--yes`")
    if typed:
        if typer.prompt(f"this ends what is at work; type '{typed}' to go on", err=True) != typed:
            raise Interrupted
        return
    if not typer.confirm(question, err=True):
        raise Interrupted


def _carry_out(changes: "Sequence[Change]", target: "Target", options: "Options", report: "Report") -> None:
    from ackinstall import engine, lock  # noqa: PLC0415
    from ackinstall.errors import translate  # noqa: PLC0415

    with _stopped_by_signals(options.stop), lock.held(target.clients.kube):
        ended = engine.run(changes, target.clients, options, report.step)
    failed = [one for one in ended if one.status is engine.Status.FAILED]
    if options.stop.is_set():
        raise Interrupted
    for one in failed[:-1]:
        report.error(one.error or translate(Exception(one.detail)))
    if failed:
        raise failed[-1].error or translate(Exception(failed[-1].detail))


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the run after the calls in flight, the second one at once."""

    def handle(_number: int, _frame: object) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_installed(target: "Target", report: "Report") -> None:
    from ackinstall import documents  # noqa: PLC0415

    found = documents.outputs(target.profile, target.facts)
    report.event("installed", outputs=found)
    name = target.facts.cluster.name
    report.say(
        "",
        f"the ACK controllers on '{name}' run, and have proven that they can assume their role",
        f"  role:      {found['IAM_ROLE_ARN_FOR_IRSA']}",
        f"  look:      ackinstall status --cluster {name}",
        f'  go on:     eval "$(ackinstall outputs --cluster {name})"',
        f"  take back: ackinstall down --cluster {name}",
    )


def _tell_alive(target: "Target", report: "Report") -> "list[Workload]":
    """Show the custom resources that are alive, and what their removal means; return them."""
    from ackinstall import workloads  # noqa: PLC0415
    from ackinstall.resources.custom_resources import CustomResources  # noqa: PLC0415

    (guard,) = (one for one in target.resources if isinstance(one, CustomResources))
    alive = guard.alive(target.clients)
    for one in alive:
        report.event("workload", **workloads.data(one))
    if alive:
        report.say("", "alive in the cluster, with what a removal means in AWS:", "")
        report.say(*(f"  {line}" for line in workloads.lines(alive)), "")
    return alive


def _repair(ctx: typer.Context, choice: "Choice", options: "Options", report: "Report") -> None:
    """Put back what the controllers need to do their work on a teardown."""
    from ackinstall import catalog, engine  # noqa: PLC0415

    with _opened(ctx, choice, present=True) as target:
        changes = engine.plan(catalog.needed_by_releases(target.resources), target.clients, options)
        report.plan(changes, _about(target))
        _refuse(changes)
        if _has_work(changes):
            _may(changes, target)
            _carry_out(changes, target, options, report)


def _tell_retained(alive: "Sequence[Workload]", retained_to: Path | None, report: "Report") -> None:
    """Write what will stay in AWS before anything is let go."""
    from ackinstall import documents, retained  # noqa: PLC0415

    manifests = [retained.adoption(one) for one in alive]
    if retained_to:
        documents.write({retained_to.name: documents.manifests(manifests)}, retained_to.parent)
    for one, manifest in zip(alive, manifests, strict=True):
        report.event("retained", arn=one.arn, kind=one.ref.kind, manifest=manifest)
    if alive:
        report.say("these stay in AWS; apply the manifests to give them to a controller again:", "")
        report.say(*(f"  {one.ref.kind} {one.arn or '(nothing in AWS yet)'}" for one in alive), "")
        report.say(documents.manifests(manifests))


def _prove_retained(kept: "Sequence[Workload]", target: "Target") -> None:
    """Raise AckinstallError when something that was to stay in AWS is not there."""
    from ackinstall import retained  # noqa: PLC0415

    lost = retained.lost(target.clients.aws, kept)
    if lost:
        names = ", ".join(f"'{one.arn}'" for one in lost)
        raise AckinstallError("not-retained", f"AWS does not know {names} any more", "look in AWS")


def _tell_left(target: "Target", options: "Options", report: "Report") -> None:
    """Look again after a teardown and say what is left; raises when something should be gone."""
    from ackinstall.resource import Kind  # noqa: PLC0415

    left = [change for change in _plan(target, options) if change.kind is not Kind.NOTHING]
    kept = [change for change in left if change.kind is Kind.LEAVE]
    report.event("left", resources=[{"resource": one.resource.id, "reason": one.reason} for one in left])
    report.say("", "nothing is left" if not left else "left:")
    report.say(*(f"  {one.kind.value} {one.resource.id}  ({one.reason or 'still there'})" for one in left))
    if len(kept) < len(left):
        raise AckinstallError(
            "something-is-left", "not all is gone", "run the same command again: it goes on from here"
        )


def _sandbox() -> typer.Typer:
    from ackinstall.sandbox.cli import app as sandbox  # noqa: PLC0415 (its own imports are late)

    return sandbox


app.add_typer(_sandbox(), name="sandbox")
