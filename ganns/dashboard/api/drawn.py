"""Serve the drawn faces and D's answers, which a process with PyTorch makes: `ganns/dashboard/drawing.py`.

    /drawn/7.webp?labels=0,1,0.5&version=120    sixteen faces of chosen attributes
    /walks/7/120.webp?face=5&to=6&seen=120      the way from one face of the grids to another, by version 120
    /answers/7/120.json?seen=120                D's answers to the 64 faces of version 120, or of the newest kept one

`seen`, and `version` of the first, is the newest version that the page knows: with another one, an answer is made
again.
"""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any

from fastapi import HTTPException, Query, Request, Response
from nicegui import app

from ganns.dashboard.api import Number, Version
from ganns.dashboard.context import Dashboard
from ganns.dashboard.drawing import Answer, Busy, CannotDraw, Drawing
from ganns.dashboard.security.attempts import Attempts

MAX_EACH, MAX_ALL = 120, 240
"""New questions about faces in a minute: from one address, and in total. Kept answers, and what others ask at the same
time, do not count: a class that looks at one version asks a few times."""
Labels = Annotated[str, Query(pattern=r"^(0|1|0\.\d{1,2})(,(0|1|0\.\d{1,2})){0,39}$")]
"""A number from 0 to 1 for each attribute, with at most two decimals."""
Seen = Annotated[int, Query(ge=0, le=2**31 - 1)]
Face = Annotated[int, Query(ge=0, lt=64)]
"""A face's place in a grid."""


class Asking:
    """Asks the process: the same question of many viewers once, and without blocking the event loop."""

    def __init__(self, drawing: Drawing) -> None:
        """Ask `drawing`."""
        self._drawing = drawing
        self._attempts = Attempts(each=MAX_EACH, total=MAX_ALL)
        self._open: dict[str, asyncio.Task[Answer]] = {}

    async def ask(self, question: dict[str, Any], seen: int, limited: Request | None = None) -> Answer:
        """Return the process's answer.

        Args:
            question: of `ganns.export.drawing_process`.
            seen: the newest version that the page knows.
            limited: the request, if the number of questions from its address is limited.

        Raises:
            HTTPException: with a reason for the page.
        """
        if (kept := self._drawing.kept(question, seen)) is not None:
            return kept
        key = repr((question, seen))
        if key not in self._open:
            if limited is not None:
                self._count(limited.client.host if limited.client else "")
            self._open[key] = asyncio.create_task(asyncio.to_thread(self._drawing.ask, question, seen))
            self._open[key].add_done_callback(lambda task: self._end(key, task))
        try:
            return await asyncio.shield(self._open[key])  # a viewer who leaves ends no one else's question
        except Busy as error:
            raise HTTPException(503, str(error)) from None
        except CannotDraw as error:
            raise HTTPException(409, str(error)) from None

    def _end(self, key: str, task: asyncio.Task[Answer]) -> None:
        del self._open[key]
        if not task.cancelled():
            task.exception()  # looked at here, in case that every viewer has left: asyncio complains otherwise

    def _count(self, address: str) -> None:
        if wait_s := self._attempts.wait_s(address):
            raise HTTPException(429, f"Too many questions from this network: try again in {math.ceil(wait_s)} s.")
        self._attempts.count(address)


def register(dashboard: Dashboard) -> None:
    """Serve the answers, and end the process with the dashboard."""
    drawing = Drawing(dashboard.address)
    asking = Asking(drawing)
    app.on_shutdown(drawing.close)

    @app.get("/drawn/{run}.webp")
    async def drawn(run: Number, labels: Labels, version: Seen, best: bool = False) -> Response:
        values = [float(value) for value in labels.split(",")]
        return _picture(await asking.ask({"ask": "attributes", "run": run, "best": best, "labels": values}, version))

    @app.get("/walks/{run}/{version}.webp")
    async def walk(request: Request, run: Number, version: Version, face: Face, to: Face, seen: Seen) -> Response:
        question = {"ask": "walk", "run": run, "version": version, "face": face, "to": to}
        return _picture(await asking.ask(question, seen, request))

    @app.get("/answers/{run}/{version}.json")
    async def answers(request: Request, run: Number, version: Version, seen: Seen) -> dict[str, Any]:
        return (await asking.ask({"ask": "answers", "run": run, "version": version}, seen, request))[0]


def _picture(answer: Answer) -> Response:
    return Response(answer[1], media_type="image/webp", headers={"Cache-Control": "no-store"})
