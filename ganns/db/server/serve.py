"""`ganns db serve`: open the embedded server to other machines while the command runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from psycopg.conninfo import conninfo_to_dict

from ganns.db import joined
from ganns.db.address import Address, resolve
from ganns.db.certificate import stored
from ganns.db.connect import connect
from ganns.db.encryption import is_here
from ganns.db.migrate import migrate
from ganns.db.server.embedded import embedded_server
from ganns.db.server.opened import OpenServer
from ganns.db.server.own_certificate import FILE, own_certificate
from ganns.db.server.ports import reachable_host
from ganns.errors import ConfigError
from ganns.utils.signals import stop_on_signals

CHECK_EVERY_S = 1.0


def serve(host: str, port: int, say: Callable[[str], None], *, insecure: bool = False) -> None:
    """Open the embedded server on TCP until Ctrl-C or SIGTERM, then stop it.

    Args:
        host: the address to listen on; "0.0.0.0" means every network of this machine.
        port: the port to listen on.
        say: prints a message to the user; the line with which a worker joins contains the password.
        insecure: do not encrypt.

    Raises:
        ConfigError: if the environment names another database.
        DatabaseError: if the server cannot listen there, is in use without TCP, or stops by itself.
    """
    if (named := resolve()) is not None and not _is_own(named):
        raise ConfigError(
            f"{named.source} names the database {named}, and `ganns db serve` opens the embedded one, which `ganns "
            f"train` would then not use: give workers the address that you have, or {_unset(named)} first."
        )
    with (
        stop_on_signals() as stop,
        OpenServer(embedded_server().data_dir, host, port, encrypt=not insecure) as opened,
    ):
        with connect(opened.server.address, application="ganns db serve") as conn:
            migrate(conn, say=say)
        say(_how_to_join(opened, host, port, insecure))
        while not stop.wait(CHECK_EVERY_S):
            if (mended := opened.check()) is not None:
                say(mended)
        say("closing")


def _how_to_join(opened: OpenServer, host: str, port: int, insecure: bool) -> str:
    """Return the line with which a worker joins, with an explanation."""
    reachable = reachable_host(host)
    address = shlex.quote(opened.address(reachable).conninfo)
    guess = f"If {reachable} is not how other machines reach this one, replace it. " if reachable != host else ""
    protection = (
        "Not encrypted, and nothing leaves this machine."
        if insecure and is_here(host)
        else "NOT ENCRYPTED: everyone on the network between can read and change what is sent, the weights, too."
        if insecure
        else "Connections are encrypted; the end of the line is this server's certificate, and clients accept no other."
    )
    return (
        f"PostgreSQL in {opened.server.data_dir} is open on {host}:{port}. On each machine that joins, type:\n\n"
        f"  ganns join {address}\n"
        "  ganns worker\n\n"
        "or in one line, which stores nothing:\n\n"
        f"  GANNS_DATABASE_URL={address} ganns worker\n\n"
        f"{guess}The line contains the password: with it, everything can be read and changed.\n"
        f"{protection}\n"
        "Train on this machine, in another terminal, with `ganns train`. Ctrl-C here closes."
    )


def _is_own(named: Address) -> bool:
    """Return True if `ganns join` stored this very server, as a reader with one machine does."""
    data_dir = embedded_server().data_dir
    der = stored(str(conninfo_to_dict(named.conninfo).get("sslrootcert", "")))
    return named.source == joined.SOURCE and (data_dir / FILE).exists() and own_certificate(data_dir) == der


def _unset(named: Address) -> str:
    if named.source == joined.SOURCE:
        return "`ganns leave`"
    variables = named.source.removesuffix(" (the PG* variables)").replace(",", "")
    return f"`unset {variables}`"
