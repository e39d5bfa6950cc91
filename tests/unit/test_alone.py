"""Runs that meet: one works, under the lock and from a plan that still holds; others wait, or are told."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from support.chart import variant
from support.commands import Commands, Instead, aws_error
from support.helm import CHARTS
from support.lease import HOLDER, Elsewhere, lease
from support.workloads import SCALING, make, make_scaled_endpoint
from support.world import World

from ackinstall import process
from ackinstall.engine import Options
from ackinstall.errors import Locked, Refused
from ackinstall.execution import Execution, Proposal
from ackinstall.kube import Kube, Manifest, Ref
from ackinstall.lock import PROCESS, REF, Lock
from ackinstall.opening import opening
from ackinstall.report import Report
from ackinstall.target import Choice

CLUSTER = ("--cluster", "demo")
UP, DOWN = ("up", *CLUSTER, "--yes"), ("down", *CLUSTER, "--yes")
ROLE = "ack-controller-role-demo"
RECEIPT = Ref("v1", "ConfigMap", "ackinstall", "ack-system")


def drift(commands: Commands) -> None:
    """Change something that `up` mends."""
    commands.world.aws.client("iam").delete_role_policy(RoleName=ROLE, PolicyName="SagemakerStudioAccess")


@contextmanager
def executing(commands: Commands, *, present: bool = True, workloads: str = "refuse") -> Iterator[Execution]:
    """Give a command at work, without its command line."""
    with opening(Choice(cluster="demo", workloads=workloads), commands.doors) as found:
        yield Execution(found, Options(present=present), Report())


# who holds the lock


def test_a_run_is_told_who_holds_the_lock(installed: Commands) -> None:
    """With a run at work elsewhere `up` and `down` are exit 5 and change nothing; readers go on."""
    drift(installed)
    installed.kube = Elsewhere()
    for command in (UP, DOWN):
        answer, changed = installed.changed_by(*command)
        assert (answer.code, changed) == (5, False)
        assert f"'ackinstall up' by 'arn:aws:iam::123456789012:user/ann' on {HOLDER}" in answer.error
    assert installed.run("plan", *CLUSTER).code == 0


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let SIGINT interrupt: a shell has its background jobs ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("_interruptible")
def test_waiting_can_be_ended(installed: Commands) -> None:
    """Ctrl-C while another run is waited for is exit 130, at once, and nothing is changed."""
    drift(installed)
    other = Elsewhere()

    def interrupt(kube: Kube) -> Kube:
        real = other(kube)

        def get(ref: Ref) -> Manifest | None:
            if ref == REF and other.seen > 3:
                os.kill(os.getpid(), signal.SIGINT)
            return real.get(ref)

        return Instead(real, get=get)  # type: ignore[return-value]

    installed.kube = interrupt
    answer, changed = installed.changed_by(*UP, "--lock-timeout", "3600")
    assert (answer.code, changed) == (130, False)
    assert answer.error.endswith("[interrupted]")


def test_unlock_frees_the_lock(commands: Commands) -> None:
    """It asks first, says whose lock it was, and the next run begins at once."""
    kube: Kube = commands.world.opened().kube
    kube.create(lease())
    refused = commands.run("unlock", *CLUSTER)
    assert (refused.code, refused.error) == (2, "error: nobody can be asked here [not-confirmed]")
    assert kube.get(REF)
    freed = commands.run("unlock", *CLUSTER, "--yes")
    assert freed.code == 0
    assert (
        f"it was held by 'ackinstall up' by 'arn:aws:iam::123456789012:user/ann' on {HOLDER}" in freed.stdout
    )
    assert kube.get(REF) is None
    assert "no run of ackinstall holds the lock" in commands.run("unlock", *CLUSTER, "--yes").stdout


def test_unlock_leaves_another_run_alone(commands: Commands) -> None:
    """A run that took the lock over after it was looked at is told, and keeps it."""
    kube: Kube = commands.world.opened().kube
    kube.create(lease(holder="bob@elsewhere/12-5e6f7a8b"))
    commands.kube = Elsewhere(looks=1)
    answer = commands.run("unlock", *CLUSTER, "--yes")
    assert answer.code == 5
    assert "meanwhile another run has taken the lock: " in answer.error
    assert "on bob@elsewhere/12-5e6f7a8b" in answer.error
    assert kube.get(REF)


@pytest.mark.skipif(not process.identify(os.getpid()), reason="this system does not tell processes apart")
def test_the_lease_of_a_run_that_was_killed_at_its_end_goes(commands: Commands) -> None:
    """With nothing left to do but the lock of a dead run, the next run takes that away too."""
    commands.run(*UP)
    assert commands.run(*DOWN).code == 0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as one:
        dead = process.identify(one.pid)
    left: Any = lease()
    left["metadata"]["annotations"][PROCESS] = dead
    commands.world.cluster.create(left)
    assert commands.run(*DOWN).code == 0
    assert commands.world.cluster.get(REF) is None


# a plan that still holds


def test_a_run_that_waited_looks_again(installed: Commands) -> None:
    """What another run took away meanwhile is made again, though the plan had found it as wanted."""
    drift(installed)
    installed.kube = Elsewhere(4, lambda: installed.world.cluster.delete(RECEIPT))
    answer = installed.run(*UP, "--lock-timeout", "60")
    assert answer.code == 0, answer
    assert "waits for another run: 'ackinstall up'" in answer.stderr
    assert answer.stdout.count("plan for cluster") == 2
    assert installed.run("plan", *CLUSTER, "--exit-code").code == 0


def test_a_run_looks_again_when_another_ended_while_it_planned(installed: Commands) -> None:
    """Another run held the lock when this one looked first, and none when it took it."""
    drift(installed)
    installed.kube = Elsewhere(1, lambda: installed.world.cluster.delete(RECEIPT))
    answer = installed.run(*UP)
    assert answer.code == 0, answer
    assert "waits" not in answer.stderr
    assert installed.run("plan", *CLUSTER, "--exit-code").code == 0


def test_a_run_that_is_alone_plans_once(installed: Commands) -> None:
    """Where nobody was asked and nobody else worked, there is one plan."""
    drift(installed)
    looks: list[str] = []

    def counted(kube: Kube) -> Kube:
        return Instead(kube, list=lambda *a, **k: (looks.append(a[1]), kube.list(*a, **k))[1])  # type: ignore[return-value]

    installed.kube = counted
    with executing(installed) as run:
        proposal = run.propose()
        before = len(looks)
        with run.alone(proposal, lambda _: False) as agreed:
            assert agreed is proposal
        assert len(looks) == before


def test_what_another_run_installs_meanwhile_is_guarded(commands: Commands) -> None:
    """A `down` that found nothing waits for an `up`: what is alive by then is refused, as ever."""
    world = commands.world

    def work() -> None:
        world.up()
        make_scaled_endpoint(world)

    world.cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ack-system"}})
    commands.kube = Elsewhere(4, work)
    answer = commands.run(*DOWN, "--lock-timeout", "60")
    assert answer.code == 3, answer
    assert "custom resources are alive" in answer.error
    assert world.cluster.get(RECEIPT)


class Person:
    """Somebody who is asked, says yes, and takes a while, in which something happens."""

    def __init__(self, *happens: Any) -> None:  # noqa: ANN401 (functions)
        self.seen: list[Proposal] = []
        self._happens = [*happens]

    def __call__(self, proposal: Proposal) -> bool:
        """Agree."""
        self.seen.append(proposal)
        if self._happens:
            self._happens.pop(0)()
        return True


def kinds(proposal: Proposal) -> dict[str, str]:
    """Return what would be done, by resource."""
    return {
        one.resource.id: one.kind.name
        for one in proposal.changes
        if one.kind.name not in ("NOTHING", "LEAVE")
    }


def test_a_person_is_asked_once_about_one_plan(installed: Commands) -> None:
    """What still holds is not shown again."""
    drift(installed)
    person = Person()
    with executing(installed) as run, run.alone(run.propose(), person) as agreed:
        assert len(person.seen) == 1
        assert kinds(agreed) == {f"iam-role/{ROLE}": "UPDATE"}


def test_a_person_is_asked_again_about_another_plan(
    installed: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened while the first question stood is shown, and asked about, under the lock."""
    drift(installed)
    person = Person(lambda: installed.world.cluster.delete(RECEIPT))
    with executing(installed) as run, run.alone(run.propose(), person) as agreed:
        assert installed.world.cluster.get(REF)
        assert agreed is person.seen[1]
        assert kinds(agreed) == {"receipt/ackinstall": "CREATE", f"iam-role/{ROLE}": "UPDATE"}
    assert "+ receipt/ackinstall" in capsys.readouterr().out


def test_less_to_do_is_not_asked_about(installed: Commands) -> None:
    """When another run did a part of it meanwhile, the rest was agreed to."""
    drift(installed)
    installed.world.cluster.delete(RECEIPT)
    person = Person(installed.world.up)
    with executing(installed) as run, run.alone(run.propose(), person) as agreed:
        assert run.carry_out(agreed) == []
    assert len(person.seen) == 1


def test_what_another_run_upgrades_meanwhile_stays_so(installed: Commands) -> None:
    """The chart's version that is kept is the one that is installed by then, not at the first look."""
    mine, other = (Commands(installed.world, installed.folder / name) for name in ("mine", "other"))
    made = variant(CHARTS / "sagemaker-chart", installed.folder / "published", "1.9.0")
    installed.world.gallery.publish(made)
    drift(installed)
    person = Person(lambda: other.run(*UP, "--upgrade"))
    with executing(mine) as run, run.alone(run.propose(), person) as agreed:
        assert kinds(agreed) == {}
    assert len(person.seen) == 1


def test_what_a_person_may_not_decide_alone_is_refused(installed: Commands) -> None:
    """A foreign object that came meanwhile ends the run before its first write, and frees the lock."""
    iam = installed.world.aws.client("iam")
    drift(installed)
    before = installed.world.inventory()

    def adopted_by_others() -> None:
        iam.untag_role(RoleName=ROLE, TagKeys=["ackinstall", "ackinstall:us-west-2/demo"])
        before.update(installed.world.inventory())

    with (
        executing(installed) as run,
        pytest.raises(Refused),
        run.alone(run.propose(), Person(adopted_by_others)),
    ):
        raise AssertionError
    assert installed.world.inventory() == before


def test_a_new_workload_is_asked_about(installed: Commands) -> None:
    """A custom resource that came alive while `down` asked is shown before it goes, also one of a kind that
    was among the others.
    """
    world = installed.world
    *_, policy = make_scaled_endpoint(world)
    spec = (world.cluster.get(policy) or {})["spec"]

    def another() -> None:
        world.cluster.change(policy, lambda found: found["metadata"].pop("finalizers"))
        world.cluster.delete(policy)
        make(world, SCALING, "ScalingPolicy", "another", spec)

    person = Person(another)
    with executing(installed, present=False, workloads="delete") as run, run.alone(run.propose(), person):
        alive = [[one.ref.name for one in seen.alive] for seen in person.seen]
    assert ["another" in names for names in alive] == [False, True]


# the lock while the run works


def test_the_lock_is_held_to_the_end_of_the_proof(commands: Commands) -> None:
    """`up` proves its end before another run may begin, and `down` that nothing is left, but its lock."""
    held: dict[str, bool] = {}

    def watched(kube: Kube) -> Kube:
        def noted(verb: str) -> Any:  # noqa: ANN401 (a verb of Kube's)
            def call(*arguments: Any, **more: Any) -> Any:  # noqa: ANN401 (as Kube's)
                held[verb] = commands.world.cluster.get(REF) is not None
                return getattr(kube, verb)(*arguments, **more)

            return call

        # The last call of both kinds in a run is one of the proof's.
        return Instead(kube, **{verb: noted(verb) for verb in ("logs", "list")})  # type: ignore[return-value]

    commands.kube = watched
    for command in (UP, DOWN):
        held.clear()
        answer = commands.run(*command)
        assert answer.code == 0, answer
        assert held["list"]
        assert commands.world.cluster.get(REF) is None
    assert "nothing is left" in answer.stdout


class Losing(Lock):
    """A lock that is lost once something was written."""

    def __init__(self, world: World) -> None:
        self._world = world

    def lost(self) -> str:
        """See Lock."""
        return "it was taken away" if self._world.cluster.get(Ref("v1", "Namespace", "ack-system")) else ""


def test_a_run_that_loses_its_lock_writes_no_more(commands: Commands) -> None:
    """It ends with Locked, and what was not begun is not there."""
    with executing(commands) as run:
        proposal = run.propose()
        losing = replace(proposal, target=replace(proposal.target, lock=Losing(commands.world)))
        with pytest.raises(Locked, match="stopped before its next write: it was taken away"):
            replace(run, options=replace(run.options, workers=1)).carry_out(losing)
    assert commands.world.cluster.get(RECEIPT) is None


# exit codes


EXPIRING = [("sts", "get_caller_identity", 2), ("s3", "put_bucket_policy", 1)]


@pytest.mark.parametrize(("service", "operation", "code"), EXPIRING)
def test_once_something_was_written_a_failure_is_exit_1(
    commands: Commands, service: str, operation: str, code: int
) -> None:
    """Credentials that expire are exit 2 only while nothing was changed; what is told is the same."""
    real = commands.world.aws

    def expired(**_: object) -> None:
        raise aws_error("ExpiredToken", "The security token included in the request is expired", operation)

    def client(name: str) -> Any:  # noqa: ANN401 (boto3's)
        found = real.client(name)
        return Instead(found, **{operation: expired}) if name == service else found

    commands.aws = Instead(real, client=client)  # type: ignore[assignment]
    answer = commands.run(*UP)
    assert (answer.code, answer.error) == (
        code,
        "error: the AWS credentials have expired [expired-credentials]",
    )
    assert "log in again" in answer.hint
