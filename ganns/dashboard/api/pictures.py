"""Stored pictures: the grids of samples, `/samples/7/120.webp`, and those of replays, `/replays/7/1/faces.png`.

They never change, so a browser requests each once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import psycopg
from fastapi import HTTPException, Response
from nicegui import app
from psycopg_pool import PoolTimeout

from ganns.dashboard.api import Number, Version
from ganns.dashboard.context import Dashboard
from ganns.store.samples import get_sample
from ganns.store.shown_replays import get_replay_picture


def register(dashboard: Dashboard) -> None:
    """Serve the pictures."""

    @app.get("/samples/{run}/{version}.webp")
    async def sample(run: Number, version: Version) -> Response:
        missing = f"There is no grid for version {version} of run {run}; it may have been deleted."
        return await _picture(dashboard, "image/webp", missing, get_sample, run, version)

    @app.get("/replays/{run}/{number}/{which}.png")
    async def replay(run: Number, number: Version, which: Literal["curves", "faces"]) -> Response:
        missing = f"There is no such picture of replay {number} of run {run}."
        return await _picture(dashboard, "image/png", missing, get_replay_picture, run, number, which)


async def _picture(
    dashboard: Dashboard, media_type: str, missing: str, read: Callable[..., bytes | None], *key: Any
) -> Response:
    """Return the picture that `read` finds by its key; the sentence `missing` says that there is none."""
    try:
        found = await dashboard.read(read, *key)
    except (psycopg.Error, PoolTimeout):
        raise HTTPException(503, "The database does not answer; try again.") from None
    if found is None:
        raise HTTPException(404, missing)
    return Response(found, media_type=media_type, headers={"Cache-Control": "public, max-age=86400, immutable"})
