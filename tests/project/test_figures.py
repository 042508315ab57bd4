"""The figures of the explanations are those that the program of today draws."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.figures import FIGURES, draw
from docs.figures.architecture import edges
from tests.support.helpers import ROOT


@pytest.mark.parametrize("name", FIGURES)
def test_the_committed_figure_is_what_is_drawn_today(name: str, tmp_path: Path) -> None:
    committed = ROOT / "docs/images" / f"{name}.svg"
    assert draw(name, tmp_path).read_bytes() == committed.read_bytes(), "type `python -m docs.figures`, and look"


def test_each_figure_is_shown_on_a_page() -> None:
    text = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    for name in FIGURES:
        assert f"images/{name}.svg)" in text, name


def test_arrows_say_what_the_contracts_say() -> None:
    found = edges()
    assert {("coordinator", "store"), ("store", "db"), ("queue", "db")} <= found
    assert ("coordinator", "db") not in found, "it follows from the others"
    assert not any(("queue", other) in found for other in ("training, evaluation", "store", "coordinator"))
