"""The WebSockets: `/phones/join` for a phone, `/phones/watch` for a projector.

A phone says two things: "hello" once, and a "result" for each unit that it was given. Anything else, and it is
disconnected; so it cannot send faster than units are handed out.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from contextlib import suppress
from time import monotonic
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from nicegui import app

from ganns.dashboard.phones.coordinator import NO_DATABASE, Coordinator, Phone, Work
from ganns.dashboard.phones.messages import read_hello, read_result
from ganns.dashboard.phones.network import NUM_POINTS, RECIPES
from ganns.dashboard.security.attempts import Attempts
from ganns.errors import BadResult
from ganns.store.phones import Held

HELLO_S = 10.0
"""A phone that has not said hello by then is disconnected."""
RETRY_S = 2.0
"""A phone without a unit asks again after this time, even if no round was opened: one may have been held too long."""
MAX_EACH, MAX_SOCKETS, MAX_WATCHERS = 64, 128, 100
"""Sockets of phones from one address and in total (a class may share an address), and sockets of projectors."""
JOINS_EACH, JOINS = 200, 600
"""Phones that join in a minute, from one address and in total: each one is some statements for the database."""
SHORTEST_LOOK_S = 0.2
"""A projector gets a message at most this often."""
TRY_AGAIN_LATER, REFUSED = 1013, 1008


def register(coordinator: Coordinator) -> None:
    """Serve the sockets."""
    sockets: Counter[str] = Counter()
    joins = Attempts(each=JOINS_EACH, total=JOINS)
    watchers: set[WebSocket] = set()

    @app.websocket("/phones/join")
    async def join(socket: WebSocket) -> None:
        address = socket.client.host if socket.client else ""
        if sockets.total() >= MAX_SOCKETS or sockets[address] >= MAX_EACH or joins.wait_s(address):
            await socket.close(TRY_AGAIN_LATER)
            return
        joins.count(address)
        sockets[address] += 1
        try:
            await _serve(coordinator, socket)
        finally:
            sockets[address] -= 1
            if not sockets[address]:
                del sockets[address]

    @app.websocket("/phones/watch")
    async def watch(socket: WebSocket) -> None:
        if len(watchers) >= MAX_WATCHERS:
            await socket.close(TRY_AGAIN_LATER)
            return
        watchers.add(socket)
        try:
            await socket.accept()
            await _tell(coordinator, socket)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            watchers.remove(socket)


async def _serve(coordinator: Coordinator, socket: WebSocket) -> None:
    """Let a phone join, compute units, and leave."""
    phone = None
    with suppress(WebSocketDisconnect, RuntimeError):  # it left between two messages
        await socket.accept()
        try:
            hello = read_hello(await asyncio.wait_for(_receive(socket), HELLO_S))
            phone = await coordinator.join(hello)
            if phone is None:
                await _refuse(socket, "Too many phones have joined. Try again later.", TRY_AGAIN_LATER)
                return
            await _send(socket, {"type": "welcome", "name": phone.name, "key": phone.key})
            await _compute(coordinator, phone, socket)
        except BadResult as error:
            await _refuse(socket, str(error), REFUSED)
        except TimeoutError:
            await _refuse(socket, "This phone has not said hello.", REFUSED)
        except NO_DATABASE:
            await _refuse(socket, "The database does not answer.", TRY_AGAIN_LATER)
        finally:
            if phone is not None:
                await coordinator.leave(phone)


async def _compute(coordinator: Coordinator, phone: Phone, socket: WebSocket) -> None:
    """Give a phone units and take their results, until it leaves.

    Raises:
        BadResult: it sent something that it should not have.
    """
    message = asyncio.create_task(_receive(socket))  # always listening: a phone that left is noticed at once
    try:
        while True:
            while True:
                opened = coordinator.opened  # before the look: a round that is opened meanwhile must not be missed
                if (work := await coordinator.claim(phone)) is not None:
                    break
                waiting = asyncio.create_task(opened.wait())
                await asyncio.wait({message, waiting}, timeout=RETRY_S, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if message.done():
                    message.result()
                    raise BadResult("This phone holds no unit, so it has nothing to send.")
            await _send(socket, _unit(coordinator, phone, work))
            result = read_result(await message)
            message = asyncio.create_task(_receive(socket))
            if result.unit != name_of(work.held):
                raise BadResult("This result is not of the unit that this phone holds.")
            in_time = await coordinator.submit(phone, result)
            await _send(
                socket, {"type": "judged", "inTime": in_time, "arrow": phone.arrow, "version": coordinator.version}
            )
    finally:
        message.cancel()
        with suppress(WebSocketDisconnect, RuntimeError, BadResult, asyncio.CancelledError):
            await message


def name_of(held: Held) -> str:
    """Return the name of a unit, as a phone must repeat it."""
    return f"{held.run}/{held.round}/{held.unit}/{held.attempt}"


def _unit(coordinator: Coordinator, phone: Phone, work: Work) -> dict[str, Any]:
    """Return the message with a unit."""
    accepted, late = coordinator.credit.get(phone.id, (0, 0))
    return {
        "type": "unit",
        "unit": name_of(work.held),
        "seed": work.held.seed,
        "points": NUM_POINTS,
        "r1": RECIPES[work.recipe].r1,
        "version": work.held.round,
        "weights": _base64(work.weights),
        "accepted": accepted,
        "late": late,
        "phones": len(coordinator.phones),
    }


def board(coordinator: Coordinator) -> dict[str, Any]:
    """Return what a projector shows."""
    now = coordinator.now
    moment = monotonic()
    return {
        "run": now.run if now else None,
        "recipe": now.recipe if now else "",
        "waitPercent": now.wait_percent if now else 0,
        "version": coordinator.version,
        "weights": _base64(coordinator.state.weights.tobytes()),
        "losses": [round(one, 3) for one in coordinator.losses],
        "speed": round(coordinator.rounds_per_s, 1),
        "round": {"units": now.units, "quorum": now.quorum, "results": now.results} if now else None,
        "trouble": coordinator.trouble,
        "phones": [
            {
                "id": one.id,
                "name": one.name,
                "held": None if one.held is None else round(moment - one.since, 1),
                "behind": 0 if one.held is None else max(0, coordinator.version - one.held.round),
                "credit": coordinator.credit.get(one.id, (0, 0)),
                "arrow": one.arrow,
                "late": one.late,
            }
            for one in list(coordinator.phones.values())
        ],
    }


async def _tell(coordinator: Coordinator, socket: WebSocket) -> None:
    """Send the board after each change, until the browser leaves."""
    gone = asyncio.create_task(_until_gone(socket))
    try:
        while not gone.done():
            changed = asyncio.create_task(coordinator.changed.wait())
            await _send(socket, board(coordinator))
            await asyncio.wait({gone}, timeout=SHORTEST_LOOK_S)
            await asyncio.wait({changed, gone}, timeout=RETRY_S, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
    finally:
        gone.cancel()


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, KeyError):
        while True:
            await socket.receive_text()


async def _receive(socket: WebSocket) -> str:
    """Return the next message.

    Raises:
        BadResult: it is no text.
        WebSocketDisconnect: the phone left.
    """
    text: str | None = None
    with suppress(KeyError):  # how Starlette says that the message is of bytes
        text = await socket.receive_text()
    if text is None:
        raise BadResult("The message is no text.")
    return text


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(message, separators=(",", ":")))


async def _refuse(socket: WebSocket, text: str, code: int) -> None:
    await _send(socket, {"type": "refused", "text": text})
    await socket.close(code)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
