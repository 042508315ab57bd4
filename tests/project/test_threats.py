"""docs/explain/threat-model.md: each protected line names a test that exists, and no line is in both tables."""

from __future__ import annotations

import re

from tests.project.test_docs import DOCS, ROOT, text_of

PAGE = DOCS / "explain" / "threat-model.md"
TESTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


def table(title: str) -> list[list[str]]:
    """The rows of the table below a title, without its head."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text_of(PAGE), re.MULTILINE | re.DOTALL)
    assert section, title
    lines = [line for line in section[1].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_in(row: list[str]) -> list[str]:
    return re.findall(r"`(test_\w+)`", row[-1])


def test_each_protected_line_names_a_test_that_exists() -> None:
    rows = table("Protected")
    assert len(rows) > 15
    for row in rows:
        assert len(row) == 4, row
        assert all(row), row
        assert names_in(row), f"no test: {row[1]}"
        for name in names_in(row):
            assert re.search(rf"^(async )?def {name}\(", TESTS, re.MULTILINE), name


def test_the_other_lines_say_what_helps_and_claim_no_test() -> None:
    protected = {(row[0], row[1]) for row in table("Protected")}
    rows = table("Not protected")
    assert len(rows) > 3
    for row in rows:
        assert len(row) == 3, row
        assert all(row), row
        assert not names_in(row), row
        assert (row[0], row[1]) not in protected
