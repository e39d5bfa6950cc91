"""The commands that hints name: they reach the target that was chosen, and the command line takes them."""

import shlex
from dataclasses import fields

import pytest
import typer
from support.broken import Broken

from ackinstall.checks import lists
from ackinstall.cli import app
from ackinstall.target import Choice

CHOSEN = Choice(
    cluster="demo",
    region="eu-west-1",
    profile="my profile.yaml",
    settings=["namespace=ml", "bucket.name=a b"],
    aws_profile="prod",
    kubeconfig="kube.yaml",
    context="admin",
    account="123456789012",
    skip_check=["nodes-room", "admission"],
)
COMMANDS = {name: one for name, one in typer.main.get_command(app).commands.items() if name != "sandbox"}  # type: ignore[attr-defined]
FACING = [name for name, one in COMMANDS.items() if "cluster" in {param.name for param in one.params}]


def test_all_that_was_chosen_is_said_again() -> None:
    """A command goes with every choice, quoted for a shell, and with what is added."""
    assert CHOSEN.again("up", "--upgrade") == (
        "ackinstall up --cluster demo --region eu-west-1 --profile 'my profile.yaml' --set namespace=ml "
        "--set 'bucket.name=a b' --account 123456789012 --skip-check nodes-room "
        "--skip-check admission --aws-profile prod --kubeconfig kube.yaml "
        "--context admin --upgrade"
    )
    assert Choice(cluster="demo").again("status") == "ackinstall status --cluster demo"


def test_other_programs_reach_the_same_target() -> None:
    """What `aws`, `kubectl` and `helm` need to reach it; nothing where nothing was chosen."""
    assert CHOSEN.aws_options("us-west-2") == " --region us-west-2 --profile prod"
    assert CHOSEN.kubectl == "kubectl --kubeconfig kube.yaml --context admin"
    assert CHOSEN.helm == "helm --kubeconfig kube.yaml --kube-context admin"
    plain = Choice(cluster="demo")
    assert (plain.aws_options(""), plain.kubectl, plain.helm) == ("", "kubectl", "helm")


@pytest.mark.parametrize("name", FACING)
def test_a_command_takes_what_is_said_again(name: str) -> None:
    """The command line understands the line, and takes every choice that it has an option for."""
    command = COMMANDS[name]
    with command.make_context(name, shlex.split(CHOSEN.again(name))[2:]) as parsed:
        for field in fields(Choice):
            chosen = getattr(CHOSEN, field.name)
            if chosen != field.default and field.name in parsed.params:
                assert parsed.params[field.name] == chosen


def test_a_hint_of_a_check_reaches_the_same_target(broken: Broken) -> None:
    """The command in a hint has what the command line of the check had."""
    broken.choice |= {"settings": ["bucket.name=mine"], "aws_profile": "prod"}
    found = broken.look("releases-deployed", lists.after())
    assert "`ackinstall up --cluster demo --set bucket.name=mine --aws-profile prod`" in found.hint
