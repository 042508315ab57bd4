"""The two sides of a connection through the TLS front: what arrives at one goes to the other.

A side that cannot send as fast as the other receives lets the other wait (`pause_writing`): the kernel's buffers fill
up, and TCP slows the sender down. So a slow laptop that fetches 25 MB costs the front `WAITING_BYTES`, not 25 MB.
"""

from __future__ import annotations

import asyncio
import socket

WAITING_BYTES = 1 << 20
"""Bytes that may wait in one direction of a connection before its sender has to wait."""
KEEP_ALIVE = {
    "TCP_KEEPIDLE": 30,
    "TCP_KEEPALIVE": 30,  # the same on macOS
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 60_000,
}
"""Seconds, and milliseconds; as far as the system has the option. A laptop that vanished is noticed in a minute."""


def keep_alive(client: socket.socket) -> None:
    """Let the system notice that a client is gone: PostgreSQL itself sees only the front."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEP_ALIVE.items():
        if hasattr(socket, name):
            client.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class Side(asyncio.Protocol):
    """One end of a connection."""

    transport: asyncio.Transport
    other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(WAITING_BYTES)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        if self.other is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Let the other side wait: this one has too much to send."""
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other side go on."""
        if self.other is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Send the other side what still waits for it, and close it."""
        if self.other is not None:
            self.other.transport.close()


class ClientSide(Side):
    """The end with TLS. It keeps what arrives until there is another end."""

    def __init__(self) -> None:
        """Wait for the first bytes."""
        self._early = b""
        self.has_begun = asyncio.Event()
        """Set at the first bytes inside TLS, or when the connection ended before."""
        self.is_over = asyncio.Event()

    def chosen_protocol(self) -> str | None:
        """Return the protocol's name that both agreed on while TLS began (ALPN)."""
        name = self.transport.get_extra_info("ssl_object").selected_alpn_protocol()
        return str(name) if name else None

    def join(self, server: ServerSide) -> None:
        """Take `server` for the other end."""
        self.other = server
        server.transport.write(self._early)
        self._early = b""
        self.transport.resume_reading()
        if self.is_over.is_set():
            server.transport.close()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or keep the first ones: a client sends little before it has an answer."""
        if self.other is None:
            self._early += data
            self.transport.pause_reading()
            self.has_begun.set()
        else:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Close the other side."""
        super().connection_lost(error)
        self.has_begun.set()
        self.is_over.set()


class ServerSide(Side):
    """The end at PostgreSQL."""

    def __init__(self, client: ClientSide) -> None:
        """Pass on to `client`."""
        self.other = client
