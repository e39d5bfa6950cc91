"""A profile says what to install, as data; here it becomes frozen dataclasses or an error that can be mended.

Every mistake is named with file, line and key, and with the nearest key that exists.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ackinstall import mistakes, names, policies, source
from ackinstall.errors import UsageError
from ackinstall.gallery import GALLERY
from ackinstall.policies import data
from ackinstall.source import SETTING, KeyPath, Source


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

    @property
    def inline_names(self) -> frozenset[str]:
        """The names of all inline policies that it puts into roles."""
        controllers = (name for controller in self.controllers for name in controller.inline)
        return frozenset((*controllers, *(self.execution_role.inline if self.execution_role else ())))


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
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UsageError(
                "profile-unreadable", f"the profile '{name}' cannot be read: {reason}", "check the path"
            ) from error
    if name not in shipped():
        raise UsageError(
            "unknown-profile",
            f"there is no profile '{name}'{mistakes.did_you_mean(name, list(shipped()))}",
            "run `ackinstall profiles` to see them, or give the path of a file",
        )
    return (data("profiles") / f"{name}.yaml").read_text(encoding="utf-8")


def load(name: str, settings: Sequence[str] = ()) -> Profile:
    """Return the profile `name` with `settings` (each `key.path=value`, the value in YAML) put over it.

    Raises UsageError that names file, line and key for anything that is wrong with it.
    """
    path = Path(name)
    folder = path.parent if path.suffix in (".yaml", ".yml") or "/" in name else None
    content, written = source.read(read(name), name if folder else f"{name}.yaml")
    set_ = dict.fromkeys([_set(content, setting) for setting in settings], SETTING)
    text = Source(written.label, {**written.lines, **set_})
    if folder or settings:  # what is shipped is right, as its test holds, and looking takes 0.1 s
        mistakes.check(content, text)
    chosen = parse(content, name=name, folder=folder)
    _check_templates(chosen, text)
    return chosen


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


def _set(content: dict[str, Any], setting: str) -> KeyPath:
    """Put a setting into the content; return where."""
    key, equals, value = setting.partition("=")
    path = tuple(key.split("."))
    if not equals or not all(path):
        raise UsageError(
            "setting-malformed",
            f"--set '{setting}' is not of the form key=value",
            "write `--set namespace=NAME`",
        )
    for depth, parent in enumerate(path[:-1], 1):
        below = content.get(parent)
        if not isinstance(below, dict | None):
            whole = source.dotted(path[:depth])
            raise UsageError(
                "setting-misplaced",
                f"--set '{setting}': '{whole}' has no keys",
                f"write `--set {whole}=VALUE`",
            )
        content[parent] = dict(below or {})
        content = content[parent]
    try:
        content[path[-1]] = source.value(value)
    except ValueError as error:
        raise UsageError("setting-malformed", f"--set '{setting}': the value is not valid YAML") from error
    return path


def _check_templates(chosen: Profile, text: Source) -> None:
    """Raise UsageError for a name that cannot be filled in and a policy that there is no template for."""
    for key, template in _names(chosen):
        with _placed(text.place(tuple(key.split(".")))):
            names.fill(key, template, **dict.fromkeys(names.FACTS, "x"))
    for path, template in _policies(chosen):
        with _placed(text.place(path)):
            policies.source(template, chosen.folder)


def _names(chosen: Profile) -> Iterator[tuple[str, str]]:
    yield "controllerRole.name", chosen.controller_role.name
    if chosen.execution_role:
        yield "executionRole.name", chosen.execution_role.name
    yield "bucket.name", chosen.bucket


def _policies(chosen: Profile) -> Iterator[tuple[KeyPath, str]]:
    for name, template in (chosen.execution_role.inline if chosen.execution_role else {}).items():
        yield ("executionRole", "inlinePolicies", name), template
    for controller in chosen.controllers:
        for name, template in controller.inline.items():
            yield ("controllers", controller.service, "inlinePolicies", name), template


@contextmanager
def _placed(place: str) -> Iterator[None]:
    """Say where a mistake is."""
    try:
        yield
    except UsageError as error:
        raise UsageError(error.reference, f"{place}: {error.message}", error.hint) from error
