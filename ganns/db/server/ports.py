"""Hosts and ports to listen on: which are free, and which of this machine's addresses others can reach."""

from __future__ import annotations

import os
import socket
import zlib
from contextlib import suppress

from ganns.errors import DatabaseError

EVERYWHERE = ("0.0.0.0", "::")
STEADY = range(20_000, 32_000)
"""Below those that systems choose for outgoing connections, so that a port is still free when it is needed again."""
BACKLOG = 256  # a whole class that reconnects at once


def listen(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address that `host` has here.

    Raises:
        DatabaseError: if the port is in use, or the address is not one of this machine's.
    """
    sockets: list[socket.socket] = []
    failed: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        found, failed = [], error
    for family, where in dict.fromkeys((family, where) for family, _, _, _, where in found):
        try:
            sockets.append(socket.create_server(where, family=family, backlog=BACKLOG))
        except OSError as error:  # one of several may be an IPv6 address that this machine does not use
            failed = error
    if sockets:
        return sockets
    assert failed is not None
    # create_server adds text to the system's reason: get the plain one by its number, negative for unknown names.
    reason = os.strerror(failed.errno) if failed.errno and failed.errno > 0 else failed.strerror
    raise DatabaseError(
        f"Cannot listen on {host}:{port} ({reason}): try `ganns db serve --port {port + 1}`, or "
        "`--host` with an address of this machine."
    ) from failed


def require_free(host: str, port: int) -> None:
    """Check that we can listen on this host and port. PostgreSQL would report an error only in its log.

    Raises:
        DatabaseError: if the port is in use, or the address is not one of this machine's.
    """
    for one in listen(host, port):
        one.close()


def steady_port(text: str) -> int:
    """Return a free port of this machine, each time the same one for the same text, while no other program takes it.

    Raises:
        DatabaseError: if a hundred ports in a row are taken.
    """
    first = zlib.crc32(text.encode(errors="surrogateescape"))
    for number in range(first, first + 100):
        port = STEADY.start + number % len(STEADY)
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port
    raise DatabaseError("This machine has no free port for the embedded PostgreSQL: end some of its servers.")


def reachable_host(host: str) -> str:
    """Return the address at which other machines probably reach a server that listens on `host`."""
    if host not in EVERYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: to connect a datagram socket only chooses this machine's interface to the outside.
            # 192.0.2.1 is an address for documentation: no machine has it (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
