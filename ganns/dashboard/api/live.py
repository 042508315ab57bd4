"""A WebSocket with the messages of the watcher: `/live?run=7&people=7&runs=1`.

Each frame is a list of messages of `ganns.monitor.topics`. The dashboard ignores everything that a browser sends.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Query, WebSocket, WebSocketDisconnect
from nicegui import app
from pydantic import Field

from ganns.dashboard.context import Dashboard
from ganns.monitor.watcher import Key

MAX_SOCKETS = 1000
MAX_EACH = 250
"""For one address. A whole school may share one."""
MAX_RUNS = 6
MAX_TOPICS = 100
"""The most different topics: the watcher reads the database for each of them, again and again."""
MAX_WAITING = 100
"""A browser that is this many messages behind is disconnected; it reconnects and gets the full state."""
Runs = Annotated[list[Annotated[int, Field(ge=0, le=2**63 - 1)]], Query()]
TRY_AGAIN_LATER = 1013


def register(dashboard: Dashboard) -> None:
    """Serve `/live`."""
    sockets: Counter[str] = Counter()  # by address
    topics: Counter[Key] = Counter()

    @app.websocket("/live")
    async def live(
        socket: WebSocket,
        run: Runs = [],  # noqa: B006 (FastAPI's way)
        people: Runs = [],  # noqa: B006
        runs: bool = False,
    ) -> None:
        keys: list[Key] = [("run", one) for one in run[:MAX_RUNS]] + [("people", one) for one in people[:MAX_RUNS]]
        if runs:
            keys.append(("runs", 0))
        keys = list(dict.fromkeys(keys))
        address = socket.client.host if socket.client else ""
        full = sockets.total() >= MAX_SOCKETS or sockets[address] >= MAX_EACH
        if full or len(topics.keys() | set(keys)) > MAX_TOPICS:
            await socket.close(TRY_AGAIN_LATER)
            return
        sockets[address] += 1
        topics.update(keys)
        try:
            await socket.accept()
            await _carry(dashboard, socket, keys)
        finally:
            _forget(sockets, [address])
            _forget(topics, keys)


def _forget(counter: Counter[Any], keys: Iterable[Any]) -> None:
    """Subtract one from each key's count, and drop keys whose count is 0."""
    for key in keys:
        counter[key] -= 1
        if counter[key] <= 0:
            del counter[key]


async def _carry(dashboard: Dashboard, socket: WebSocket, keys: list[Key]) -> None:
    """Send messages until the browser leaves or is too slow."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[list[str]] = asyncio.Queue()

    def deliver(messages: list[str]) -> None:
        """Run in the watcher's thread."""
        with suppress(RuntimeError):  # the loop is closed: the dashboard is ending
            loop.call_soon_threadsafe(waiting.put_nowait, messages)

    with dashboard.watcher.watching(keys, deliver):
        gone = asyncio.create_task(_until_gone(socket))
        try:
            while not gone.done():
                news = asyncio.create_task(waiting.get())
                await asyncio.wait({news, gone}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    news.cancel()
                    return
                if waiting.qsize() > MAX_WAITING:
                    await socket.close(TRY_AGAIN_LATER)
                    return
                await socket.send_text(f"[{','.join(news.result())}]")  # one frame for all
        except (WebSocketDisconnect, RuntimeError):  # the browser left between two messages
            return
        finally:
            gone.cancel()


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.receive_text()
