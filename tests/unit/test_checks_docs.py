"""Each check has a section in the docs, in the order of the lists, and no section is about nothing."""

import re
from pathlib import Path

from ackinstall.checks import lists, results
from ackinstall.explanations import explain

TEXT = (Path(__file__).parents[2] / "docs" / "checks.md").read_text(encoding="utf-8")


def test_every_id_has_a_section() -> None:
    """The ids are the headings, each once."""
    ids = dict.fromkeys(one.id for one in (*lists.before(), *lists.after()))
    assert re.findall(r"^### (.+)$", TEXT, re.MULTILINE) == list(ids)


def test_a_section_says_what_it_looks_at_and_how_to_mend_it() -> None:
    """What is looked at, and what is to be done, stand in every section."""
    for section in TEXT.split("\n### ")[1:]:
        assert "Looks at: " in section, section
        assert "Mend: " in section, section


def test_the_hints_lead_there() -> None:
    """What a result names is the file and a heading's anchor, and the command that prints the section."""
    assert results.DOCS.format("helm") == "docs/checks.md#helm"
    assert explain("helm").startswith("Looks at: ")
    assert results.EXPLAIN.format("helm") == "`ackinstall explain helm`"


def test_the_table_of_marks_is_the_one_that_is_printed() -> None:
    """The docs show the marks that the program prints."""
    for mark, plain in results.MARKS.values():
        assert f"| {mark} | {plain} |" in TEXT
