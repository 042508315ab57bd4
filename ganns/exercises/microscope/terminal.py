"""Lanes as text, for a terminal of any width."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ganns.exercises.microscope.lanes import Lanes, details, lay_out, owners, row_cells
from ganns.exercises.microscope.recording import Recording
from ganns.utils.printable import printable

COLOURS = {"step": "", "waits": "yellow", "went on": "", "commit": "green", "error": "red", "killed": "red"}


def lanes(recording: Recording, *, with_details: bool = False) -> RenderableType:
    """Return the whole recording: a column for each session, a row for each moment, and the verdict."""
    laid = lay_out(recording)
    parts: list[RenderableType] = [table(laid)]
    if with_details:
        parts += [moment_details(recording, tick) for tick in range(len(laid.boxes))]
    return Group(*parts, verdict_line(laid))


def table(laid: Lanes) -> Table:
    """Return the lanes as a table. A bar stands where a session waits, a dot where it does nothing."""
    found = Table(show_lines=True, expand=True, padding=(0, 1))
    found.add_column("", justify="right", width=len(str(len(laid.boxes))))
    for name in laid.names:
        found.add_column(name, ratio=1, overflow="fold")
    for box in laid.boxes:
        cells = []
        for lane in range(len(laid.names)):
            band = next((one for one in laid.bands if one.lane == lane and one.first < box.tick < one.last), None)
            if lane == box.lane:
                cells.append(_cell(box.note, box.sql, box.remarks, COLOURS[box.tone]))
            elif band is not None:
                cells.append(Text(f"┊ {band.words}", style="yellow"))
            else:
                cells.append(Text(""))
        found.add_row(Text(str(box.tick + 1)), *cells)
    return found


def _cell(note: str, sql: str, remarks: tuple[str, ...], colour: str) -> Text:
    found = Text()
    for words, style in ((note, "italic dim"), (sql, ""), *((one, f"bold {colour}".strip()) for one in remarks)):
        if words:
            found.append(("\n" if found.plain else "") + printable(words, lines=True), style=style)
    return found


def verdict_line(laid: Lanes) -> Text:
    """Return whether the promise held."""
    mark, style = ("✓", "bold green") if laid.held else ("✗", "bold red")
    return Text(f"{mark} {printable(laid.verdict)}", style=style)


def moment_details(recording: Recording, tick: int) -> RenderableType:
    """Return what the microscope saw at a moment: snapshot, locks, and the watched rows."""
    moment, names = recording.moments[tick], owners(recording)
    head = Text(f"\n{tick + 1}. {recording.sessions[moment.session]}", style="bold")
    parts: list[RenderableType] = [head]
    parts += [Text(f"   {name}: {printable(words)}") for name, words in details(recording, tick) if name != "why"]
    if moment.rows:
        heads = ("table", "row, as it sees it", "xmin (written by)", "xmax (changed or locked by)")
        rows = Table(*heads, box=None, padding=(0, 2))
        for row in moment.rows:
            rows.add_row(*(Text(printable(cell)) for cell in row_cells(row, names)))
        parts.append(rows)
    return Group(*parts)
