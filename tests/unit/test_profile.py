"""Profiles: what loads, and how every mistake in one is told."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from tables import cases

from ackinstall import mistakes, profile, source
from ackinstall.errors import UsageError
from ackinstall.gallery import SERVICES
from ackinstall.names import RULES, name_for
from ackinstall.policies import data

GOOD = """
version: 1
namespace: ack-system
controllers:
  sagemaker:
    version: "1.8.2"
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, in which a profile is `own.yaml`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "own.yaml"


def mistake(text: str | bytes, path: Path, *settings: str) -> UsageError:
    """Return what is said of a profile."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as caught:
        profile.load(path.name, settings)
    assert caught.value.exit_code == 2
    return caught.value


# What is wrong, the profile, the error's reference, its message: those of mistakes.yaml, and two ugly ones.
MISTAKES: list[tuple[str, str | bytes, str, str]] = [
    *(tuple(row.values()) for row in yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text())),
    (
        "no UTF-8",
        b"\xff\xfe",
        "profile-unreadable",
        "the profile 'own.yaml' cannot be read: it is not UTF-8 text",
    ),
    (
        "a tag's key that is too long",
        f"version: 1\ntags: {{{'k' * 129}: y}}\ncontrollers: {{sagemaker: }}",
        "wrong-key",
        f"own.yaml:2: the key '{'k' * 129}' in 'tags' has to be 128 characters long at most",
    ),
]


@pytest.mark.parametrize(("text", "reference", "message"), cases(MISTAKES))
def test_a_mistake_has_a_place_and_a_remedy(
    written: Path, text: str | bytes, reference: str, message: str
) -> None:
    """Every mistake is told in one line: file, line, key, what it has to be, what was probably meant."""
    error = mistake(text, written)
    assert (error.reference, " ".join(error.message.split())) == (reference, message)


SETTINGS = [
    ("no value", "namespace", "setting-malformed", "--set 'namespace' is not of the form key=value"),
    ("no key", "=x", "setting-malformed", "--set '=x' is not of the form key=value"),
    ("half a key", "a..b=1", "setting-malformed", "--set 'a..b=1' is not of the form key=value"),
    ("no YAML", "namespace=[", "setting-malformed", "--set 'namespace=[': the value is not valid YAML"),
    (
        "a key below text",
        "namespace.x=1",
        "setting-misplaced",
        "--set 'namespace.x=1': 'namespace' has no keys",
    ),
    (
        "a key that there is not",
        "namspace=x",
        "unknown-key",
        "--set namspace: there is no key 'namspace'; did you mean 'namespace'?",
    ),
    (
        "a value of the wrong type",
        "namespace=5",
        "wrong-type",
        "--set namespace: 'namespace' has to be text, not 5",
    ),
    (
        "a service that there is not",
        "controllers.sagemkaer.version=1.8.2",
        "unknown-service",
        (
            "--set controllers.sagemkaer.version: ACK has no controller for a service 'sagemkaer'; "
            "did you mean 'sagemaker'?"
        ),
    ),
    (
        "a whole part that is wrong",
        "controllers={x: 5}",
        "wrong-type",
        "--set controllers: 'controllers.x' has to be a mapping or nothing, not 5",
    ),
    ("a mistake elsewhere", "tags.a=b", "missing-key", "own.yaml: the key 'controllers' is missing"),
]


@pytest.mark.parametrize(("setting", "reference", "message"), cases(SETTINGS))
def test_a_mistake_in_a_setting_is_told_as_one(
    written: Path, setting: str, reference: str, message: str
) -> None:
    """A mistake of `--set` names the setting, one of the file does not."""
    text = "version: 1" if setting == "tags.a=b" else GOOD
    error = mistake(text, written, setting)
    assert (error.reference, error.message) == (reference, message)


def test_settings_go_over_the_file(written: Path) -> None:
    """A setting replaces a value, adds one, and makes the mappings that it lies in."""
    written.write_text(GOOD)
    found = profile.load(
        "own.yaml",
        [
            "namespace=elsewhere",
            "controllers.sagemaker.values.resources.limits.memory=512Mi",
            "controllers.iam={}",
            "bucket.name=b-{{ account }}",
            "executionRole={}",
            "tags={team: ml}",
        ],
    )
    assert found.namespace == "elsewhere"
    assert [one.service for one in found.controllers] == ["sagemaker", "iam"]
    assert found.controllers[0].values == {"resources": {"limits": {"memory": "512Mi"}}}
    assert found.controllers[0].version == "1.8.2"
    assert found.bucket == "b-{{ account }}"
    assert found.execution_role is not None
    assert found.execution_role.name == "ack-sagemaker-execution-role-{{ account }}"
    assert found.tags == {"team": "ml"}
    assert found.folder == Path()


def test_the_smallest_profile_has_defaults(written: Path) -> None:
    """A service's name is enough; an anchor may be used, and a date is text."""
    written.write_text(
        "version: 1\ncontrollers:\n  iam:\n  ec2: {values: &v {since: 2024-01-01}}\n  s3: {values: *v}\n"
    )
    found = profile.load("own.yaml")
    assert found.controllers[0] == profile.Controller(
        service="iam", chart="oci://public.ecr.aws/aws-controllers-k8s/iam-chart", version=">=0"
    )
    assert found.controllers[1].values == found.controllers[2].values == {"since": "2024-01-01"}
    assert (found.namespace, found.bucket, found.execution_role) == ("ack-system", "", None)


def test_a_controller_of_ones_own_needs_its_chart(written: Path) -> None:
    """A service that ACK's gallery does not know is taken with the chart that is given."""
    written.write_text("version: 1\ncontrollers: {mine: {chart: 'oci://registry.example/mine-chart'}}")
    assert profile.load("own.yaml").controllers[0].chart == "oci://registry.example/mine-chart"


NO_PROFILES = [
    (
        "an unknown name",
        "defualt",
        "unknown-profile",
        "there is no profile 'defualt'; did you mean 'default'?",
    ),
    (
        "a missing file",
        "none/here.yaml",
        "profile-unreadable",
        "the profile 'none/here.yaml' cannot be read: No such file or directory",
    ),
    ("a folder", "./", "profile-unreadable", "the profile './' cannot be read: Is a directory"),
]


@pytest.mark.parametrize(("name", "reference", "message"), cases(NO_PROFILES))
def test_a_profile_that_there_is_not(name: str, reference: str, message: str) -> None:
    """A name that is no shipped profile and no file is told with what is near."""
    with pytest.raises(UsageError) as caught:
        profile.load(name)
    assert (caught.value.reference, caught.value.message) == (reference, message)


@pytest.mark.parametrize("name", list(profile.shipped()))
def test_shipped_profiles_load(name: str) -> None:
    """The profiles that come with the program are right, and say in a line what they are for."""
    content, written = source.read(profile.read(name), name)
    mistakes.check(content, written)
    found = profile.load(name)
    assert found.name == name
    assert found.folder is None
    assert found.controllers[0].release == "ack-sagemaker-controller"
    assert profile.shipped()[name].startswith("SageMaker")


def test_the_schema_is_a_schema() -> None:
    """Editors read schema.json: it is a valid JSON Schema, in which every pattern has its words."""
    schema = json.loads((data("profiles") / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def unworded(part: object) -> list[object]:
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        here = [part] if isinstance(part, dict) and isinstance(part.get("pattern"), str) else []
        below = [found for one in parts for found in unworded(one)]
        return [one for one in here if "patternErrorMessage" not in one] + below

    assert unworded(schema) == []


def test_the_schema_is_named_in_shipped_profiles() -> None:
    """A shipped profile names its schema in the way that editors know, and holds nothing but its own keys."""
    for name in profile.shipped():
        text = profile.read(name)
        assert text.startswith("# yaml-language-server: $schema=schema.json")
        assert yaml.safe_load(text) == profile.load(name).source


def test_services_are_known_once_and_in_order() -> None:
    """The list of ACK's services is sorted and has none twice."""
    assert sorted(set(SERVICES)) == SERVICES


NAMES = [
    ("a role's", "controllerRole.name", "r" * 64, ""),
    ("a role's, too long", "controllerRole.name", "r" * 65, "has 65 characters, 64 are allowed"),
    ("a role's, not allowed", "executionRole.name", "a/b", "is not allowed: AWS takes letters"),
    ("a role's, empty", "executionRole.name", "", "is not allowed"),
    ("a bucket's", "bucket.name", "b" * 63, ""),
    ("a bucket's, too long", "bucket.name", "b" * 64, "has 64 characters, 63 are allowed"),
    ("a bucket's, too short", "bucket.name", "ab", "is not allowed: AWS takes at least 3"),
    ("a bucket's, in capitals", "bucket.name", "My-Bucket", "is not allowed"),
    ("a bucket's, with two dots", "bucket.name", "my..bucket", "is not allowed"),
    ("a bucket's, with a dot", "bucket.name", "my.bucket", ""),
]


@pytest.mark.parametrize(("key", "template", "message"), cases(NAMES))
def test_a_name_that_aws_would_refuse(key: str, template: str, message: str) -> None:
    """A name that IAM or S3 would refuse is refused first, with the setting that mends it."""
    if not message:
        assert name_for(key, template) == template
        return
    with pytest.raises(UsageError, match=message) as caught:
        name_for(key, template)
    assert f"--set {key}=NAME" in caught.value.hint


def test_names_are_filled_in() -> None:
    """A name may be made of the account, the cluster and the region."""
    facts = {"account": "123456789012", "cluster": "demo", "region": "us-west-2"}
    for key in RULES:
        assert (
            name_for(key, "a-{{ account }}-{{ cluster }}-{{ region }}", **facts)
            == "a-123456789012-demo-us-west-2"
        )
