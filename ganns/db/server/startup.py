"""The first bytes of a connection to PostgreSQL, and the server's own form of an error. Bytes in, values out.

A client begins with one packet without a type: its length, then a number that says what it wants (32 bits each, the
most significant byte first). Only then come messages with a type:
https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from enum import Enum, auto

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
"""The numbers of a request, where a start packet has the protocol's version, such as 3.0."""
TLS_HANDSHAKE = 0x16
"""The first byte of a TLS handshake, from a client with `sslnegotiation=direct`. No start packet is so long that its
length begins with it."""
HEADER_BYTES = 8
MAX_CANCEL_BYTES = 12 + 256  # the longest key, since protocol 3.2
MAX_START_BYTES = 10_000  # as in PostgreSQL


class Opening(Enum):
    """The first message of a client."""

    TLS = auto()
    """TLS at once, without asking."""
    ASKS_FOR_TLS = auto()
    ASKS_FOR_GSS = auto()
    """Kerberos's encryption; a client that gets an "N" goes on with another opening."""
    CANCELS = auto()
    """Asks the server to end a statement of another connection, with that connection's key."""
    PLAIN = auto()
    """A session without encryption."""
    OTHER = auto()
    """Another protocol, such as a browser's."""


def opening(header: bytes) -> Opening | None:
    """Return what a connection begins with; None if `header`, its first bytes, has fewer than are needed."""
    if header[:1] == bytes([TLS_HANDSHAKE]):
        return Opening.TLS
    if len(header) < HEADER_BYTES:
        return None
    length, code = struct.unpack("!II", header[:HEADER_BYTES])
    if code in (SSL_REQUEST, GSSENC_REQUEST) and length == HEADER_BYTES:
        return Opening.ASKS_FOR_TLS if code == SSL_REQUEST else Opening.ASKS_FOR_GSS
    if code == CANCEL_REQUEST and 12 < length <= MAX_CANCEL_BYTES:
        return Opening.CANCELS
    if code >> 16 in (2, 3) and HEADER_BYTES < length <= MAX_START_BYTES:
        return Opening.PLAIN
    return Opening.OTHER


def packet_bytes(header: bytes) -> int:
    """Return the length of the whole packet, from its first bytes."""
    return int(struct.unpack("!I", header[:4])[0])


def fatal(code: str, message: str) -> bytes:
    """Return an error that ends a connection, as PostgreSQL sends it: clients show the text.

    Args:
        code: SQLSTATE, five letters: https://www.postgresql.org/docs/current/errcodes-appendix.html
        message: one sentence.
    """
    fields = b"".join(
        kind + text.encode() + b"\0" for kind, text in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", code), (b"M", message))
    )
    return b"E" + struct.pack("!I", 4 + len(fields) + 1) + fields + b"\0"
