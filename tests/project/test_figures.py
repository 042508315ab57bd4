"""The figures of the explanations are those that the program of today draws."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from docs.figures import FIGURES, draw
from docs.figures.architecture import HEIGHT, PLACES, WIDTH, edges
from docs.figures.quorum import SETTINGS, simulate, table
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


def test_no_arrow_of_the_architecture_passes_through_a_box() -> None:
    margin = 0.06
    for start, end in edges():
        (x0, y0, _), (x1, y1, _) = PLACES[start], PLACES[end]
        for other, (x, y, _) in PLACES.items():
            if other not in (start, end):
                for step in range(101):
                    dx, dy = x0 + (x1 - x0) * step / 100 - x, y0 + (y1 - y0) * step / 100 - y
                    inside = abs(dx) < WIDTH / 2 + margin and abs(dy) < HEIGHT / 2 + margin
                    assert not inside, f"{start} -> {end} passes through {other}"


def test_the_numbers_of_the_worked_example_are_computed() -> None:
    page = (ROOT / "docs/explain/quorum.md").read_text("utf-8")
    rows = table()
    assert len(rows) == 3
    for row in rows:
        assert "| " + " | ".join(row) + " |" in page, "type `python -m docs.figures.quorum`, and compare"


def test_a_round_closes_with_its_quorum_and_nothing_is_counted_twice() -> None:
    for setting in SETTINGS:
        result = simulate(setting, 5)
        assert sum(bar.accepted for bar in result.bars) == 5 * setting.units
        for closed in result.closed:
            assert any(bar.end == closed for bar in result.bars if bar.accepted)
        for laptop in range(10):
            own = sorted((bar.begin, bar.end) for bar in result.bars if bar.laptop == laptop)
            assert all(end <= begin for (_, end), (begin, _) in pairwise(own)), "a laptop computes one unit at a time"
