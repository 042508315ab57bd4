"""The failure lab, `/lab`: for instructors, and only with `ganns dashboard --failure-lab`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import psutil
import psycopg
from fastapi import Body, HTTPException, Path, Response
from fastapi.responses import RedirectResponse
from nicegui import app, ui
from psycopg_pool import PoolTimeout

from ganns.dashboard.api.orders import MAY_ONLY_READ, may_order
from ganns.dashboard.components import NewRun
from ganns.dashboard.components.instructor import LabControls
from ganns.dashboard.components.run_page import Figure, RunState
from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame, text
from ganns.dashboard.join import place_code
from ganns.dashboard.lab import quiz
from ganns.dashboard.lab.actions import Lab
from ganns.dashboard.lab.predictions import Predictions
from ganns.dashboard.security.instructor import Ordering, Watching, page_session
from ganns.errors import DashboardError, GannsError
from ganns.monitor.snapshot import latest_run

What = Annotated[str, Path(pattern="^(start|end|kill|stop|continue|slow|fast|latency|restart)$")]
Harm = Annotated[str, Path(pattern="^(kill|stop|continue|slow|fast|latency|restart)$")]
Day = Annotated[str, Path(pattern=r"^\d{4}-\d\d-\d\d$")]
Number = Annotated[int, Body(embed=True, ge=0, le=100_000)]
FIGURES = (
    Figure("version", "version"),
    Figure("images/s", "images_per_s"),
    Figure("rounds/min", "rounds_per_min"),
    Figure("workers", "workers_alive"),
)


def register(dashboard: Dashboard, lab: Lab, predictions: Predictions) -> None:
    """Serve `/lab`, and accept its orders."""

    @ui.page("/lab")
    async def page() -> Response | None:
        session = page_session()
        if session is None:
            return RedirectResponse("/login", 303)
        run = await dashboard.read(latest_run)
        with frame("Failure lab", "/control", live="runs=1" if run is None else f"run={run}"):
            text("h1", "Failure lab")
            text(
                "p",
                "Workers on this machine join the class, and you can harm them. The lab touches no other process. Its "
                "workers end with the dashboard.",
            ).classes("soft under")
            NewRun(run, follow=True)
            if run is None:
                with text("p", "No run is open, so workers would have no units. Start one with ").classes("card empty"):
                    text("code", "ganns train experiment=demo")
            else:
                with ui.element("section").classes("card").props('aria-label="The run"'):
                    RunState(run, FIGURES)
            LabControls(session.csrf, can_restart=lab.can_restart)
            with ui.element("section").classes("card").props('aria-labelledby="vote-code"'):
                text("h2", "The class predicts").props('id="vote-code"')
                place_code(dashboard.reach, "/vote", "To vote on what will happen, scan it with a phone")
        return None

    @app.get("/lab/state")
    async def state(_: Watching) -> dict[str, Any]:
        newest = (await asyncio.to_thread(quiz.days))[-1:]
        return lab.state() | {"ballot": predictions.shown(), "quiz": "".join(newest)}

    @app.get("/lab/quiz/{day}/{page}.md")
    async def quiz_page(day: Day, page: Literal["questions", "answers"], _: Watching) -> Response:
        if day not in await asyncio.to_thread(quiz.days):
            raise HTTPException(404, f"No vote of {day} has ended on this machine.")
        written = await asyncio.to_thread(quiz.quiz_of if page == "questions" else quiz.answers_of, day)
        headers = {"Content-Disposition": f'attachment; filename="lab-{day}-{page}.md"', "Cache-Control": "no-store"}
        return Response(written, media_type="text/markdown", headers=headers)

    @app.post("/lab/ask/{harm}")
    async def ask(harm: Harm, number: Number, _: Ordering) -> dict[str, str]:
        try:
            if (run := await dashboard.read(latest_run)) is None:
                raise DashboardError("No run is open, so nothing can be predicted: start one first.")
            return {"text": predictions.ask(harm, number, run)}
        except GannsError as error:
            raise HTTPException(409, str(error)) from None
        except (psycopg.Error, PoolTimeout):
            raise HTTPException(503, "The database does not answer, so no vote was opened. Try again.") from None

    @app.post("/lab/{what}")
    async def order(what: What, number: Number, _: Ordering) -> dict[str, str]:
        if what == "start" and not await may_order(dashboard):
            raise HTTPException(403, MAY_ONLY_READ)
        try:
            async with predictions.breaking(what, number) as said:
                said.append(await lab.order(what, number))
            return {"text": said[0]}
        except GannsError as error:
            raise HTTPException(409, str(error)) from None
        except (psycopg.Error, PoolTimeout):
            raise HTTPException(503, "The database does not answer, so nothing was done. Try again.") from None
        except (OSError, psutil.Error) as error:
            raise HTTPException(503, f"The operating system refused this: {type(error).__name__}. Try again.") from None
