"""Grids of samples over HTTP: `/samples/7/120.webp`. A version's grid never changes, so a browser asks once."""

from __future__ import annotations

import psycopg
from fastapi import HTTPException, Response
from nicegui import app
from psycopg_pool import PoolTimeout

from ganns.dashboard.dashboard import Dashboard
from ganns.dashboard.limits import Number, Version
from ganns.store.samples import get_sample

FOR_A_DAY = "public, max-age=86400, immutable"


def register(dashboard: Dashboard) -> None:
    """Serve the pictures."""

    @app.get("/samples/{run}/{version}.webp")
    async def sample(run: Number, version: Version) -> Response:
        try:
            picture = await dashboard.read(get_sample, run, version)
        except (psycopg.Error, PoolTimeout):
            raise HTTPException(503, "The database does not answer; try again.") from None
        if picture is None:
            raise HTTPException(404, f"There is no grid of version {version} of run {run} (any more).")
        return Response(picture, media_type="image/webp", headers={"Cache-Control": FOR_A_DAY})
