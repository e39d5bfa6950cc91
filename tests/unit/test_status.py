"""`status` waits until all is well, or says what is not."""

import io
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from support.chart import variant
from support.commands import Commands
from support.helm import CHARTS

from ackinstall import board
from ackinstall.checks.check import Check, Outcome, Result, Severity
from ackinstall.checks.results import MARKS
from ackinstall.kube import Ref
from ackinstall.live import redrawn

CLUSTER = ("--cluster", "demo")
IAM_ROLE = "ack-controller-role-demo"


def result(outcome: Outcome, identity: str = "drift") -> Result:
    """Return how a check ended."""
    check = Check(
        id=identity,
        category="drift",
        description="it holds",
        severity=Severity.WARNING,
        hint="mend it",
        look=lambda _: pytest.fail("is not looked at here"),
    )
    return Result(check, outcome, "told", "mend it", is_met=outcome is Outcome.PASSED)


def boards(*outcomes: Outcome) -> Any:  # noqa: ANN401 (a function)
    """Return what gives one board after the other."""
    found = iter(board.Board(cluster="demo", results=(result(one),)) for one in outcomes)
    return lambda: next(found)


def test_waiting_ends_when_all_is_well() -> None:
    """Each board that is not well is shown, the first that is ends the wait."""
    shown: list[str] = []
    look = boards(Outcome.WARNING, Outcome.FAILED, Outcome.PASSED)
    last = board.watch(look, 60, lambda one: shown.append(one.verdict))
    assert (last.is_well, last.verdict) == (True, "all is well")
    assert shown == ["'demo' is not well: 'drift'"] * 2


def test_waiting_ends_with_the_time() -> None:
    """Without time there is one look."""
    last = board.watch(boards(Outcome.FAILED), 0, lambda _: pytest.fail("is not to be waited for"))
    assert (last.is_well, last.verdict) == (False, "'demo' is not well: 'drift'")


WELL = [
    ((Outcome.PASSED, "pods"), True),
    ((Outcome.WARNING, "newer-versions"), True),
    ((Outcome.UNPROVEN, "controller-log"), True),
    ((Outcome.WARNING, "drift"), False),
    ((Outcome.FAILED, "pods"), False),
]


@pytest.mark.parametrize(("ended", "is_well"), WELL)
def test_what_is_well(ended: tuple[Outcome, str], is_well: bool) -> None:  # noqa: FBT001 (a table's column)
    """A warning is shown and is no failure, but drift is: then it is not as the profile wants it."""
    assert board.Board(cluster="demo", results=(result(*ended),)).is_well is is_well


def test_what_could_not_be_looked_at_is_named() -> None:
    """Where nothing is known to be wrong, but not all was looked at, the verdict does not say that all is
    well; where something is wrong, only that is named.
    """
    unproven, skipped = result(Outcome.UNPROVEN, "identity-proof"), result(Outcome.SKIPPED, "drift")
    unseen = board.Board(cluster="demo", results=(unproven, skipped))
    assert (unseen.is_well, unseen.verdict) == (
        True,
        "nothing is known to be wrong; not proven: 'identity-proof', 'drift'",
    )
    odd = result(Outcome.WARNING, "newer-versions")
    wrong = board.Board(cluster="demo", results=(unproven, odd, result(Outcome.FAILED, "pods-ready")))
    assert wrong.verdict == "'demo' is not well: 'pods-ready'"


def test_the_board_has_a_row_a_controller(commands: Commands) -> None:
    """Each controller's row says what holds of it alone; what is missing is named where it stands."""
    commands.run("up", *CLUSTER, "--yes")
    world = commands.world
    world.aws.client("s3").delete_bucket(Bucket="ack-sagemaker-bucket-123456789012")
    pods = [one for one in world.cluster.list("v1", "Pod", "ack-system") if "sagemaker" in str(one)]

    def unready(pod: dict[str, Any]) -> None:
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]

    for pod in pods:
        world.cluster.change(Ref("v1", "Pod", pod["metadata"]["name"], "ack-system"), unready)
    bad = MARKS[Outcome.FAILED][0]
    lines = [" ".join(line.split()) for line in commands.run("status", *CLUSTER).stdout.splitlines()]
    assert f"{bad} sagemaker 1.8.2, is not ready, acts as 'ack-controller-role-demo'" in lines
    assert "√ applicationautoscaling 1.4.1, 1 ready, acts as 'ack-controller-role-demo'" in lines
    assert f"{bad} bucket ack-sagemaker-bucket-123456789012: is missing" in lines
    assert "√ iam-role ack-controller-role-demo" in lines


def test_a_version_beyond_the_range_is_told(commands: Commands) -> None:
    """A chart that is newer than the profile allows is named, and is no fault."""
    commands.run("up", *CLUSTER, "--yes")
    commands.world.gallery.publish(
        variant(CHARTS / "sagemaker-chart", commands.folder / "published", "9.0.0")
    )
    answer = commands.run("status", *CLUSTER)
    assert answer.code == 0
    assert "applicationautoscaling 1.4.1; beyond the profile's range: sagemaker 9.0.0\n" in answer.stdout


def test_a_status_names_what_is_not_well(commands: Commands) -> None:
    """The trust of the role broken behind us: `status` says which claim, and exits 1."""
    commands.run("up", *CLUSTER, "--yes")
    assert commands.run("status", *CLUSTER, "--wait").code == 0
    commands.world.aws.client("iam").delete_role_policy(RoleName=IAM_ROLE, PolicyName="SagemakerStudioAccess")
    answer = commands.run("status", *CLUSTER, "--wait", "--timeout", "0.1")
    assert answer.code == 1
    assert answer.stdout.splitlines()[-1] == "'demo' is not well: 'drift'"


def test_a_terminal_is_redrawn() -> None:
    """The board of before gives way to the next one, and nothing is left of the last."""
    terminal = SimpleNamespace(text=io.StringIO())
    with redrawn(terminal.text) as draw:
        draw(["one"])
        draw(["two"])
    assert terminal.text.getvalue().count("two") <= 1


def test_what_several_checks_need_is_read_once(installed: Commands) -> None:
    """Helm tells of a release when its chart is chosen, when it has to be deployed, and when it is compared;
    IAM tells of all roles at once.
    """
    faults = installed.world.faults
    faults.begin()
    assert installed.run("status", *CLUSTER).code == 0
    asked = Counter(one.name for one in faults.calls)
    assert asked["helm:status ack-sagemaker-controller"] == 3
    assert asked["iam:GetAccountAuthorizationDetails"] == 1
    assert not faults.named("iam:GetRole", "iam:ListAttachedRolePolicies")
