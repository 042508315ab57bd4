"""`ganns db serve`: the embedded server, open to other machines for as long as the command runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from ganns.db.address import Address, resolve
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer, embedded_server
from ganns.db.server.network import reachable_host
from ganns.errors import ConfigError, DatabaseError
from ganns.utils.signals import stop_on_signals

LOOK_EVERY_S = 1.0


def serve(host: str, port: int, say: Callable[[str], None]) -> None:
    """Open the embedded server on TCP until Ctrl-C or SIGTERM, then stop it.

    Args:
        host: where to listen; "0.0.0.0" is every network of this machine.
        port: where to listen.
        say: gets what to tell the user; the line with which a worker joins contains the password.

    Raises:
        ConfigError: if the environment names another database.
        DatabaseError: if it cannot listen there, is in use without TCP, or stopped by itself.
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
                migrate(conn)
            say(_how_to_join(server, host, port))
            while not stop.wait(LOOK_EVERY_S):
                if not server.is_running():
                    raise DatabaseError(
                        f"PostgreSQL stopped by itself; {server.data_dir / 'server.log'} says why. Start it again "
                        "with `ganns db serve`."
                    )
            say("closing")
        finally:
            # Whoever else uses it: that it is closed is what was asked for. Coordinators and workers reconnect.
            server.stop()


def _how_to_join(server: EmbeddedServer, host: str, port: int) -> str:
    """Return the line with which a worker joins, and what to know about it."""
    reachable = reachable_host(host)
    line = f"GANNS_DATABASE_URL={shlex.quote(server.tcp_address(reachable).conninfo)} ganns worker"
    guess = f"If {reachable} is not how other machines reach this one, replace it. " if reachable != host else ""
    return (
        f"PostgreSQL in {server.data_dir} is open on {host}:{port}. On each machine that joins, type:\n\n"
        f"  {line}\n\n"
        f"{guess}The line contains the password: with it, everything can be read and changed.\n"
        "Train on this machine, in another terminal, with `ganns train`. Ctrl-C here closes."
    )


def _unset(named: Address) -> str:
    variables = named.source.removesuffix(" (the PG* variables)").replace(",", "")
    return f"`unset {variables}`"
