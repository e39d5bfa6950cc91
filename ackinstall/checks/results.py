"""Results as text, as events, as JUnit's XML and as GitHub's annotations. Pure."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from ackinstall.checks.check import Outcome, Result, counts

MARKS = {
    Outcome.PASSED: ("√", "ok"),
    Outcome.WARNING: ("‼", "!!"),
    Outcome.FAILED: ("\N{MULTIPLICATION SIGN}", "xx"),
    Outcome.SKIPPED: ("/", "--"),
    Outcome.UNPROVEN: ("?", "??"),
}
"""A mark, and one for streams that cannot show it."""
DOCS = "docs/checks.md#{}"
EXPLAIN = "`ackinstall explain {}`"
"""Where a check's section is, in the project and from the program."""
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML may have, as a message may that a controller has logged:
https://www.w3.org/TR/xml/#charsets"""
ANNOTATIONS = {Outcome.FAILED: "error", Outcome.WARNING: "warning", Outcome.UNPROVEN: "warning"}


def text(results: Sequence[Result], encoding: str | None) -> Iterator[str]:
    """Yield lines by category; `encoding` is the stream's."""
    for category, of_category in groupby(results, key=lambda one: one.check.category):
        yield from (
            ("", category, "-" * len(category))
            if results[0].check.category != category
            else (
                category,
                "-" * len(category),
            )
        )
        for one in of_category:
            yield from lines(one, encoding)


def mark(outcome: Outcome, encoding: str | None) -> str:
    """Return the mark of an outcome, for a stream of that encoding."""
    return MARKS[outcome][0 if _shows(encoding) else 1]


def lines(result: Result, encoding: str | None) -> Iterator[str]:
    """Yield one result's lines: what had to hold and what was found; then what to do."""
    is_short = result.outcome in (Outcome.PASSED, Outcome.SKIPPED)
    found = f" ({result.message})" if is_short and result.message else ""
    yield f"{mark(result.outcome, encoding)} {result.check.description}{found}"
    if not is_short:
        yield f"    {result.message}"
        yield f"    hint: {result.hint}"
        yield f"    more: {EXPLAIN.format(result.check.id)}"


def summary(results: Iterable[Result]) -> str:
    """Return how many ended each way."""
    return ", ".join(f"{count} {outcome.value}" for outcome, count in counts(results).items() if count)


def data(result: Result) -> dict[str, Any]:
    """Return a result as it stands in the JSON stream."""
    check = result.check
    return {
        "id": check.id,
        "category": check.category,
        "description": check.description,
        "severity": check.severity.value,
        "outcome": result.outcome.value,
        "message": result.message,
        "hint": result.hint,
        "docs": DOCS.format(check.id),
        "seconds": round(result.seconds, 3),
        **({"data": dict(result.data)} if result.data else {}),
    }


def junit(results: Sequence[Result]) -> str:
    """Return a JUnit report: a suite for each category, a case for each check."""
    root = ET.Element("testsuites", name="ackinstall check")
    for category, of_category in groupby(results, key=lambda one: one.check.category):
        listed = list(of_category)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=category,
            tests=str(len(listed)),
            failures=str(sum(one.outcome is Outcome.FAILED for one in listed)),
            skipped=str(sum(one.outcome in (Outcome.SKIPPED, Outcome.UNPROVEN) for one in listed)),
            time=f"{sum(one.seconds for one in listed):.3f}",
        )
        for one in listed:
            _case(suite, one)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def _case(suite: ET.Element, result: Result) -> None:
    about = {"classname": result.check.category, "name": result.check.id, "time": f"{result.seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", about)
    told = f"{result.message}\nhint: {result.hint}\nmore: {EXPLAIN.format(result.check.id)}"
    if result.outcome is Outcome.FAILED:
        ET.SubElement(case, "failure", message=result.message).text = told
    elif result.outcome in (Outcome.SKIPPED, Outcome.UNPROVEN):
        ET.SubElement(case, "skipped", message=f"{result.outcome.value}: {result.message}")
    elif result.outcome is Outcome.WARNING:
        ET.SubElement(case, "system-out").text = told


def annotations(results: Iterable[Result]) -> Iterator[str]:
    """Yield GitHub's commands that put what does not hold on a run's page.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    for one in results:
        if one.outcome in ANNOTATIONS:
            told = f"{one.message}; {one.hint}".replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            yield f"::{ANNOTATIONS[one.outcome]} title={one.check.id}::{told}"


def _shows(encoding: str | None) -> bool:
    try:
        "".join(mark for mark, _ in MARKS.values()).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
