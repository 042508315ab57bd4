"""Where this machine listens, and where others find it."""

from __future__ import annotations

import os
import socket

from ganns.errors import DatabaseError

EVERYWHERE = ("0.0.0.0", "::")


def require_free(host: str, port: int) -> None:
    """Check that we may listen there: PostgreSQL would say so too, but only in its log.

    Raises:
        DatabaseError: if the port is taken, or the address is not one of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        # create_server adds a half-sentence to the system's reason; a name that is not found has a negative number.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise DatabaseError(
            f"Cannot listen on {host}:{port} ({reason}): try `ganns db serve --port {port + 1}`, or "
            "`--host` with an address of this machine."
        ) from error


def reachable_host(host: str) -> str:
    """Return the address by which other machines probably reach a server that listens on `host`."""
    if host not in EVERYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only picks the interface that leads out of here.
            # 192.0.2.1 is nobody's address (RFC 5737).
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
