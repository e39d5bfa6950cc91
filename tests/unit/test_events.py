"""The stream of events: every line of it is as its schema says, and the schema speaks of every event."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from support.commands import Commands, Instead, aws_error

from ackinstall.schemas import read

ROOT = Path(__file__).parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden" / "expected").glob("*.jsonl"))
UP = ("up", "--cluster", "demo", "--yes")


def checked(text: str) -> list[dict[str, object]]:
    """Return the events of a stream, each of which has to be as the schema says."""
    validator = jsonschema.Draft202012Validator(json.loads(read("events")))
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        validator.validate(event)
    return events


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_golden_stream_is_as_the_schema_says(path: Path) -> None:
    """Streams begin with `start` and end with `end`."""
    events = checked(path.read_text(encoding="utf-8"))
    assert [events[0]["event"], events[-1]["event"]] == ["start", "end"]


def test_the_schema_speaks_of_every_event() -> None:
    """No event in the code is missing in the schema, and none there is unknown to the code."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "ackinstall").glob("**/*.py"))
    sent = set(re.findall(r'\.event\(\s*"([\w-]+)"', code))
    known = {one["properties"]["event"]["const"] for one in json.loads(read("events"))["oneOf"]}
    assert sent == known


def test_the_stream_is_written_beside_the_text(commands: Commands, tmp_path: Path) -> None:
    """`--events` takes the whole stream while stdout has the text, which ends with counts, time and calls."""
    answer = commands.run(*UP, "--events", str(tmp_path / "events.jsonl"))
    assert answer.code == 0
    summary = answer.stdout.splitlines()[-1]
    assert re.fullmatch(r"15 created in \d+\.\d s, with \d+ AWS calls", summary)
    events = checked((tmp_path / "events.jsonl").read_text())
    assert events[-1]["counts"] == {"created": 15}
    assert f"with {events[-1]['awsCalls']} AWS calls" in summary
    assert events[-1]["awsCalls"] == commands.world.aws.calls


def test_a_stream_ends_with_the_exit_code(commands: Commands) -> None:
    """Whatever goes wrong, the last line says how the command ended."""
    for arguments, code in (
        (("plan", "--cluster", "demo", "--exit-code"), 4),
        (("status", "--cluster", "demo"), 1),
        (("up", "--cluster", "none", "--yes"), 2),
        (("up", "--cluster", "demo"), 2),
    ):
        answer = commands.run(*arguments, "--output", "json")
        assert (answer.code, checked(answer.stdout)[-1]["exit"]) == (code, code)


def test_a_run_that_fails_is_summed_up_too(commands: Commands) -> None:
    """What was done and what was not is counted, in the text and in the last event."""
    denied = aws_error("AccessDenied", "no", "CreateBucket", 403)

    def deny(**_: object) -> None:
        raise denied

    real = commands.world.aws
    s3 = Instead(real.client("s3"), create_bucket=deny)
    commands.aws = Instead(real, client=lambda name: s3 if name == "s3" else real.client(name))  # type: ignore[assignment]
    text = commands.run(*UP)
    assert re.search(r"\n\d+ created, 1 failed in \d+\.\d s, with \d+ AWS calls\n$", text.stdout)
    events = checked(commands.run(*UP, "--output", "json").stdout)
    assert events[-1]["counts"] == {"failed": 1}


def test_a_file_that_cannot_be_written_stops_before_anything(commands: Commands, tmp_path: Path) -> None:
    """A wrong `--events` is exit 2, and nothing was changed."""
    answer, changed = commands.changed_by(*UP, "--events", str(tmp_path / "none" / "events.jsonl"))
    assert (answer.code, changed) == (2, False)
    assert answer.error.endswith("cannot be written: No such file or directory [cannot-write]")
    stream = checked(commands.run(*UP, "--output", "json", "--events", str(tmp_path)).stdout)
    assert [one["event"] for one in stream] == ["start", "error", "end"]


@pytest.mark.parametrize("name", ["events", "profile"])
def test_schemas_are_printed(commands: Commands, name: str) -> None:
    """`schema NAME` prints a valid JSON Schema."""
    answer = commands.run("schema", name)
    assert answer.code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(answer.stdout))
    assert commands.run("schema", "event").code == 2
