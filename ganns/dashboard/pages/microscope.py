"""Transactions under the microscope, `/microscope?scene=chord_unlocked`: recordings of real sessions, step by step.

The page starts no server and runs no SQL: it shows what `ganns microscope` has recorded.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from nicegui import ui

from ganns.dashboard.components.microscope import Microscope
from ganns.dashboard.context import Dashboard
from ganns.dashboard.documents import link_of
from ganns.dashboard.frame import frame, text
from ganns.exercises.microscope.lanes import details, lay_out, owners, row_cells, sentence
from ganns.exercises.microscope.library import own, recorded
from ganns.exercises.microscope.recording import Recording
from ganns.exercises.microscope.scene import ready
from ganns.exercises.microscope.svg import Panel, draw

FIRST = "chord_unlocked"
WIDE, NARROW = 250, 150
"""The width of a lane, in pixels: on a screen, and on a phone."""
PAGE = "docs/explain/databases.md"


def register(_: Dashboard) -> None:
    """Serve `/microscope`."""

    @ui.page("/microscope")
    async def microscope(scene: str = FIRST) -> None:
        scenes = await asyncio.to_thread(everything)
        build(scenes, scene)


def everything() -> dict[str, Recording]:
    """Return the recordings by their scenes' names: the ready ones, and those of this machine's user."""
    return {name: recorded(name) for name in ready()} | {one.scene: one for one in own()}


def build(scenes: dict[str, Recording], wanted: str) -> None:
    """Build the page with one scene; for an unknown name, with the first one and a note."""
    shown = scenes.get(wanted, scenes[FIRST])
    with frame("Microscope", "/learn"):
        with ui.element("section").classes("learn-head"):
            text("h1", "Transactions under the microscope")
            if wanted not in scenes:
                text("p", f"There is no scene {wanted[:60]}.").classes("learn-note")
        with ui.element("div").classes("scope-page"):
            with ui.element("nav").classes("card scope-list").props('aria-label="Scenes"'):
                text("h2", "Scenes")
                build_list(scenes, shown)
                with text("p", "To play one yourself, or to write one: ").classes("soft"):
                    text("code", "ganns microscope")
                if link := link_of(PAGE):
                    text("a", "Databases for PyTorch people").props(f'href="{link}"')
            with ui.element("section").classes("card").props('aria-labelledby="scene"'):
                text("h2", shown.title).props('id="scene"')
                text("p", shown.about)
                with text("p", "The promise: ").classes("scope-promise"):
                    text("strong", shown.promise)
                Microscope(shown.sessions, moments(shown), pictures(shown), lay_out(shown).verdict)


def build_list(scenes: dict[str, Recording], shown: Recording) -> None:
    """Build the links to the scenes."""
    with ui.element("ul"):
        for name, one in scenes.items():
            with ui.element("li"):
                with text("a", name.replace("_", " ")).props(f'href="/microscope?scene={quote(name)}"') as link:
                    if one is shown:
                        link.props('aria-current="page"')
                text("span", " holds" if one.held else " is broken").classes("soft")


def pictures(recording: Recording) -> dict[str, str]:
    """Return the lanes as SVG, for a screen and for a phone."""
    laid = lay_out(recording)
    return {
        name: draw([Panel("", laid)], width, alone=False, label="The lanes; the list of steps says the same in words.")
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    }


def moments(recording: Recording) -> list[dict[str, Any]]:
    """Return what the panel says about each moment."""
    names = owners(recording)
    return [
        {
            "sentence": sentence(recording, tick),
            "details": details(recording, tick),
            "rows": [row_cells(row, names) for row in moment.rows],
            "name": recording.sessions[moment.session],
        }
        for tick, moment in enumerate(recording.moments)
    ]
