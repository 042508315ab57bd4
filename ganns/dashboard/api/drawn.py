"""Faces of chosen attributes: `/drawn/7.webp?labels=0,1,0.5&version=120`, drawn by a process of its own."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import HTTPException, Query, Response
from nicegui import app

from ganns.dashboard.api import Number
from ganns.dashboard.context import Dashboard
from ganns.dashboard.drawing import Busy, CannotDraw, Drawing

Labels = Annotated[str, Query(pattern=r"^(0|1|0\.\d{1,2})(,(0|1|0\.\d{1,2})){0,39}$")]
"""A number from 0 to 1 for each attribute, with at most two decimals."""
Seen = Annotated[int, Query(ge=0, le=2**31 - 1)]
"""The newest version that the page knows; with another one, a picture is drawn again."""


def register(dashboard: Dashboard) -> None:
    """Serve the pictures, and end the process that draws them with the dashboard."""
    drawing = Drawing(dashboard.address)
    app.on_shutdown(drawing.close)

    @app.get("/drawn/{run}.webp")
    async def drawn(run: Number, labels: Labels, version: Seen, best: bool = False) -> Response:
        values = tuple(float(value) for value in labels.split(","))
        try:
            picture = await asyncio.to_thread(drawing.draw, run, version, values, best=best)
        except Busy as error:
            raise HTTPException(503, str(error)) from None
        except CannotDraw as error:
            raise HTTPException(409, str(error)) from None
        return Response(picture, media_type="image/webp", headers={"Cache-Control": "no-store"})
