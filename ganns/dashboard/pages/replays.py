"""The replays of a run, `/run/7/replays`: both futures side by side, as `ganns replay --show` has stored them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.pages.now import unknown
from ganns.monitor.snapshot import look_at_run
from ganns.store.shown_replays import list_replays

COLUMNS = {"images": "images", "d_loss": "loss D", "g_loss": "loss G", "swd": "swd"}


def register(dashboard: Dashboard) -> None:
    """Serve `/run/7/replays`."""

    @ui.page("/run/{run}/replays")
    async def replays(run: int) -> None:
        if await dashboard.read(look_at_run, run) is None:
            raise unknown(run)
        build(run, await dashboard.read(list_replays, run))


def build(run: int, found: Sequence[Mapping[str, Any]]) -> None:
    """Build the page of a run's replays, which `list_replays` has returned."""
    with frame(f"Replays of run {run}", "/runs"):
        text("h1", f"Replays of run {run}")
        with ui.element("p").classes("soft under"):
            text("span", "The run computed again from one of its rounds on, with something changed. ")
            text("a", f"Run {run}").props(f'href="/run/{run}"')
        if not found:
            with ui.element("section").classes("card"):
                text("p", "None is shown yet. The instructor types, for example:")
                text("pre", f"ganns replay {run}@0 without=NAME --drop --show")
        for one in found:
            build_one(run, one)


def build_one(run: int, one: Mapping[str, Any]) -> None:
    """Build the card of one replay."""
    title, number = f"From round {one['round']} on: {one['change']}", one["number"]
    with ui.element("section").classes("card replay").props(f'aria-labelledby="replay-{number}"'):
        text("h2", title).props(f'id="replay-{number}"')
        for sentence in one["sentences"]:
            text("p", sentence)
        with ui.element("div").classes("pictures"):
            for which, said in (("faces", "Images of both futures"), ("curves", "Curves of both futures")):
                if one[f"has_{which}"]:
                    ui.element("img").props(
                        f'src="/replays/{run}/{number}/{which}.png" loading="lazy" '
                        f'alt="{said}; the numbers are in the table below."'
                    )
        build_table(number, one["rows"])


def build_table(number: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Build the table of some versions: as it was, then changed."""
    with ui.element("table").classes("rows").props(f'role="table" aria-labelledby="replay-{number}"'):
        with ui.element("thead").props('role="rowgroup"'), ui.element("tr").props('role="row"'):
            for head in ("version", *(f"{name}: as it was | changed" for name in COLUMNS.values()), "of the way"):
                text("th", head).props('scope="col" role="columnheader"')
        with ui.element("tbody").props('role="rowgroup"'):
            for row in rows:
                with ui.element("tr").props('role="row"'):
                    text("th", str(row["version"])).props('scope="row" role="rowheader"')
                    for key, name in COLUMNS.items():
                        pair = " | ".join(_figure(row[which].get(key)) for which in ("as_it_was", "changed"))
                        text("td", pair).props(f'role="cell" data-label="{name}"')
                    apart = "equal" if row["equal"] else _figure(row.get("of_the_way"))
                    text("td", apart).props('role="cell" data-label="of the way"')


def _figure(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
    return "-"
