"""Encryption is the default: what libpq is told when an address does not say it.

| the server | what an address without a word about TLS gets |
|---|---|
| this machine: a socket, `localhost`, 127.0.0.1 | nothing: the bytes leave no machine |
| with the certificate of `ganns db serve` | TLS with that certificate, or no connection |
| another machine | TLS, or no connection (`sslmode=require`); `ganns join` asks for more (`verified`) |

libpq's own default is `prefer`: it asks for TLS, and sends everything in clear if the answer is no. Anyone in between
can answer no. So `prefer` and `allow` become `require`. Only `sslmode=disable`, which a person must type, sends data in
clear.
"""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from urllib.parse import quote

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ganns.db import certificate

FALLING_BACK = {"", "allow", "prefer"}
CHECKED = {"verify-ca", "verify-full"}
"""sslmode's values that check whose certificate it is."""


def encrypted(conninfo: str, source: str) -> str:
    """Return a connection string for libpq that leaves this machine only encrypted, unless it says `disable`.

    Args:
        conninfo: what `ganns.db.conninfo.understand` returns; it may have the parameter `ganns_cert`.
        source: where it comes from, for messages.

    Raises:
        ConfigError: if the certificate is not whole.
    """
    conninfo, der = certificate.take_out(conninfo, source)
    if der is not None:
        return _with(conninfo, sslmode="verify-ca", sslrootcert=str(certificate.store(der)))
    if not leaves_the_machine(conninfo):
        return conninfo
    parts = _parts(conninfo)
    mode, roots = parts.get("sslmode", ""), parts.get("sslrootcert", "")
    if roots == "system":
        return _with(conninfo, sslmode="verify-full", sslrootcert=system_roots())
    if mode in CHECKED and not roots and not Path(os.path.expanduser("~/.postgresql/root.crt")).exists():
        return _with(conninfo, sslrootcert=system_roots())
    if mode in FALLING_BACK and "service" not in conninfo_to_dict(conninfo):
        return _with(conninfo, sslmode="require")  # a service's file may have a mode, which this would replace
    return conninfo


def verified(conninfo: str) -> str | None:
    """Return the address of a provider's server with a check of its certificate and name, None if it has its own word.

    It is a wish: not every provider's server has a certificate that this machine's roots vouch for.
    """
    if certificate.NAME in conninfo or not leaves_the_machine(conninfo):
        return None
    parts = _parts(conninfo)
    if parts.get("sslrootcert") or parts.get("sslmode", "") not in FALLING_BACK | {"require"}:
        return None
    return _with(conninfo, sslmode="verify-full")


def weakness(conninfo: str) -> str | None:
    """Return what an address for libpq leaves open, as the end of "the connection ..."; None if nothing."""
    if not leaves_the_machine(conninfo):
        return None
    mode = _parts(conninfo).get("sslmode")
    if mode == "disable":
        return "is not encrypted, so everyone on the way can read and change what is sent (sslmode=disable)"
    if mode == "require":
        return (
            "is encrypted, but nothing proves that this is the right server: use the line of a newer `ganns db serve`, "
            "or sslmode=verify-full at a provider"
        )
    return None


def hosts(conninfo: str) -> list[str]:
    """Return the name or IP address of each server in the address, as libpq reads it; none for a local socket."""
    parts = _parts(conninfo)
    names = parts.get("hostaddr") or parts.get("host") or ""
    return [name for name in names.split(",") if name and not name.startswith(("/", "@"))]


def leaves_the_machine(conninfo: str) -> bool:
    """Return True if one of the address's servers is another machine."""
    return not all(is_here(host) for host in hosts(conninfo))


def is_here(host: str) -> bool:
    """Return True for this machine's own addresses that no network carries."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def system_roots() -> str:
    """Return a file with the certificates that this machine trusts.

    libpq's own word for them, `sslrootcert=system`, means the folder that its OpenSSL was built with. psycopg's wheel
    brings an OpenSSL whose folder exists on nobody's machine.
    """
    import ssl

    import certifi

    return ssl.get_default_verify_paths().cafile or certifi.where()


def _parts(conninfo: str) -> dict[str, str]:
    """Return the parameters that libpq would use: the string's, else those of variables and of PGSERVICE's file."""
    said = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    others = {one.keyword.decode(): one.val.decode() for one in pq.Conninfo.get_defaults() if one.val is not None}
    return others | said


def _with(conninfo: str, **parameters: str) -> str:
    """Return the string with these parameters at its end, where libpq lets them win."""
    if not conninfo.startswith(("postgres://", "postgresql://")):  # `://` may stand in a password
        return f"{conninfo} {make_conninfo('', **parameters)}".strip()
    more = "&".join(f"{name}={quote(value, safe='/')}" for name, value in parameters.items())
    return f"{conninfo}{'&' if '?' in conninfo else '?'}{more}"
