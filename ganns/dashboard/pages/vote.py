"""The vote of the class before a failure, `/vote`: for phones, without a login, and only with the failure lab."""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import Body, HTTPException, Request
from nicegui import app, ui

from ganns.dashboard.components.instructor import Vote
from ganns.dashboard.frame import frame, text
from ganns.dashboard.lab.predictions import Predictions
from ganns.dashboard.lab.votes import LOSSES, WAITS
from ganns.dashboard.security.attempts import Attempts
from ganns.errors import DashboardError

MAX_EACH, MAX_ALL = 200, 1000
"""Votes a minute: from one address, which a whole school may share, and in total."""
Number = Annotated[int, Body(ge=1, le=2**31)]
Voter = Annotated[str, Body(pattern=r"^[0-9a-f]{32}$")]
Wait = Annotated[int, Body(ge=0, lt=len(WAITS))]
Lost = Annotated[int, Body(ge=0, lt=len(LOSSES))]


def register(predictions: Predictions) -> None:
    """Serve `/vote`, take votes, and tell everyone the present vote."""
    attempts = Attempts(each=MAX_EACH, total=MAX_ALL)

    @ui.page("/vote")
    async def page() -> None:
        with frame("Vote", ""):
            text("h1", "What will happen?")
            Vote()

    @app.get("/vote/state")
    async def state() -> dict[str, Any]:
        return {"ballot": predictions.shown()}

    @app.post("/vote")
    async def vote(request: Request, number: Number, voter: Voter, wait: Wait, lost: Lost) -> dict[str, str]:
        address = request.client.host if request.client else ""
        if wait_s := attempts.wait_s(address):
            raise HTTPException(429, f"Too many votes from this network: try again in {math.ceil(wait_s)} s.")
        attempts.count(address)
        try:
            predictions.vote(number, voter, wait, lost)
        except DashboardError as error:
            raise HTTPException(409, str(error)) from None
        return {"text": "Your vote counts. You may change it until the failure begins."}
