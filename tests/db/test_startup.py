"""What a connection to PostgreSQL begins with, as bytes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganns.db.server.startup import Opening, fatal, opening, packet_bytes

ASKS = struct.pack("!II", 8, 80877103)
GSS = struct.pack("!II", 8, 80877104)
CANCEL = struct.pack("!III", 16, 80877102, 4711) + b"key!"
START = struct.pack("!II", 40, 3 << 16) + b"user\0ada\0"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x16\x03\x01", Opening.TLS),
        (ASKS, Opening.ASKS_FOR_TLS),
        (GSS, Opening.ASKS_FOR_GSS),
        (CANCEL, Opening.CANCELS),
        (START, Opening.PLAIN),
        (struct.pack("!II", 40, (3 << 16) + 2), Opening.PLAIN),
        (struct.pack("!II", 40, 2 << 16), Opening.PLAIN),
        (b"GET / HTTP/1.1\r\n", Opening.OTHER),
        (struct.pack("!II", 9, 80877103), Opening.OTHER),
        (struct.pack("!II", 1 << 20, 80877102), Opening.OTHER),
        (struct.pack("!II", 1 << 20, 3 << 16), Opening.OTHER),
        (b"\0" * 8, Opening.OTHER),
        (b"", None),
        (START[:7], None),
    ],
)
def test_an_opening_is_known_by_its_first_bytes(data: bytes, kind: Opening | None) -> None:
    assert opening(data) is kind


@given(st.binary(max_size=20))
def test_any_bytes_are_some_opening(data: bytes) -> None:
    assert (opening(data) is None) == (len(data) < 8 and data[:1] != b"\x16")


def test_the_length_of_a_packet() -> None:
    assert packet_bytes(CANCEL) == len(CANCEL)


def test_an_error_has_postgresqls_form() -> None:
    data = fatal("28000", "no")
    assert data[:1] == b"E"
    assert packet_bytes(data[1:5]) == len(data) - 1
    assert data[5:] == b"SFATAL\0VFATAL\0C28000\0Mno\0\0"
