"""A profile says what to install, as data; here it becomes frozen dataclasses or an error that can be mended.

Every mistake is named with file, line and key, and with the nearest key that exists.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml

from ackinstall.errors import UsageError
from ackinstall.policies import data

GALLERY = "oci://public.ecr.aws/aws-controllers-k8s"
"""Where ACK publishes its charts: https://gallery.ecr.aws/aws-controllers-k8s"""

# The services that ACK publishes a chart for; another one needs its `chart` given.
# https://aws-controllers-k8s.github.io/community/docs/community/services/
SERVICES = [
    "acm",
    "acmpca",
    "apigateway",
    "apigatewayv2",
    "applicationautoscaling",
    "athena",
    "autoscaling",
    "backup",
    "bedrock",
    "bedrockagent",
    "bedrockagentcorecontrol",
    "cloudfront",
    "cloudtrail",
    "cloudwatch",
    "cloudwatchlogs",
    "codeartifact",
    "cognitoidentityprovider",
    "documentdb",
    "dynamodb",
    "ec2",
    "ecr",
    "ecrpublic",
    "ecs",
    "efs",
    "eks",
    "elasticache",
    "elbv2",
    "emrcontainers",
    "eventbridge",
    "fsx",
    "glue",
    "iam",
    "kafka",
    "keyspaces",
    "kinesis",
    "kms",
    "lambda",
    "memorydb",
    "mq",
    "networkfirewall",
    "opensearchserverless",
    "opensearchservice",
    "organizations",
    "pipes",
    "prometheusservice",
    "ram",
    "rds",
    "recyclebin",
    "route53",
    "route53resolver",
    "s3",
    "s3control",
    "s3files",
    "s3tables",
    "sagemaker",
    "secretsmanager",
    "ses",
    "sfn",
    "sns",
    "sqs",
    "ssm",
    "wafv2",
]

KeyPath = tuple[str | int, ...]
"""Where something stands in a profile: keys and indexes from the top."""

IAM_NAME_LIMIT = 64
"""Characters of an IAM role's name: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
BUCKET_NAME_LIMIT = 63
"""Characters of a bucket's name: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role to make: its name may be a template, policies are named as in the profile."""

    name: str
    path: str = "/"
    boundary: str = ""
    managed: tuple[str, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServiceLinkedRole:
    """The role that an AWS service makes for itself: the service's principal and the role's name."""

    service: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Controller:
    """One ACK controller: the chart, the range of its versions, what its role may do, the chart's values."""

    service: str
    chart: str
    version: str
    managed: tuple[str, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)
    linked_role: ServiceLinkedRole | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def release(self) -> str:
        """The Helm release's name, as in ACK's documentation."""
        return f"ack-{self.service}-controller"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What to install. `folder` is where templates of its own lie; `source` is the checked data itself."""

    name: str
    namespace: str
    controller_role: Role
    execution_role: Role | None
    bucket: str
    controllers: tuple[Controller, ...]
    tags: Mapping[str, str]
    folder: Path | None
    source: Mapping[str, Any]


def shipped() -> dict[str, str]:
    """Return the profiles that come with the program: name to first comment line."""
    files = sorted((entry for entry in data("profiles").iterdir()), key=lambda entry: entry.name)
    return {
        entry.name.removesuffix(".yaml"): _summary(entry.read_text(encoding="utf-8"))
        for entry in files
        if entry.name.endswith(".yaml")
    }


def read(name: str) -> str:
    """Return the text of the profile `name` (shipped, or a file's path).

    Raises UsageError when there is none of that name.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                "profile-unreadable", f"the profile '{name}' cannot be read: {reason}", "check the path"
            ) from error
    if name not in shipped():
        raise UsageError(
            "unknown-profile",
            f"there is no profile '{name}'{_did_you_mean(name, list(shipped()))}",
            "run `ackinstall profiles` to see them, or give the path of a file",
        )
    return (data("profiles") / f"{name}.yaml").read_text(encoding="utf-8")


def load(name: str, settings: Sequence[str] = ()) -> Profile:
    """Return the profile `name` with `settings` (each `key.path=value`, the value in YAML) put over it.

    Raises UsageError that names file, line and key for anything that is wrong with it.
    """
    text = read(name)
    path = Path(name)
    folder = path.parent if path.suffix in (".yaml", ".yml") or "/" in name else None
    label = name if folder else f"{name}.yaml"
    lines = _lines(text, label)
    content = _parse(text, label)
    for setting in settings:
        _set(content, setting)
        lines[_setting_path(setting)] = 0
    check(content, label, lines)
    return parse(content, name=name, folder=folder)


def parse(content: Mapping[str, Any], *, name: str, folder: Path | None = None) -> Profile:
    """Return the Profile that checked `content` describes."""
    execution = content.get("executionRole")
    return Profile(
        name=name,
        namespace=content.get("namespace", "ack-system"),
        controller_role=_role(content.get("controllerRole", {}), "ack-controller-role-{{ cluster }}"),
        execution_role=None
        if execution is None
        else _role(execution, "ack-sagemaker-execution-role-{{ account }}"),
        bucket=content["bucket"].get("name", "ack-sagemaker-bucket-{{ account }}")
        if "bucket" in content
        else "",
        controllers=tuple(_controller(service, one or {}) for service, one in content["controllers"].items()),
        tags=content.get("tags", {}),
        folder=folder,
        source=content,
    )


def fill(template: str, limit: int, **names: str) -> str:
    """Return the name that `template` gives with `names`.

    Raises UsageError when it uses an unknown name or the result is longer than `limit` characters.
    """
    try:
        name = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(template)  # noqa: S701 (a name, not a page)
        filled = name.render(**names)
    except jinja2.TemplateError as error:
        raise UsageError(
            "name-template-wrong",
            f"the name '{template}' cannot be filled in: {error}",
            f"these can be used in it: {', '.join('{{ ' + one + ' }}' for one in sorted(names))}",
        ) from error
    if len(filled) > limit:
        raise UsageError(
            "name-too-long",
            f"the name '{filled}' has {len(filled)} characters, {limit} are allowed",
            "give a shorter name in the profile, or with `--set controllerRole.name=NAME`",
        )
    return filled


def unknown_key(where: str, key: str, known: Sequence[str], reference: str, hint: str = "") -> UsageError:
    """Return the error for a key that does not exist, with the nearest that does."""
    return UsageError(
        reference,
        f"{where}: there is no key '{key}'{_did_you_mean(key, known)}",
        hint or f"these keys exist: {', '.join(sorted(known))}",
    )


def _summary(text: str) -> str:
    lines = (line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#"))
    return next((line for line in lines if "$schema" not in line), "")


def _role(content: Mapping[str, Any], name: str) -> Role:
    return Role(
        name=content.get("name", name),
        path=content.get("path", "/"),
        boundary=content.get("permissionsBoundary", ""),
        managed=tuple(content.get("managedPolicies", ())),
        inline=content.get("inlinePolicies", {}),
    )


def _controller(service: str, content: Mapping[str, Any]) -> Controller:
    linked = content.get("serviceLinkedRole")
    return Controller(
        service=service,
        chart=content.get("chart", f"{GALLERY}/{service}-chart"),
        version=content.get("version", ">=0"),
        managed=tuple(content.get("managedPolicies", ())),
        inline=content.get("inlinePolicies", {}),
        linked_role=ServiceLinkedRole(**linked) if linked else None,
        values=content.get("values", {}),
    )


def _parse(text: str, label: str) -> dict[str, Any]:
    content = yaml.safe_load(text)
    if not isinstance(content, dict):
        raise UsageError("profile-not-a-mapping", f"{label}: the profile is not a mapping of keys to values")
    return content


def _lines(text: str, label: str) -> dict[KeyPath, int]:
    """Return the line of every key and item of a YAML text, by its path."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UsageError("profile-not-yaml", f"{label}{line}: not valid YAML: {problem}") from error
    return dict(_positions(root, ())) if root else {}


def _positions(node: yaml.Node, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, key.value)
            yield here, key.start_mark.line + 1
            yield from _positions(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _positions(value, (*path, index))


def _setting_path(setting: str) -> KeyPath:
    return tuple(setting.partition("=")[0].split("."))


def _set(content: dict[str, Any], setting: str) -> None:
    key, equals, value = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise UsageError(
            "setting-malformed",
            f"--set '{setting}' is not of the form key=value",
            "write `--set namespace=NAME`",
        )
    *parents, last = key.split(".")
    for parent in parents:
        below = content.get(parent)
        content[parent] = dict(below) if isinstance(below, dict) else {}
        content = content[parent]
    try:
        content[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError("setting-malformed", f"--set '{setting}': the value is not valid YAML") from error


def check(content: Mapping[str, Any], label: str, lines: Mapping[KeyPath, int] | None = None) -> None:
    """Raise UsageError for the first mistake in a profile's content; `label` and `lines` say where it is."""
    import jsonschema  # noqa: PLC0415 (costs 60 ms, and only profiles need it)

    schema = json.loads((data("profiles") / "schema.json").read_text(encoding="utf-8"))
    found = jsonschema.Draft202012Validator(schema).iter_errors(content)
    for error in sorted(found, key=lambda one: [str(part) for part in one.absolute_path]):
        raise _mistake(error, lines or {}, label)
    for service, entry in content["controllers"].items():
        if service not in SERVICES and "chart" not in (entry or {}):
            raise UsageError(
                "unknown-service",
                f"{_place(('controllers', service), lines or {}, label)}: "
                f"ACK has no controller for a service '{service}'{_did_you_mean(service, SERVICES)}",
                "a controller that is not in ACK's gallery needs its 'chart' in the profile",
            )


def _mistake(error: Any, lines: Mapping[KeyPath, int], label: str) -> UsageError:  # noqa: ANN401 (jsonschema's)
    path: KeyPath = tuple(error.absolute_path)
    dotted = ".".join(str(part) for part in path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        key = next(key for key in error.instance if key not in known)
        return unknown_key(_place((*path, key), lines, label), key, known, "unknown-key")
    if error.validator == "required":
        key = next(key for key in error.validator_value if key not in error.instance)
        return UsageError("missing-key", f"{_place(path, lines, label)}: the key '{key}' is missing")
    if error.validator == "type":
        wanted = {"object": "a mapping", "array": "a list", "string": "text"}.get(
            error.validator_value, error.validator_value
        )
        return UsageError(
            "wrong-type",
            f"{_place(path, lines, label)}: '{dotted}' has to be {wanted}, not {error.instance!r}",
        )
    subject = f"'{dotted}' " if dotted else ""
    return UsageError("wrong-value", f"{_place(path, lines, label)}: {subject}is wrong: {error.message}")


def _place(path: KeyPath, lines: Mapping[KeyPath, int], label: str) -> str:
    while path and path not in lines:
        path = path[:-1]
    line = lines.get(path)
    if line == 0:
        return f"--set {'.'.join(str(part) for part in path)}"
    return f"{label}:{line}" if line else label


def _did_you_mean(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""
