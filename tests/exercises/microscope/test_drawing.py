"""Lanes in pictures and in terminals: everything is there, nothing is too wide, and foreign text stays text."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ganns.errors import PayloadError
from ganns.exercises.microscope import library
from ganns.exercises.microscope.lanes import lay_out, sentence
from ganns.exercises.microscope.library import recorded
from ganns.exercises.microscope.recording import FIRST_NUMBER, Recording, from_json, to_json
from ganns.exercises.microscope.scene import ready
from ganns.exercises.microscope.svg import LETTER, Panel, draw
from ganns.exercises.microscope.terminal import lanes
from ganns.utils.console import SafeConsole

SVG = "{http://www.w3.org/2000/svg}"


def with_text(text: str) -> Recording:
    """Return a recording in which the first step and its answer have this text."""
    one = recorded("chord_unlocked")
    first = replace(one.moments[0], text=text, answer=text, note=text)
    return replace(one, title=text, promise=text, moments=(first, *one.moments[1:]))


@pytest.mark.parametrize("name", ready())
def test_no_text_leaves_its_lane(name: str) -> None:
    for width in (150, 224, 400):
        check_texts(name, width)


def check_texts(name: str, width: int) -> None:
    root = ElementTree.fromstring(draw([Panel("", lay_out(recorded(name)))], width))
    boxes = 0
    for group in root.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect[@class]")
        if "data-tick" not in group.attrib or box is None:
            continue
        boxes += 1
        right = float(box.attrib["x"]) + float(box.attrib["width"])
        for text in group.findall(f"{SVG}text")[1:]:
            assert float(text.attrib["x"]) + len(text.text or "") * LETTER <= right, text.text
    assert boxes == len(recorded(name).moments)


def test_two_panels_stand_side_by_side_and_the_same_bytes_come_each_time() -> None:
    panels = [Panel(name, lay_out(recorded(name))) for name in ("chord_unlocked", "chord_locked")]
    drawn = draw(panels, 224)
    assert drawn == draw(panels, 224)
    assert "✗ “The body is started exactly once” is broken: bodies = 0." in drawn
    assert "✓ “The body is started exactly once” holds: bodies = 1." in drawn
    assert 'aria-label="“The body is started exactly once” is broken: bodies = 0.; “The' in drawn


def test_foreign_text_is_no_markup() -> None:
    hostile = '<script>alert("1")</script> & \x1b[31m'
    one = with_text(hostile)
    root = ElementTree.fromstring(draw([Panel(one.title, lay_out(one))]).replace("\x1b", ""))
    assert root.find(f".//{SVG}script") is None
    out = io.StringIO()
    SafeConsole(file=out, width=80).print(lanes(with_text("[red]\x1b[31m\nx"), with_details=True))
    assert "\x1b" not in out.getvalue()
    assert "[red]" in out.getvalue()


@pytest.mark.parametrize("width", [60, 120])
def test_a_terminal_shows_all_of_it(width: int) -> None:
    for name in ("chord_locked", "notify_lost", "close_in_two", "sum_by_unit"):
        check_terminal(name, width)


def check_terminal(name: str, width: int) -> None:
    out = io.StringIO()
    SafeConsole(file=out, width=width).print(lanes(recorded(name), with_details=True))
    shown = out.getvalue()
    assert max(map(len, shown.splitlines())) <= width
    words = re.sub(r"[│┃\s]+", " ", shown)
    for moment in recorded(name).moments:
        if moment.outcome == "waits":
            assert "waits for" in words
    assert ("✓" if recorded(name).held else "✗") in shown


def test_a_sentence_for_each_moment() -> None:
    one = recorded("chord_locked")
    said = [sentence(one, tick) for tick in range(len(one.moments))]
    assert any("FOR UPDATE; → waits for ada" in line for line in said), said
    assert any(line.startswith("bob goes on") for line in said), said


def test_numbers_of_transactions_begin_at_101() -> None:
    for name in ready():
        one = recorded(name)
        numbers = {moment.number for moment in one.moments if moment.number is not None}
        numbers |= {row.xmin for moment in one.moments for row in moment.rows}
        assert min(numbers) >= FIRST_NUMBER
        assert max(numbers) < FIRST_NUMBER + 20


def test_a_damaged_recording_is_refused() -> None:
    text = to_json(recorded("deadlock"))
    assert from_json(text) == recorded("deadlock")
    for bad in ("", "[]", "{}", text[:-10], text.replace('"held"', '"hold"'), text.replace('"moments"', '"moment"')):
        with pytest.raises(PayloadError, match="no recording"):
            from_json(bad)


def test_own_recordings_are_kept_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path / "home"))
    assert library.own() == []
    library.keep(recorded("deadlock"))  # a ready one is not kept
    assert library.own() == []
    mine = replace(recorded("deadlock"), scene="mine")
    library.keep(mine)
    (tmp_path / "home" / "microscope" / "bad.json").write_text("{")
    assert library.own() == [mine]
