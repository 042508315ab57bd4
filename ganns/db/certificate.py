"""The server's certificate in an address: `&ganns_cert=...` is the whole certificate, as base64.

libpq wants certificates in files. So the parameter is taken out of the address, the certificate is written to a file
below GANNS_HOME, and libpq is told to accept that certificate and no other (`sslmode=verify-ca`). A program between us
and the server has another one: then the connection ends before the login and the password are sent. The host's name is
not compared, because the server's machine may have another address tomorrow, or be behind a tunnel.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from functools import cache
from pathlib import Path

from ganns import paths
from ganns.errors import ConfigError
from ganns.utils.atomic import replacing

NAME = "ganns_cert"
FOLDER = "certificates"
_NAME = re.compile(r"[0-9a-f]{32}\.pem")
_IN_ADDRESS = re.compile(rf"(?:(?<=[?&])|(?<!\S)){NAME}=([^&\s]*)&?")


def parameter(der: bytes) -> str:
    """Return the part of an address that names this certificate (DER, bytes)."""
    return f"{NAME}={base64.urlsafe_b64encode(der).decode().rstrip('=')}"


def take_out(conninfo: str, source: str) -> tuple[str, bytes | None]:
    """Return an address without its certificate, and the certificate; None if it names none.

    Raises:
        ConfigError: if the certificate is not whole; `source` says in the message where the address comes from.
    """
    found = _IN_ADDRESS.search(conninfo)
    if found is None:
        return conninfo, None
    rest = (conninfo[: found.start()] + conninfo[found.end() :]).rstrip("?& ")
    try:
        text = found[1].strip("'\"=")
        der = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # also for letters outside ASCII
        der = b""
    # A certificate begins with its own length: 0x30 0x82, then two bytes (X.690, 8.1.3).
    if len(der) < 4 or der[:2] != b"\x30\x82" or len(der) != 4 + int.from_bytes(der[2:4]):
        raise ConfigError(
            f"The database address ({source}) has a piece of a certificate behind {NAME}=, and not all of it: copy the "
            "whole line that you were given, to its end."
        )
    return rest, der


def store(der: bytes) -> Path:
    """Return a file with this certificate, as PEM, that only this user can change."""
    name = _name(der)
    text = base64.encodebytes(der).decode()
    text = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    try:
        return _write(paths.home() / FOLDER / name, text)
    except (ConfigError, OSError):  # no home, or a full disk: the address alone must be enough to join
        return _write(_temporary() / name, text)


def _name(der: bytes) -> str:
    return f"{hashlib.sha256(der).hexdigest()[:32]}.pem"


def stored(file: str) -> bytes | None:
    """Return the certificate in a file that `store` wrote, as DER; None for any other file."""
    if not _NAME.fullmatch(Path(file).name):
        return None
    try:
        der = base64.b64decode("".join(Path(file).read_text("ascii").splitlines()[1:-1]))
    except (OSError, ValueError):
        return None
    return der if Path(file).name == _name(der) else None


def _write(path: Path, text: str) -> Path:
    try:
        if path.read_text("ascii") == text:
            return path
    except (OSError, UnicodeError):
        pass
    with replacing(path) as part:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        part.write_text(text, "ascii")
    return path


@cache
def _temporary() -> Path:
    """Return this process's own folder. It stays, because processes that we start read its files."""
    return Path(tempfile.mkdtemp(prefix="ganns-certificates-"))
