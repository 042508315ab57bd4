"""A relay before a server that makes a link of it: a number of bytes per second, a delay, and cuts in the middle.

It counts what the clients send and get, so that a test can say how much was sent twice. All connections share the rate.

    python -m benchmarks.relay '{"target": ["10.77.0.1", 5432], "delay_s": 0.02}'

relays in a process of its own, as `benchmarks.link` needs it in another network namespace, and prints its port.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ganns.db.address import Address

PORTION = 8192


@dataclass
class Relay:
    """One link. `cut_up` and `cut_down` are numbers of bytes; after this many bytes all connections are cut."""

    target: str | tuple[str, int]  # a unix socket's path, or (host, port)
    rate: float | None = None  # bytes a second, up; None: as fast as it goes
    rate_down: float | None = None  # the same, down; None: as up
    delay_s: float = 0.0  # one way
    cut_up: list[int] = field(default_factory=list)
    cut_down: list[int] = field(default_factory=list)
    num_up: int = 0
    num_down: int = 0
    num_cuts: int = 0
    port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _free_at: dict[bool, float] = field(default_factory=lambda: {True: 0.0, False: 0.0})  # by direction

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Relay until `stop`; `ready` is set when the port is known."""
        listening = socket.socket()
        # Small buffers: what the link has not moved waits at the sender, as with a modem.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * PORTION)
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        async with await asyncio.start_server(self._connected, sock=listening, limit=PORTION):
            ready.set()
            await stop.wait()
            self._cut()
        while self._writers:
            await asyncio.sleep(0.01)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.target, str):
            to_server = await asyncio.open_unix_connection(self.target, limit=PORTION)
        else:
            to_server = await asyncio.open_connection(*self.target, limit=PORTION)
        both = {writer, to_server[1]}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, to_server[1], True), self._pump(to_server[0], writer, False))
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_up: bool) -> None:
        loop = asyncio.get_running_loop()
        rate = self.rate if is_up or self.rate_down is None else self.rate_down
        with suppress(OSError):
            while data := await reader.read(PORTION):
                if rate:
                    # A sleep that took too long is made up for, so that the rate is right on a busy machine.
                    free_at = max(self._free_at[is_up], loop.time() - 0.05) + len(data) / rate
                    self._free_at[is_up] = free_at
                    await asyncio.sleep(free_at - loop.time())
                self._count(len(data), is_up)
                if self.delay_s:
                    loop.call_later(self.delay_s, writer.write, data)
                else:
                    writer.write(data)
                    await writer.drain()
        loop.call_later(self.delay_s, writer.close)
        if self.delay_s:
            await asyncio.sleep(2 * self.delay_s)

    def _count(self, num: int, is_up: bool) -> None:
        if is_up:
            self.num_up += num
        else:
            self.num_down += num
        cuts, total = (self.cut_up, self.num_up) if is_up else (self.cut_down, self.num_down)
        if cuts and total >= cuts[0]:
            del cuts[0]
            self.num_cuts += 1
            self._cut()

    def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()


@contextmanager
def relayed(address: Address, **settings: object) -> Iterator[tuple[Address, Relay]]:
    """Run a relay before the server of `address`; yield the address through it, and the relay."""
    parts = conninfo_to_dict(address.conninfo)
    host, port = str(parts["host"]), int(parts.get("port") or 5432)
    target = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
    relay = Relay(target, **settings)  # type: ignore[arg-type]
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(relay.serve(ready, stop),), daemon=True)
    thread.start()
    try:
        assert ready.wait(60)
        yield Address(make_conninfo(address.conninfo, host="127.0.0.1", port=relay.port), "through the relay"), relay
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


def alone(settings: str) -> None:
    """Relay with these settings (JSON) until this process is ended; print the port."""
    given = json.loads(settings)
    relay = Relay(**given | {"target": tuple(given["target"])})
    ready = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(relay.serve(ready, asyncio.Event()),), daemon=True)
    thread.start()
    ready.wait()
    print(relay.port, flush=True)
    thread.join()


if __name__ == "__main__":
    alone(sys.argv[1])
