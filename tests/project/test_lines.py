"""Lines that readers copy from the documentation: what they install is pinned, and no address gives a password away."""

from __future__ import annotations

import re

from tests.support.helpers import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXTRAS = re.compile(r"pip install [^`\n]*\[\w+\][^`\n]*")
ADDRESS = re.compile(r"ganns join '(postgresql://[^']+)'")
SHORTENED = re.compile(r"postgresql://ganns_class:SECRET@[\d.]+:\d+/ganns")
"""The line that `ganns db serve` prints, without its end: the real one has require_auth and the certificate."""


def test_installing_an_extra_pins_the_tested_versions() -> None:
    found = [line for page in PAGES for line in EXTRAS.findall(page.read_text("utf-8"))]
    assert len(found) > 8
    assert [line for line in found if "-c constraints.txt" not in line] == []


def test_every_line_that_a_student_types_names_how_the_password_is_asked_for() -> None:
    """Without it, a program that pretends to be the server could ask for the password in clear."""
    found = {line for page in PAGES for line in ADDRESS.findall(page.read_text("utf-8"))}
    assert len(found) > 3
    assert {
        line for line in found if "require_auth=scram-sha-256" not in line and not SHORTENED.fullmatch(line)
    } == set()
