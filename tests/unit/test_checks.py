"""How checks are run and told: order, patience, what is skipped; text, JUnit's XML, GitHub's annotations."""

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from support.broken import NAMESPACE, Broken
from support.broken import raising as raise_
from support.cluster import ApiError

from ackinstall.checks import lists, results
from ackinstall.checks.check import (
    Check,
    Finding,
    Outcome,
    Result,
    Severity,
    failed,
    passed,
    require,
    run,
    unproven,
    warned,
)
from ackinstall.checks.context import Context
from ackinstall.errors import AckinstallError, Retry
from ackinstall.kube import Ref
from ackinstall.resource import Change, Kind

CHECK = ("check", "--cluster", "demo")


@dataclass
class Nowhere:
    """A context that tells nothing but the words of hints."""

    words: Mapping[str, str]


CONTEXT = cast("Context", Nowhere({"cluster": "demo", "namespace": "ack-system"}))


def check(id_: str, look: Callable[[], Finding], *needs: str, **more: object) -> Check:
    """Return a check that looks at nothing."""
    about = {"category": "some", "description": f"{id_} holds", "hint": "see `{cluster}`"}
    given = {"severity": Severity.FATAL, **about, **more}
    return Check(id=id_, look=lambda _: look(), needs=needs, **given)  # type: ignore[arg-type]


def raising(error: Exception) -> Callable[[], Finding]:
    """Return a look that fails."""

    def look() -> Finding:
        raise error

    return look


def outcomes(found: list[Result]) -> dict[str, Outcome]:
    """Return how each check ended."""
    return {one.check.id: one.outcome for one in found}


def test_what_needs_a_failure_is_skipped() -> None:
    """A failure stops only what needs it; a warning stops nothing, unless the check itself does not hold."""
    found = run(
        [
            check("a", lambda: failed("no")),
            check("b", passed, "a"),
            check("c", passed, "b"),
            check("d", lambda: warned("odd")),
            check("e", passed, "d"),
            check("f", lambda: failed("no"), severity=Severity.WARNING),
            check("g", passed, "f"),
            check("h", lambda: unproven("unseen")),
            check("i", passed, "h"),
            check("j", passed, "not-in-the-list"),
        ],
        CONTEXT,
    )
    expected = "failed skipped skipped warning passed warning skipped unproven skipped passed"
    assert [one.outcome.value for one in found] == expected.split()
    assert found[1].message == "'a' has to hold first"
    assert found[0].hint == "see `demo`"


def test_looks_go_side_by_side() -> None:
    """Two checks that wait for one another both end: they are looked at together."""
    meeting = threading.Barrier(2, timeout=10)

    def meet() -> Finding:
        meeting.wait()
        return passed()

    assert set(outcomes(run([check("a", meet), check("b", meet)], CONTEXT)).values()) == {Outcome.PASSED}


def test_what_is_looked_at_is_shown() -> None:
    """While a look takes its time, those who watch see it, and what it waits for; then nothing more."""
    shown = threading.Event()
    seen: list[Mapping[str, tuple[float, str]]] = []

    def look() -> Finding:
        return passed() if shown.wait(0.01) else failed("not yet")

    def show(at_work: Mapping[str, tuple[float, str]]) -> None:
        seen.append(at_work)
        if at_work.get("a holds", (0, ""))[1]:
            shown.set()

    run([check("a", look, patience=60), check("b", passed)], CONTEXT, show=show)
    seconds, why = next(one["a holds"] for one in seen if one.get("a holds", (0, ""))[1])
    assert (seconds > 0, why) == (True, "not yet")
    assert seen[-1] == {}


def test_patience() -> None:
    """What may come true by itself is looked at again until its patience, or `wait_for`, is over."""
    looks: list[str] = []
    told: list[str] = []

    def later() -> Finding:
        looks.append("")
        return passed() if len(looks) > 2 else failed("not yet")

    patient = check("a", later, patience=60)
    assert run([patient], CONTEXT, 0)[0].outcome is Outcome.FAILED
    assert (
        run([patient], CONTEXT, None, lambda one, why: told.append(f"{one.id}: {why}"))[0].outcome
        is Outcome.PASSED
    )
    assert told == ["a: not yet"]
    looks.clear()
    assert run([check("a", later)], CONTEXT, 60)[0].outcome is Outcome.FAILED


def test_an_answer_of_later_is_asked_for_again() -> None:
    """A look that is throttled is made again, whatever the patience."""
    looks: list[str] = []

    def throttled() -> Finding:
        looks.append("")
        if len(looks) == 1:
            raise Retry("slow down")
        return passed()

    assert run([check("a", throttled)], CONTEXT)[0].outcome is Outcome.PASSED


def test_nobody_waits_for_what_cannot_be_seen() -> None:
    """What could not be looked at does not come true by waiting."""
    looks: list[str] = []

    def unseen() -> Finding:
        looks.append("")
        return unproven("denied")

    assert run([check("a", unseen, patience=60)], CONTEXT)[0].outcome is Outcome.UNPROVEN
    assert len(looks) == 1


def test_what_is_left_out() -> None:
    """A check that is left out is not looked at, is told as skipped, and what needs it is looked at."""
    checks = [check("a", lambda: failed("no")), check("b", passed, "a")]
    found = run(lists.without(checks, ["a"]), CONTEXT)
    assert [(one.outcome, one.message, one.hint) for one in found] == [
        (Outcome.SKIPPED, "left out by `--skip-check`", ""),
        (Outcome.PASSED, "", ""),
    ]


def test_errors() -> None:
    """A look that is denied proves nothing, unless nothing can be seen without it; any other error fails."""
    denied = raising(AckinstallError("access-denied", "may not", "allow it"))
    found = run(
        [
            check("a", denied),
            check("b", denied, opens=True),
            check("c", raising(ValueError("oh"))),
        ],
        CONTEXT,
    )
    assert [one.outcome for one in found] == [Outcome.UNPROVEN, Outcome.FAILED, Outcome.FAILED]
    assert [one.hint for one in found[:2]] == ["allow it", "allow it"]
    assert found[2].message == "ValueError: oh"
    with pytest.raises(AckinstallError, match="may not"):
        require(found)
    with pytest.raises(AckinstallError) as caught:
        require(run([check("a-b", lambda: failed("no"))], CONTEXT))
    assert (caught.value.reference, caught.value.message, caught.value.hint) == ("a-b", "no", "see `demo`")
    require(run([check("a", passed)], CONTEXT))


def told() -> list[Result]:
    """Return a result of each outcome."""
    return run(
        [
            check("holds", lambda: passed("v1")),
            check("odd", lambda: warned("odd: 100%")),
            check("broken", lambda: failed("no"), category="other"),
            check("skipped", passed, "broken", category="other"),
            check("unseen", lambda: unproven("denied"), category="other"),
        ],
        CONTEXT,
    )


def test_text() -> None:
    """Marks that the stream cannot show are others; what does not hold has its hint and its section."""
    lines = list(results.text(told(), "utf-8"))
    assert lines[:3] == ["some", "----", "√ holds holds (v1)"]
    assert lines[7:13] == [
        "",
        "other",
        "-----",
        "\N{MULTIPLICATION SIGN} broken holds",
        "    no",
        "    hint: see `demo`",
    ]
    for encoding in ("ascii", "latin-1", None, "no-such"):
        plain = "\n".join(results.text(told(), encoding))
        assert plain.isascii()
        assert [line[:2] for line in plain.splitlines() if " holds" in line] == ["ok", "!!", "xx", "--", "??"]


def test_junit() -> None:
    """A suite for each category; a failure, what was not looked at, and a warning as what the case says."""
    root = ET.fromstring(results.junit(told()))  # noqa: S314 (our own)
    assert [(one.get("name"), one.get("tests"), one.get("failures"), one.get("skipped")) for one in root] == [
        ("some", "2", "0", "0"),
        ("other", "3", "1", "2"),
    ]
    kinds = {case.get("name"): [one.tag for one in case] for case in root.iter("testcase")}
    assert kinds == {
        "holds": [],
        "odd": ["system-out"],
        "broken": ["failure"],
        "skipped": ["skipped"],
        "unseen": ["skipped"],
    }


def test_junit_of_what_no_xml_may_have() -> None:
    """Control characters, as logs have them, leave the report readable."""
    text = results.junit(run([check("a", lambda: failed("\x1b[31mred\x00"))], CONTEXT))
    assert "\N{REPLACEMENT CHARACTER}[31mred" in str(ET.fromstring(text)[0][0][0].text)  # noqa: S314 (our own)


def test_annotations() -> None:
    """Each check that does not hold is one line, escaped as GitHub wants it."""
    assert list(results.annotations(told())) == [
        "::warning title=odd::odd: 100%25; see `demo`",
        "::error title=broken::no; see `demo`",
        "::warning title=unseen::denied; see `demo`",
    ]


def test_a_run_of_up_looks_only_at_what_its_plan_touches() -> None:
    """What a run finds out by itself is left to it; what a plan does not touch does not matter."""

    def ids(kind: Kind, *kinds: str) -> set[str]:
        changes = [Change(kind, cast("object", type("R", (), {"kind": one}))) for one in kinds]  # type: ignore[arg-type]
        return {one.id for one in lists.for_run(lists.before(), changes)}

    nothing = ids(Kind.NOTHING, "iam-role", "helm-release")
    assert nothing == {"aws-credentials-expiry", "clock", "sts-endpoint", "cluster-version", "registry-login"}
    assert ids(Kind.UPDATE, "bucket") - nothing == {"aws-permissions"}
    assert {"admission", "nodes-room", "eks-capability"} <= ids(Kind.CREATE, "helm-release")


def test_check_before_anything_is_there(broken: Broken) -> None:
    """`check --pre` needs no installation, changes nothing, and goes on after a failure."""
    commands = broken.commands
    answer, changed = commands.changed_by(*CHECK, "--pre")
    assert (answer.code, changed, answer.stderr) == (0, False, "")
    assert "33 passed" in answer.stdout
    broken.deny("iam:CreateRole")
    broken.choice["settings"] = []
    answer = commands.run(*CHECK, "--pre", "--set", "controllers.sagemaker.version=9.9.9")
    assert answer.code == 1
    assert "may not call iam:CreateRole" in answer.stdout
    assert "has no version '9.9.9'" in answer.stdout
    assert "√ nobody else has installed these controllers" in answer.stdout


def test_check_after_an_installation(broken: Broken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` fails where nothing is installed, holds after `up`; JUnit's file and annotations go with it."""
    commands = broken.commands
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    report = tmp_path / "junit.xml"
    answer, changed = commands.changed_by(*CHECK, "--junit", str(report))
    assert (answer.code, changed) == (1, False)
    assert "::error title=releases-deployed::there is no release 'ack-sagemaker-controller'" in answer.stderr
    assert "<failure" in report.read_text()
    assert commands.run("up", "--cluster", "demo", "--yes").code == 0
    answer = commands.run(*CHECK, "--wait", "1", "--output", "json")
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert (answer.code, answer.stderr) == (0, "")
    assert next(one for one in events if one["event"] == "checks")["ok"]
    proof = next(one for one in events if one.get("id") == "identity-proof")
    role = "arn:aws:sts::123456789012:assumed-role/ack-controller-role-demo/ackinstall-proof"
    assert proof["message"] == role
    assert proof["data"]["identities"] == dict.fromkeys(
        ["ack-applicationautoscaling-controller", "ack-sagemaker-controller"], role
    )
    answer = commands.run(*CHECK, "--junit", str(tmp_path))
    assert (answer.code, answer.stdout) == (2, "")


def test_a_mistake_stops_before_any_network(broken: Broken) -> None:
    """A wrong profile is exit 2, and nobody is asked anything."""
    broken.world.faults.begin()
    answer = broken.commands.run(*CHECK, "--pre", "--set", "namspace=x")
    assert (answer.code, broken.world.faults.calls) == (2, [])


def test_up_stops_at_what_is_fatal(broken: Broken) -> None:
    """A check that fails fatally ends `up` before anything is changed; with other ones it goes on."""
    broken.deny("iam:PutRolePolicy")
    answer, changed = broken.commands.changed_by("up", "--cluster", "demo", "--yes")
    assert (answer.code, changed, answer.stdout) == (1, False, "")
    assert "may not call iam:PutRolePolicy on 'arn:aws:iam::" in answer.error
    assert answer.error.endswith("[aws-permissions]")
    broken.deny("iam:SimulatePrincipalPolicy")
    answer = broken.commands.run("up", "--cluster", "demo", "--yes")
    assert answer.code == 0
    assert answer.stderr.startswith("? IAM allows this identity what the plan needs\n")


def test_what_only_a_real_call_tells_does_not_stop_a_run(broken: Broken) -> None:
    """A Deny for other addresses: IAM cannot tell, says so and names the key; every real call passes."""
    broken.deny("*", NotIpAddress={"aws:SourceIp": "127.0.0.0/8"})
    for command in ("up", "down"):
        answer = broken.commands.run(command, "--cluster", "demo", "--yes")
        assert answer.code == 0, answer.stderr
        assert "depends on 'aws:SourceIp', which only a real call has" in answer.stderr


def test_a_fatal_check_can_be_left_out(broken: Broken) -> None:
    """`up` and `check` go on without a check that is wrong for somebody, and say so."""
    broken.deny("iam:DeleteRole")
    broken.instead_of_kube(rehearse=raise_(ApiError(403, "Forbidden", "no images of public.ecr.aws")))
    broken.create("v1", "Namespace", NAMESPACE)
    up = ("up", "--cluster", "demo", "--yes")
    assert broken.commands.run(*up).error.endswith("[admission]")
    answer = broken.commands.run(*up, "--skip-check", "admission", "--output", "json")
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.code == 0
    told = next(one for one in events if one.get("id") == "admission")
    assert (told["outcome"], told["message"]) == ("skipped", "left out by `--skip-check`")
    answer = broken.commands.run(*CHECK, "--pre", "--skip-check", "admission")
    assert "/ admission webhooks and policies let the objects through (left out by" in answer.stdout


@pytest.mark.parametrize("command", ["up", "check"])
def test_an_unknown_check_cannot_be_left_out(broken: Broken, command: str) -> None:
    """A mistake in an id stops before any network, and names the near one."""
    broken.world.faults.begin()
    answer = broken.commands.run(command, "--cluster", "demo", "--skip-check", "node-room")
    assert (answer.code, broken.world.faults.calls) == (2, [])
    assert answer.error == "error: there is no check 'node-room'; did you mean 'nodes-room'? [unknown-check]"


def test_up_stops_at_another_account(broken: Broken) -> None:
    """`--account` guards an installation."""
    answer, changed = broken.commands.changed_by(
        "up", "--cluster", "demo", "--yes", "--account", "210987654321"
    )
    assert (answer.code, changed) == (2, False)
    assert answer.error.endswith("[wrong-account]")


def test_up_finds_a_pod_without_an_identity(broken: Broken) -> None:
    """After an `up` with nothing to do, a pod that acts as its node is found out, with the command for it."""
    up = ("up", "--cluster", "demo", "--yes")
    assert broken.commands.run(*up).code == 0

    def forget(pod: dict[str, dict[str, list[dict[str, object]]]]) -> None:
        pod["spec"]["containers"][0]["env"] = []

    broken.world.cluster.change(broken.pod, forget)
    answer = broken.commands.run(*up)
    assert answer.code == 1
    assert "runs on no identity" in answer.error
    assert "kubectl rollout restart deployment" in answer.hint


def test_a_run_that_fails_is_explained_by_the_pods(broken: Broken) -> None:
    """When a release does not come up, what its live pods say is told before the error."""
    up = ("up", "--cluster", "demo", "--yes")
    assert broken.commands.run(*up).code == 0

    def forget(pod: dict[str, dict[str, list[dict[str, object]]]]) -> None:
        pod["spec"]["containers"][0]["env"] = []

    broken.world.cluster.change(broken.pod, forget)
    owner = broken.world.cluster.list("apps/v1", "Deployment", NAMESPACE)[-1]["metadata"]["name"]
    broken.change(Ref("apps/v1", "Deployment", owner, NAMESPACE), status={"replicas": 1})
    answer = broken.commands.run(*up, "--timeout", "0.1")
    assert answer.code == 1
    assert "its pods are not ready yet" in answer.error
    assert "runs on no identity" in answer.stderr
