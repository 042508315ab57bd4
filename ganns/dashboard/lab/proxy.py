"""A TCP proxy between the lab's workers and the database, which can delay every byte."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from psycopg.conninfo import make_conninfo

from ganns.db.address import Address
from ganns.db.connect import connect

MAX_WAITING = 256
"""The most pieces on the way in one direction; then the sender waits, as in a real network."""
PIECE = 65536


class Proxy:
    """Forwards connections to a database server."""

    def __init__(self, address: Address) -> None:
        """Prepare; `open` listens."""
        self._address = address
        self.delay_s = 0.0
        self.num_bytes = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._to: tuple[str, int] = ("", 0)

    async def open(self) -> str:
        """Listen, and return the connection string of this proxy."""
        self._to = await asyncio.to_thread(self._find)
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        # `host` stays the name in the server's certificate; `hostaddr` is the address that libpq connects to.
        host = "localhost" if self._is_socket() else self._to[0]
        return make_conninfo(self._address.conninfo, host=host, hostaddr="127.0.0.1", port=port)

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _find(self) -> tuple[str, int]:
        """Ask libpq for the server's real address: the setting may be a service, or in variables."""
        with connect(self._address) as conn:
            return conn.info.hostaddr or conn.info.host, conn.info.port

    def _is_socket(self) -> bool:
        return self._to[0].startswith("/")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection in both directions, until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        host, port = self._to
        try:
            if self._is_socket():
                there = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            else:
                there = await asyncio.open_connection(host, port)
        except OSError:  # the server is away, so the proxy closes too
            writer.close()
            self._tasks.discard(task)
            return
        ways = [self._forward(reader, there[1]), self._forward(there[0], writer)]
        running = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._tasks.discard(task)
            for one in running:
                one.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            writer.close()
            there[1].close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one direction. Many pieces can be on the way at once, so a delay does not reduce the throughput."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_WAITING)
        sending = asyncio.ensure_future(self._send(waiting, writer))
        loop = asyncio.get_running_loop()
        try:
            with suppress(OSError):
                while not sending.done() and (data := await reader.read(PIECE)):
                    await waiting.put((loop.time() + self.delay_s, data))
                    self.num_bytes += len(data)
            await waiting.put((0.0, b""))
            await sending
        finally:
            sending.cancel()

    async def _send(self, waiting: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while True:
                due, data = await waiting.get()
                if not data:
                    return
                if (left := due - loop.time()) > 0:
                    await asyncio.sleep(left)
                writer.write(data)
                await writer.drain()
