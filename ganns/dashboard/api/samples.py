"""The grids of samples: `/samples/7/120.webp`. A version's grid never changes, so a browser requests it once."""

from __future__ import annotations

import psycopg
from fastapi import HTTPException, Response
from nicegui import app
from psycopg_pool import PoolTimeout

from ganns.dashboard.api import Number, Version
from ganns.dashboard.context import Dashboard
from ganns.store.samples import get_sample

FOR_A_DAY = "public, max-age=86400, immutable"


def register(dashboard: Dashboard) -> None:
    """Serve the grids."""

    @app.get("/samples/{run}/{version}.webp")
    async def sample(run: Number, version: Version) -> Response:
        try:
            picture = await dashboard.read(get_sample, run, version)
        except (psycopg.Error, PoolTimeout):
            raise HTTPException(503, "The database does not answer; try again.") from None
        if picture is None:
            raise HTTPException(404, f"There is no grid for version {version} of run {run}; it may have been deleted.")
        return Response(picture, media_type="image/webp", headers={"Cache-Control": FOR_A_DAY})
