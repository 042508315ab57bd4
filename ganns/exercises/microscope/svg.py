"""Lanes as a picture: SVG, the same bytes each time.

In a page, its colours are the page's (`--scope-...`); in a file of its own, the ones given here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ganns.exercises.microscope.lanes import Box, Lanes

FONT, LINE = 12, 16  # pixels
LETTER = 0.602 * FONT
"""The width of a letter of the common monospaced fonts."""
PAD, GAP, AXIS = 7, 9, 26
HEAD = 30
STYLE = """
.scope text { font: 12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: var(--scope-ink, #222); }
.scope text.name { font-weight: 700; font-size: 14px; }
.scope text.title { font: 700 14px system-ui, "DejaVu Sans", sans-serif; }
.scope text.note, .scope text.tick { font-style: italic; fill: var(--scope-soft, #555); }
.scope text.remark { font-weight: 700; }
.scope rect.box { stroke: var(--scope-edge, #333); stroke-width: 1; fill: var(--scope-step, #eef3fa); }
.scope rect.commit, .scope rect.held { fill: var(--scope-commit, #dcefdc); }
.scope rect.waits { fill: var(--scope-waits, #fbe6cf); }
.scope rect.error, .scope rect.killed, .scope rect.broken { fill: var(--scope-error, #f8d9d6); }
.scope line.lane { stroke: var(--scope-line, #bbb); stroke-width: 2; }
.scope line.committed { stroke: var(--scope-committed, #2c7a2c); stroke-width: 1; stroke-dasharray: 5 4; }
.scope path.hatch { stroke: var(--scope-waiting, #b64b00); stroke-width: 2; }
"""
"""The styles have the picture's class in front: in a page, they hold for the whole page."""


@dataclass(frozen=True)
class Panel:
    """Lanes with a title, in a picture."""

    title: str
    lanes: Lanes


def draw(panels: Sequence[Panel], lane_width: int = 330, *, alone: bool = True, label: str = "") -> str:
    """Return the picture of one panel, or of several side by side.

    Args:
        panels: what to draw.
        lane_width: in pixels; SQL is broken into lines that fit.
        alone: the picture is a file of its own, with a white background.
        label: for screen readers.
    """
    drawn, left, height = [], 0.0, 0.0
    for panel in panels:
        content, width, tall = _panel(panel, lane_width)
        drawn.append(f'<g transform="translate({_number(left)} 0)">{content}</g>')
        left, height = left + width + 24, max(height, tall)
    width = left - 24
    background = f'<rect width="{_number(width)}" height="{_number(height)}" fill="white"/>' if alone else ""
    size = f' width="{_number(width)}" height="{_number(height)}"' if alone else ""
    hatch = (
        f'<pattern id="hatch{lane_width}" width="7" height="7" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path class="hatch" d="M0 0V7"/></pattern>'
    )
    words = escape(label or "; ".join(panel.lanes.verdict for panel in panels), quote=True)
    box = f"0 0 {_number(width)} {_number(height)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="scope" viewBox="{box}"{size} role="img" '
        f'aria-label="{words}"><style>{STYLE}</style><defs>{hatch}</defs>{background}{"".join(drawn)}</svg>\n'
    )


def _panel(panel: Panel, lane_width: int) -> tuple[str, float, float]:
    """Return the elements, the width and the height."""
    lanes, letters = panel.lanes, int((lane_width - GAP - 2 * PAD) / LETTER)
    width = AXIS + lane_width * len(lanes.names)
    out: list[str] = []
    y = 4.0
    for line in textwrap.wrap(panel.title, int(width / 8.2)):
        y += 18
        out.append(_text(4, y, line, "title"))
    y += HEAD - 6
    for lane, name in enumerate(lanes.names):
        out.append(_text(_middle(lane, lane_width), y, name, "name", anchor="middle"))
    y += 10
    top, tops, bottoms = y, [], []
    texts = [_lines(box, letters) for box in lanes.boxes]
    for words in texts:
        tops.append(y)
        y += len(words) * LINE + 2 * PAD
        bottoms.append(y)
        y += GAP
    back = [
        f'<line class="lane" x1="{x}" x2="{x}" y1="{_number(top)}" y2="{_number(y)}"/>'
        for x in (_number(_middle(lane, lane_width)) for lane in range(len(lanes.names)))
    ]
    for band in lanes.bands:
        x = _middle(band.lane, lane_width) - 8
        for tick in range(band.first, band.last):  # in pieces: an animation shows each at its time
            above = bottoms[tick] if tick == band.first else tops[tick]
            below = tops[tick + 1] if tick + 1 < len(tops) else y
            back.append(
                f'<rect class="band" data-tick="{tick}" x="{_number(x)}" y="{_number(above)}" width="16" '
                f'height="{_number(below - above)}" fill="url(#hatch{lane_width})"/>'
            )
    for box, words in zip(lanes.boxes, texts, strict=True):
        out.append(_drawn(box, words, tops[box.tick], bottoms[box.tick], lane_width, width))
    lines = textwrap.wrap(("✓ " if lanes.held else "✗ ") + lanes.verdict, int((width - 16) / LETTER))
    y += 2
    kind = "held" if lanes.held else "broken"
    out.append('<g data-end="1">')
    out.append(
        f'<rect class="verdict {kind}" x="2" y="{_number(y)}" width="{_number(width - 4)}" '
        f'height="{len(lines) * LINE + 2 * PAD}" rx="4"/>'
    )
    for number, line in enumerate(lines):
        out.append(_text(10, y + PAD + LINE * (number + 0.75), line, "remark"))
    out.append("</g>")
    return "".join([*back, *out]), width, y + len(lines) * LINE + 2 * PAD + 4


def _drawn(box: Box, lines: Sequence[tuple[str, str]], top: float, bottom: float, lane_width: int, width: float) -> str:
    x = AXIS + box.lane * lane_width + GAP / 2
    out = [f'<g data-tick="{box.tick}">', _text(4, top + PAD + LINE * 0.75, str(box.tick + 1), "tick")]
    if box.tone == "commit":
        below = f'y1="{_number(bottom)}" y2="{_number(bottom)}"'
        out.append(f'<line class="committed" x1="{AXIS}" x2="{_number(width)}" {below}/>')
    out.append(
        f'<rect class="box {box.tone.replace(" ", "-")}" x="{_number(x)}" y="{_number(top)}" '
        f'width="{_number(lane_width - GAP)}" height="{_number(bottom - top)}" rx="4"/>'
    )
    for number, (kind, line) in enumerate(lines):
        out.append(_text(x + PAD, top + PAD + LINE * (number + 0.75), line, kind))
    return "".join([*out, "</g>"])


def _lines(box: Box, letters: int) -> list[tuple[str, str]]:
    """Return the lines of a box: (class, text)."""
    found = [("note", line) for line in textwrap.wrap(box.note, letters)]
    for line in box.sql.splitlines():
        parts = textwrap.wrap(line, letters, subsequent_indent="  ")
        found += [("sql", part) for part in parts]
    for remark in box.remarks:
        found += [("remark", line) for line in textwrap.wrap(remark, letters, subsequent_indent="  ")]
    return found or [("sql", " ")]


def _text(x: float, y: float, content: str, kind: str, anchor: str = "") -> str:
    where = f' text-anchor="{anchor}"' if anchor else ""
    content = escape(content, quote=False)
    return f'<text class="{kind}" x="{_number(x)}" y="{_number(y)}"{where} xml:space="preserve">{content}</text>'


def _middle(lane: int, lane_width: int) -> float:
    return AXIS + (lane + 0.5) * lane_width


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
