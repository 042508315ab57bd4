"""Predict, break, explain: ask the class, let the lab do the harm, watch the run, and say what happened."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from ganns.dashboard.context import Dashboard
from ganns.dashboard.lab import quiz
from ganns.dashboard.lab.harms import HARMS
from ganns.dashboard.lab.outcome import Observed, outcome, setting
from ganns.dashboard.lab.votes import Ballot
from ganns.errors import ConfigError, DashboardError
from ganns.monitor.closings import look_at_closings, server_time, span
from ganns.monitor.snapshot import look_at_run

WINDOW_S = 40.0
"""The run is watched for this time: a dead worker's unit is computed elsewhere within 35 s."""
TRIES, TRY_EVERY_S = 10, 2.0
"""The database may be away when the time is over: it may be what was restarted."""
MAX_EVENTS = 1000
log = logging.getLogger(__name__)

Seen = list[tuple[float, dict[str, Any]]]
"""(seconds of the monotonic clock, event)."""


class Predictions:
    """The present vote, and what became of it. The dashboard's event loop uses it."""

    def __init__(self, dashboard: Dashboard, window_s: float = WINDOW_S) -> None:
        """Start without a vote; each harm is watched for `window_s` seconds."""
        self._dashboard, self._window_s = dashboard, window_s
        self._task: asyncio.Task[None] | None = None
        self._until = 0.0
        self.ballot: Ballot | None = None

    def ask(self, harm: str, amount: int, run: int) -> str:
        """Open a vote, which replaces the one before; return a sentence.

        Raises:
            DashboardError: no vote about this is possible, or the last harm is still being watched.
        """
        if not HARMS[harm].is_harm:
            raise DashboardError(f"{HARMS[harm].title!r} repairs a harm: ask about the harm before it.")
        if self.ballot is not None and self.ballot.state == "running":
            raise DashboardError("The last harm is still being watched: wait until the page shows what happened.")
        number = self.ballot.number + 1 if self.ballot else 1
        self.ballot = Ballot(number, harm, amount, run)
        return f"The class votes: {self.ballot.shown()['title']}."

    def vote(self, number: int, voter: str, wait: int, lost: int) -> None:
        """Take a vote.

        Raises:
            DashboardError: this vote is not the present one, or is over.
        """
        if self.ballot is None or self.ballot.number != number:
            raise DashboardError("This vote is over: the page shows the present one.")
        self.ballot.vote(voter, wait, lost)

    def shown(self) -> dict[str, Any] | None:
        """Return what everyone may see of the present vote; None if there is none."""
        if self.ballot is None:
            return None
        left_s = max(0.0, self._until - time.monotonic()) if self.ballot.state == "running" else 0.0
        return self.ballot.shown() | {"left_s": round(left_s)}

    @asynccontextmanager
    async def breaking(self, what: str, amount: int) -> AsyncIterator[list[str]]:
        """Watch the run from now on, if the class voted on this harm and this amount; the block does it.

        The list that this yields takes the sentence that says what was done. If the block raises an error, nothing was
        done, and the vote stays open.
        """
        ballot, said = self.ballot, list[str]()
        of_harm = amount if what == "latency" else 0
        if ballot is None or ballot.state != "open" or (ballot.harm, ballot.amount) != (what, of_harm):
            yield said
            return
        with ExitStack() as stack:
            seen: Seen = []
            watching = self._dashboard.watcher.watching([("run", ballot.run)], lambda texts: _note(seen, texts))
            stack.enter_context(watching)
            before = await self._dashboard.read(look_at_run, ballot.run)
            since, begun = await self._dashboard.read(server_time), time.monotonic()
            yield said
            ballot.state, ballot.said = "running", " ".join(said)
            if before is not None:
                ballot.setting = setting(before)
            self._until = begun + self._window_s
            self._task = asyncio.create_task(self._watch(ballot, since, begun, seen, stack.pop_all()))

    async def _watch(self, ballot: Ballot, since: float, begun: float, seen: Seen, watching: ExitStack) -> None:
        with watching:
            await asyncio.sleep(max(0.0, self._until - time.monotonic()))
        for _ in range(TRIES):
            try:
                observed = await self._observe(ballot.run, since, begun, seen)
                ballot.outcome = outcome(ballot, observed)
                await asyncio.to_thread(quiz.keep, ballot)
                break
            except (OSError, ConfigError) as error:  # a full disk: the page shows the outcome nevertheless
                log.warning("the questions of a vote could not be kept: %s", error)
                break
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("what a harm did could not be read: %s", type(error).__name__)
                await asyncio.sleep(TRY_EVERY_S)
        ballot.state = "done"

    async def _observe(self, run: int, since: float, begun: float, seen: Seen) -> Observed:
        """Read the rounds of the time before and after the harm, and add the events."""
        first, until = since - self._window_s, since + self._window_s
        rows = await self._dashboard.read(look_at_closings, run, first, until)
        now = await self._dashboard.read(look_at_run, run)
        back = now["went_back_at_version"] if now else None
        closed = {one["round"] for one in rows if one["closed_at"] is not None and one["closed_at"] >= since}
        return Observed(
            before=span(rows, first, since),
            after=span(rows, since, until),
            window_s=self._window_s,
            requeued=[(at - begun, event) for at, event in seen],
            went_back=back in closed,
        )

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _note(seen: Seen, texts: list[str]) -> None:
    """Keep the events of these messages. The watcher's thread calls it."""
    now = time.monotonic()
    for message in map(json.loads, texts):
        if message["type"] == "events" and len(seen) < MAX_EVENTS:
            seen.extend((now, event) for event in message["events"] if event["event"] == "requeued")
