"""IAM documents: rendered from the templates in policies/, compared by meaning and not by text."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.abc import Traversable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jinja2
from jinja2 import meta

from ackinstall.errors import UsageError

Document = Mapping[str, Any]
"""An IAM policy document, parsed."""

INLINE_LIMIT = 10_240
"""Characters that all inline policies of one role may have together, white space not counted (IAM quotas)."""


def data(folder: str) -> Traversable:
    """Return a data folder of the project: in the wheel beside the code, in a checkout above it."""
    packaged = resources.files("ackinstall") / folder
    return packaged if packaged.is_dir() else Path(__file__).resolve().parent.parent / folder


def render(template: str, beside: Path | None = None, **facts: object) -> Document:
    """Render the policy `template` (a name in policies/, or a path relative to the folder `beside`).

    Raises UsageError when there is no such template, when it names a fact that does not exist, or when what
    comes out is not JSON.
    """
    text = source(template, beside)
    try:
        compiled, names = _compiled(text)
        unknown = sorted(names - facts.keys())
        rendered = "" if unknown else compiled.render(**facts)
    except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            "policy-template-wrong", f"the policy template '{template}' cannot be rendered: {error}"
        ) from error
    if unknown:
        raise UsageError(
            "policy-template-wrong",
            f"the policy template '{template}' uses '{unknown[0]}', which there is not",
            f"these names can be used in it: {', '.join(sorted(facts))}",
        )
    try:
        document = json.loads(rendered)
    except json.JSONDecodeError as error:
        raise UsageError(
            "policy-not-json",
            f"the policy template '{template}' does not render to JSON: {error}",
            "write values as {{ name | tojson }}",
        ) from error
    if not isinstance(document, dict):
        raise UsageError(
            "policy-not-json", f"the policy template '{template}' does not render to a JSON object"
        )
    return document


@cache
def _compiled(text: str) -> tuple[jinja2.Template, frozenset[str]]:
    """Return a template, and the names of the facts that it uses; one run renders each several times."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 (JSON, where every value goes through tojson)
    )
    parsed = environment.parse(text)
    names = frozenset(meta.find_undeclared_variables(parsed))
    return environment.from_string(parsed), names


def source(template: str, beside: Path | None = None) -> str:
    """Return the text of the policy `template` (see render). Raises UsageError when it cannot be read."""
    own = beside / template if beside else None
    if own is not None and own.is_file():
        try:
            return own.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UsageError(
                "policy-template-unreadable", f"the policy template '{own}' cannot be read: {reason}"
            ) from error
    shipped = data("policies") / template
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    names = sorted(entry.name for entry in data("policies").iterdir() if entry.name.endswith(".j2"))
    raise UsageError(
        "unknown-policy-template",
        f"there is no policy template '{template}'",
        f"use one of {', '.join(names)}, or a file beside the profile",
    )


def parse(document: str | Mapping[str, Any]) -> Document:
    """Return a document as IAM answers it: a mapping, or text that may be URL-encoded (RFC 3986).

    What cannot be parsed comes back under a key of its own, so that it differs from every document.
    """
    if isinstance(document, Mapping):
        return document
    try:
        parsed = json.loads(unquote(document))
    except json.JSONDecodeError:
        return {"Unparsable": document}
    return parsed if isinstance(parsed, dict) else {"Unparsable": document}


def canonical(document: str | Mapping[str, Any]) -> Document:
    """Return `document` in the one form that all documents of the same meaning have.

    A single statement, action, resource or condition value equals a list of one; order does not matter;
    actions and condition operators do not depend on case; values are text; an account's root ARN and its
    number are the same principal.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
    """
    parsed = parse(document)
    rest = {key: value for key, value in parsed.items() if key not in ("Statement", "Version")}
    statements = [_statement(one) for one in _listed(parsed.get("Statement", []))]
    return {
        **rest,
        "Version": parsed.get("Version", "2008-10-17"),
        "Statement": sorted(statements, key=lambda one: json.dumps(one, sort_keys=True)),
    }


def text(document: Document) -> str:
    """Return the document as it is sent: compact JSON."""
    return json.dumps(document, separators=(",", ":"))


def _statement(statement: Any) -> dict[str, Any]:  # noqa: ANN401 (whatever JSON holds)
    if not isinstance(statement, Mapping):
        return {"Unparsable": statement}
    return {key: _element(key, value) for key, value in sorted(statement.items())}


def _element(key: str, value: Any) -> Any:  # noqa: ANN401 (JSON-like)
    if key in ("Action", "NotAction"):
        return sorted({str(one).lower() for one in _listed(value)})
    if key in ("Resource", "NotResource"):
        return sorted({str(one) for one in _listed(value)})
    if key in ("Principal", "NotPrincipal") and value == "*":
        return {"AWS": ["*"]}
    if key in ("Principal", "NotPrincipal") and isinstance(value, Mapping):
        return {kind: sorted({_principal(str(one)) for one in _listed(of)}) for kind, of in value.items()}
    if key == "Condition" and isinstance(value, Mapping):
        return _caseless({operator: _condition(keys) for operator, keys in value.items()})
    return value


def _condition(keys: Any) -> Any:  # noqa: ANN401 (JSON-like)
    if not isinstance(keys, Mapping):
        return keys
    return _caseless({key: sorted({_text(one) for one in _listed(values)}) for key, values in keys.items()})


def _caseless(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping with its keys in lower case, unless that would make one of two."""
    lowered = {key.lower(): value for key, value in mapping.items()}
    return lowered if len(lowered) == len(mapping) else dict(mapping)


def _principal(principal: str) -> str:
    is_root = principal.startswith("arn:") and principal.endswith(":root")
    return principal.split(":")[4] if is_root else principal


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 (JSON-like)
    return list(value) if isinstance(value, (list, tuple)) else [value]
