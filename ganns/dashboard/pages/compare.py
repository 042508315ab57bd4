"""Several runs side by side: `/compare?run=7&run=8`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Query
from nicegui import ui

from ganns.dashboard.api.live import MAX_RUNS
from ganns.dashboard.components.chart import AxisChoice, Chart, Series
from ganns.dashboard.components.lists import Beside
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.evaluation.ranking import DISTANCES
from ganns.monitor.settings import table
from ganns.monitor.snapshot import look_at_run


def register(dashboard: Dashboard) -> None:
    """Serve `/compare`."""

    @ui.page("/compare")
    async def compare(run: list[int] = Query(default=[])) -> None:  # noqa: B008 (FastAPI's way)
        chosen = list(dict.fromkeys(run))
        if not 2 <= len(chosen) <= MAX_RUNS:
            build_refusal(f"Choose two to {MAX_RUNS} runs, not {len(chosen)}.")
            return
        found = [await dashboard.read(look_at_run, one) for one in chosen]
        missing = [str(one) for one, what in zip(chosen, found, strict=True) if what is None]
        if missing:
            build_refusal(f"There is no run {', '.join(missing)}.")
            return
        build([one for one in found if one is not None])


def build_refusal(why: str) -> None:
    """Build the page that says why these runs cannot be compared."""
    with frame("Compare", "/runs"):
        text("h1", "Compare")
        with ui.element("section").classes("card"):
            text("p", why)
            text("a", "Choose runs in the list").props('href="/runs"')


def build(found: Sequence[Mapping[str, Any]]) -> None:
    """Build the page for these runs; `found` has a result of `look_at_run` for each."""
    runs = [one["run"] for one in found]
    labels = [f"run {run}" for run in runs]
    with frame(f"Compare {', '.join(labels)}", "/runs", live="&".join(f"run={run}" for run in runs)):
        text("h1", f"Compare {', '.join(labels)}")
        Beside(runs, labels)
        with ui.element("section").classes("card").props('aria-labelledby="settings"'):
            text("h2", "Settings that differ").props('id="settings"')
            build_settings(labels, table([one["config"] for one in found]))
        with ui.element("section").props('aria-labelledby="curves"'):
            with ui.element("div").classes("head"):
                text("h2", "How they learn").props('id="curves"')
                AxisChoice()
            with ui.element("div").classes("charts two"):
                build_curves(runs, labels)


def build_settings(labels: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Build the table of the settings that differ."""
    if not rows:
        text("p", "None: these runs have the same settings.").classes("soft")
        return
    with ui.element("table").classes("rows").props('role="table" aria-labelledby="settings"'):
        with (
            ui.element("thead").props('role="rowgroup"'),
            ui.element("tr").props('role="row"'),
        ):
            for head in ("Setting", *labels):
                text("th", head).props('scope="col" role="columnheader"')
        with ui.element("tbody").props('role="rowgroup"'):
            for key, values in rows:
                with ui.element("tr").props('role="row"'):
                    with ui.element("th").props('scope="row" role="rowheader"'):
                        text("code", key)
                    for label, value in zip(labels, values, strict=True):
                        text("td", value).props(f'role="cell" data-label="{label}"')


def build_curves(runs: Sequence[int], labels: Sequence[str]) -> None:
    """Build the curves; each run has a colour."""
    charts = (
        ("FID (lower is better)", Series("fid", "FID", of="evaluations", best=True)),
        ("Sliced Wasserstein distance (lower is better)", Series("swd", "SWD", of="evaluations", best=True)),
        ("Precision: images like real ones", Series("precision", "precision", of="evaluations")),
        ("Recall: kinds of real images that are drawn", Series("recall", "recall", of="evaluations")),
        ("Loss of the discriminator", Series("d_loss", "discriminator")),
        ("Loss of the generator", Series("g_loss", "generator")),
        ("Images per second", Series("images_per_s", "images/s")),
    )
    for title, series in charts:
        with ui.element("div").classes("card"):
            low = 0 if series.key == "images_per_s" else None
            Chart(title, [series], runs, labels=labels, log=series.key in DISTANCES, low=low)
