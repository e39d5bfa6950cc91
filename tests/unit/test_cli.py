"""The command line: what it answers without AWS, its exit codes, its two streams, and how fast it starts."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.commands import Commands
from tables import cases

from ackinstall import __version__, profile

HEAVY = ("boto3", "botocore", "kubernetes", "pyhelm3", "jsonschema", "yaml", "jinja2", "rich", "moto")


def run(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the program as a process of its own."""
    command = [sys.executable, "-m", "ackinstall", *arguments]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["up", "--help"], ["sandbox", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Help and version come at once: none of the libraries that cost time is imported for them."""
    code = (
        "import sys; from ackinstall.cli import main\n"
        "try: main()\n"
        f"finally: print([one for one in {HEAVY} if one in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "[]\n"


def test_the_version_is_printed() -> None:
    """`--version` prints name and version, as `python -m ackinstall` too."""
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ackinstall {__version__}\n", "")


def test_help_names_every_command() -> None:
    """The help lists the commands, and no argument at all shows it too."""
    shown = run("--help").stdout
    for command in (
        "up",
        "down",
        "plan",
        "status",
        "render",
        "iam-policy",
        "outputs",
        "profiles",
        "check",
        "schema",
        "unlock",
        "sandbox",
    ):
        assert f"\n  {command} " in shown
    assert run().stdout + run().stderr == shown


USAGE = [
    ("no cluster", ["up"], "Missing option '--cluster'"),
    ("an unknown option", ["up", "--cluster", "demo", "--forse"], "No such option: --forse"),
    ("an unknown command", ["upp"], "No such command 'upp'"),
    ("an unknown form of output", ["plan", "--cluster", "demo", "--output", "xml"], "'xml' is not one of"),
    ("no number", ["up", "--cluster", "demo", "--timeout", "soon"], "Invalid value for '--timeout'"),
    ("an unknown action", ["profiles", "delete"], "error: there is no 'profiles delete' [unknown-action]"),
    ("an unknown profile", ["profiles", "show", "defualt"], "did you mean 'default'? [unknown-profile]"),
    ("a setting without a value", ["up", "--cluster", "demo", "--set", "namespace"], "[setting-malformed]"),
    ("nothing to render", ["render"], "Missing option '--cluster'"),
    ("a policy for nothing", ["iam-policy", "--for", "plan"], "'plan' is not one of"),
]


@pytest.mark.parametrize(("arguments", "message"), cases(USAGE))
def test_a_mistake_on_the_command_line_is_exit_2(arguments: list[str], message: str) -> None:
    """A wrong command line is answered on stderr, with exit 2, nothing on stdout, and never a traceback."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_profiles_are_listed_and_shown() -> None:
    """`profiles` lists what comes with the program, `profiles show` prints one that can be used as a file."""
    listed = run("profiles").stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(profile.shipped())
    shown = run("profiles", "show", "sagemaker-only").stdout
    assert yaml.safe_load(shown) == profile.load("sagemaker-only").source


def test_profiles_as_json() -> None:
    """With `--output json` each profile is one event."""
    events = [json.loads(line) for line in run("profiles", "--output", "json").stdout.splitlines()]
    assert [one["name"] for one in events if one["event"] == "profile"] == list(profile.shipped())


def test_the_iam_policy_is_json() -> None:
    """`iam-policy` prints a policy that can be piped, without asking AWS."""
    done = run("iam-policy")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Version"] == "2012-10-17"


def test_files_are_written(commands: Commands, tmp_path: Path) -> None:
    """`render --to` writes the documents, names them, and says which folder cannot be written."""
    answer = commands.run("render", "--cluster", "demo", "--to", str(tmp_path / "out"))
    assert answer.code == 0
    assert {Path(line).relative_to(tmp_path / "out").parts[-1] for line in answer.stdout.splitlines()} >= {
        "trust.json",
        "values.yaml",
    }
    assert json.loads((tmp_path / "out" / "trust.json").read_text())["Version"] == "2012-10-17"
    (tmp_path / "file").write_text("")
    answer = commands.run("render", "--cluster", "demo", "--to", str(tmp_path / "file"))
    assert (answer.code, answer.error.endswith("[cannot-write]")) == (2, True)


def test_nobody_can_be_asked(commands: Commands) -> None:
    """Without `--yes` and without a terminal nothing is changed: exit 2."""
    answer, changed = commands.changed_by("up", "--cluster", "demo")
    assert (answer.code, answer.error, changed) == (
        2,
        "error: nobody can be asked here [not-confirmed]",
        False,
    )


def test_pending_changes_are_exit_4(commands: Commands) -> None:
    """`plan --exit-code` tells pending changes from none, without it a plan is exit 0."""
    plan = ("plan", "--cluster", "demo")
    assert commands.run(*plan).code == 0
    assert commands.run(*plan, "--exit-code").code == 4
    assert commands.run("up", "--cluster", "demo", "--yes").code == 0
    assert commands.run(*plan, "--exit-code").code == 0
    assert commands.run(*plan, "--down", "--exit-code").code == 4


def test_the_answer_is_on_stdout_and_progress_on_stderr(commands: Commands) -> None:
    """In text the plan and the sum are the answer, each step is progress."""
    answer = commands.run("up", "--cluster", "demo", "--yes")
    assert "created (" not in answer.stdout
    assert answer.stderr.count("created (") == 15
    assert "ackinstall status --cluster demo" in answer.stdout


def test_json_is_lines_of_json(commands: Commands) -> None:
    """With `--output json` every line of stdout is an event, and every step is among them."""
    answer = commands.run("up", "--cluster", "demo", "--yes", "--output", "json")
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [one["event"] for one in events if one["event"] != "progress"] == [
        "start",
        "plan",
        "installed",
        "end",
    ]
    assert sum(one["event"] == "progress" and one["status"] == "done" for one in events) == 15
    assert len({one["seconds"] for one in events if one["event"] == "progress"}) > 1


def test_a_status_that_is_not_well_is_exit_1(commands: Commands) -> None:
    """`status` is exit 1 while something is missing, at once or after waiting in vain."""
    assert commands.run("status", "--cluster", "demo").code == 1
    assert commands.run("status", "--cluster", "demo", "--wait", "--timeout", "0.1").code == 1
    commands.run("up", "--cluster", "demo", "--yes")
    assert commands.run("status", "--cluster", "demo", "--wait").code == 0


def test_a_traceback_only_for_those_who_ask(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error is a sentence; with `--debug` a traceback stands before it, and the stream has its end."""
    monkeypatch.setenv("ACKINSTALL_DEBUG", "")
    up = ("up", "--cluster", "none", "--yes", "--output", "json")
    plain, told = commands.run(*up), commands.run("--debug", *up)
    assert plain.code == told.code == 2
    assert "Traceback" not in plain.stderr
    assert told.stderr.startswith("Traceback")
    assert told.stderr.endswith(plain.stderr)
    assert [json.loads(line)["event"] for line in told.stdout.splitlines()] == ["start", "error", "end"]
    monkeypatch.setenv("ACKINSTALL_DEBUG", "")


def test_a_reader_that_leaves_stops_nothing() -> None:
    """Whose stdout nobody reads any more, as behind `| head`, ends as it would have."""
    command = f"{sys.executable} -m ackinstall profiles list --output json; echo $? >&2"
    done = subprocess.run(
        ["/bin/sh", "-c", f"({command}) | true"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == "0\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_stream(number: signal.Signals) -> None:
    """A command that waits for AWS is stopped by a signal when the calls in flight have ended: the last event
    says so, exit 130.
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        told = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_REGION": "us-west-2",  # which boto3 alone does not read
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
        }
        command = [sys.executable, "-m", "ackinstall", "plan", "--cluster", "demo", "--output", "json"]
        with subprocess.Popen(
            command, env=os.environ | told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            connections = [silent.accept()[0] for _ in range(2)]
            process.send_signal(number)
            for connection in connections:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                connection.close()
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["start", "error", "end"]
    assert err.startswith("error: stopped before the end [interrupted]")


def test_ids_are_explained() -> None:
    """`explain` prints the section of an id, and what is near to one that there is not."""
    told = run("explain", "clock")
    assert (told.returncode, told.stdout.splitlines()[0][:24]) == (0, "Looks at: the time in an")
    assert "###" not in told.stdout
    wrong = run("explain", "clok")
    assert (wrong.returncode, wrong.stderr.splitlines()[0]) == (
        2,
        "error: nothing is called 'clok'; did you mean 'clock'? [unknown-id]",
    )
