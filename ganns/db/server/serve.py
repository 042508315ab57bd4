"""`ganns db serve`: open the embedded server to other machines while the command runs."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable

from ganns.db import joined
from ganns.db.address import Address, resolve
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer, embedded_server
from ganns.errors import ConfigError, DatabaseError
from ganns.utils.signals import stop_on_signals

CHECK_EVERY_S = 1.0
EVERYWHERE = ("0.0.0.0", "::")


def serve(host: str, port: int, say: Callable[[str], None]) -> None:
    """Open the embedded server on TCP until Ctrl-C or SIGTERM, then stop it.

    Args:
        host: the address to listen on; "0.0.0.0" means every network of this machine.
        port: the port to listen on.
        say: prints a message to the user; the line with which a worker joins contains the password.

    Raises:
        ConfigError: if the environment names another database.
        DatabaseError: if the server cannot listen there, is in use without TCP, or stops by itself.
    """
    if (named := resolve()) is not None:
        raise ConfigError(
            f"{named.source} names the database {named}, and `ganns db serve` opens the embedded one, which `ganns "
            f"train` would then not use: give workers the address that you have, or {_unset(named)} first."
        )
    server = embedded_server(host=host, port=port)
    with stop_on_signals() as stop:
        server.start()
        try:
            with connect(server.address, application="ganns db serve") as conn:
                migrate(conn, say=say)
            say(_how_to_join(server, host, port))
            while not stop.wait(CHECK_EVERY_S):
                if not server.is_running():
                    raise DatabaseError(
                        f"PostgreSQL stopped by itself; {server.data_dir / 'server.log'} says why. Start it again "
                        "with `ganns db serve`."
                    )
            say("closing")
        finally:
            # Also if other processes use it: the user asked for the end. Coordinators and workers reconnect later.
            server.stop()


def _how_to_join(server: EmbeddedServer, host: str, port: int) -> str:
    """Return the line with which a worker joins, with an explanation."""
    reachable = reachable_host(host)
    address = shlex.quote(server.tcp_address(reachable).conninfo)
    guess = f"If {reachable} is not how other machines reach this one, replace it. " if reachable != host else ""
    return (
        f"PostgreSQL in {server.data_dir} is open on {host}:{port}. On each machine that joins, type:\n\n"
        f"  ganns join {address}\n"
        "  ganns worker\n\n"
        "or in one line, which stores nothing:\n\n"
        f"  GANNS_DATABASE_URL={address} ganns worker\n\n"
        f"{guess}The line contains the password: with it, everything can be read and changed.\n"
        "Train on this machine, in another terminal, with `ganns train`. Ctrl-C here closes."
    )


def _unset(named: Address) -> str:
    if named.source == joined.SOURCE:
        return "`ganns leave`"
    variables = named.source.removesuffix(" (the PG* variables)").replace(",", "")
    return f"`unset {variables}`"


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
