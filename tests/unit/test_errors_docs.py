"""Each reference that an error can have has a section in the docs, in their order; none is about nothing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ackinstall import pods
from ackinstall.checks import lists

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\S+)\n\n(.+?)(?=\n\n### |\Z)", TEXT, re.MULTILINE | re.DOTALL))
# Which argument of what makes an error is its reference; others hand on that of another error, or of a check.
PLACES = {
    "AckinstallError": 0,
    "Locked": 0,
    "Refusal": 0,
    "Refused": 0,
    "UsageError": 0,
    "_ReleaseMissing": 0,
    "_NotReady": 1,
    "Retry": 1,
    "unknown_key": 3,
}


def references() -> Iterator[str]:
    """Yield all references that stand in the code."""
    yield from (reference for reference, _ in (*pods._REMEDIES.values(), pods._UNKNOWN))
    for path in sorted((ROOT / "ackinstall").rglob("*.py")):
        if "sandbox/aws" in path.as_posix():  # what AWS answers are codes of AWS
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            one.targets[0].id: one.value.value
            for one in tree.body
            if isinstance(one, ast.Assign)
            and isinstance(one.targets[0], ast.Name)
            and isinstance(one.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _of_call(node, constants)
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                yield from _of_class(node)


def _of_call(node: ast.Call, constants: dict[str, object]) -> Iterator[str]:
    place = PLACES.get(node.func.id, -1) if isinstance(node.func, ast.Name) else -1
    if 0 <= place < len(node.args):
        given = node.args[place]
        value = given.value if isinstance(given, ast.Constant) else constants.get(getattr(given, "id", ""))
        if isinstance(value, str):
            yield value


def _of_class(node: ast.FunctionDef) -> Iterator[str]:
    """Yield the reference that all errors of a class have, or have unless told otherwise."""
    names = node.args.args[-len(node.args.defaults) :] if node.args.defaults else []
    for name, default in zip(names, node.args.defaults, strict=True):
        if name.arg == "reference":
            yield ast.literal_eval(default)
    for call in ast.walk(node):
        is_own = isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__" and call.args
        if is_own and isinstance(call.args[0], ast.Constant) and len(call.args) > 1:
            yield call.args[0].value


def test_every_reference_has_a_section() -> None:
    """The references are the headings, sorted, each once."""
    assert re.findall(r"^### (.+)$", TEXT, re.MULTILINE) == sorted(set(references()))


def test_a_section_says_what_it_means_and_what_to_do() -> None:
    """Both, shortly."""
    for reference, section in SECTIONS.items():
        assert re.search(r"\bDo:\s", section), reference
        assert len(section) < 700, reference


def test_no_reference_is_the_id_of_a_check() -> None:
    """`ackinstall explain` knows both."""
    assert not set(SECTIONS) & {one.id for one in (*lists.before(), *lists.after())}


def test_the_readme_leads_there() -> None:
    """Who has an error finds the list."""
    assert "(docs/errors.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
