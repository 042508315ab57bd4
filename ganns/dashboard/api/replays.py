"""The pictures of replays: `/replays/7/1/faces.png`. They never change, so a browser requests each once."""

from __future__ import annotations

from typing import Literal

import psycopg
from fastapi import HTTPException, Response
from nicegui import app
from psycopg_pool import PoolTimeout

from ganns.dashboard.api import Number, Version
from ganns.dashboard.api.samples import FOR_A_DAY
from ganns.dashboard.context import Dashboard
from ganns.store.shown_replays import get_replay_picture


def register(dashboard: Dashboard) -> None:
    """Serve the pictures."""

    @app.get("/replays/{run}/{number}/{which}.png")
    async def picture(run: Number, number: Version, which: Literal["curves", "faces"]) -> Response:
        try:
            found = await dashboard.read(get_replay_picture, run, number, which)
        except (psycopg.Error, PoolTimeout):
            raise HTTPException(503, "The database does not answer; try again.") from None
        if found is None:
            raise HTTPException(404, f"There is no such picture of replay {number} of run {run}.")
        return Response(found, media_type="image/png", headers={"Cache-Control": FOR_A_DAY})
