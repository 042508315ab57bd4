"""Check the way to the database: address, name, port, login, encryption, notifications, clock."""

from __future__ import annotations

import os
import socket

from psycopg.conninfo import conninfo_to_dict

from ganns.db import encryption
from ganns.db.address import URL_VARIABLE, Address, resolve
from ganns.db.connect import Connection, explain_refusal
from ganns.db.diagnostics import clock_ahead_s, hears_notifications, link_mbit
from ganns.doctor import speed
from ganns.errors import ConfigError
from ganns.utils.checks import Finding, ok, problem, warning

PORT_S = 5.0
CLOCK_S = 30.0


def check_address() -> tuple[Finding, Address | None]:
    """Return a finding about the address, and the address if it is usable."""
    try:
        address = resolve()
    except ConfigError as error:  # its text does not show the address
        return problem("address", str(error), "`ganns join`, with the line you were given"), None
    if address is None:
        said = f"no {URL_VARIABLE}, no `ganns join`: `ganns train` and `ganns demo` use a database of this machine"
        return warning("address", said, "to join a class: `ganns join`, with the line you were given"), None
    return ok("address", f"{address} (from {address.source})"), address


def hosts(address: Address) -> list[tuple[str, int]]:
    """Return (host, port) of each server in the address, as libpq reads it; none for a local socket."""
    ports = str(conninfo_to_dict(address.conninfo).get("port") or os.environ.get("PGPORT") or 5432).split(",")
    names = encryption.hosts(address.conninfo)
    return [(name, int(ports[min(place, len(ports) - 1)] or 5432)) for place, name in enumerate(names)]


def check_name(address: Address) -> Finding:
    """Tell whether the server's name has an IP address."""
    found = []
    for host, port in hosts(address):
        try:
            found.append(f"{host} is {socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]}")
        except OSError as error:
            said = f"{host} has no address here ({error.strerror or error})"
            return problem("name", said, "check the spelling, or use the IP address that `ganns db serve` prints")
    return ok("name", ", ".join(found) or "a socket of this machine")


def check_port(address: Address, timeout_s: float = PORT_S) -> Finding:
    """Tell whether a server listens there; one of several is enough."""
    reasons = []
    for host, port in hosts(address):
        try:
            with socket.create_connection((host, port), timeout_s):
                return ok("port", f"{host}:{port} is open")
        except ConnectionRefusedError:
            reasons.append((f"{host}:{port} refuses", "is the server running, `ganns db serve`? Compare the port"))
        except OSError as error:
            said = f"{host}:{port} cannot be reached ({error.strerror or error})"
            reasons.append((said, "a firewall, or another network: guest networks often separate machines"))
    return problem("port", *reasons[0]) if reasons else ok("port", "a socket of this machine")


def explain(error: Exception) -> Finding:
    """Return why a reachable server refuses our login."""
    text = " ".join(str(error.__cause__ or error).split())  # libpq's text: host, port, login, no password
    if (meaning := explain_refusal(text)) is not None:
        return problem("login", *meaning)
    return problem("login", text[:300], "`ganns db status` tries again")


def check_encryption(address: Address, conn: Connection) -> Finding:
    """Tell whether the connection is encrypted, and whether the server has proved who it is."""
    if not encryption.leaves_the_machine(address.conninfo) and not conn.pgconn.ssl_in_use:
        return ok("encryption", "none, and none is needed: the server is this machine")
    if not conn.pgconn.ssl_in_use:
        todo = "the line of a newer `ganns db serve`, without sslmode=disable; or a tunnel"
        return warning("encryption", "none: the password is not sent as text, but the rest is", todo)
    if encryption.weakness(address.conninfo) is not None:
        todo = (
            "`ganns join` with the line of a newer `ganns db serve`; at a provider, sslmode=verify-full in the address"
        )
        return warning("encryption", "TLS, but nothing proves that this is the right server", todo)
    return ok("encryption", "TLS, and the server's certificate is the right one")


def check_notifications(address: Address) -> Finding:
    """Tell whether LISTEN works: some poolers accept it, but send nothing."""
    polls = os.environ.get("GANNS_POLLING") == "1"
    if polls:
        return ok("notifications", "not used: GANNS_POLLING=1, and a unit starts up to 2 s later")
    if hears_notifications(address):
        return ok("notifications", "arrive")
    said = "nothing arrives, though LISTEN was accepted: there is a pooler in transaction mode on the way"
    return warning("notifications", said, "`export GANNS_POLLING=1`, or the server's own port")


def check_link(conn: Connection, mbit: dict[str, float] | None = None, images_per_s: float | None = None) -> Finding:
    """Measure the link and the computing, and say which preset of `link` fits them."""
    found = mbit or link_mbit(conn)
    return speed.judge(found["up"], found["down"], images_per_s or speed.images_per_s())


def check_clock(conn: Connection, ahead_s: float | None = None) -> Finding:
    """Tell whether the two clocks agree. Training uses only the server's."""
    ahead_s = clock_ahead_s(conn) if ahead_s is None else ahead_s
    if abs(ahead_s) > CLOCK_S:
        said = f"this machine's is {abs(ahead_s):,.0f} s {'ahead' if ahead_s > 0 else 'behind'}"
        return warning("clock", f"{said}; training is not affected", "let the system set it: TLS may fail")
    return ok("clock", "agrees with the server's")
