"""`ganns doctor`: check for the usual problems, and give the commands that solve them.

Checks are small functions that return a `Finding`; a test can replace their inputs. They change nothing and show no
password. If a check itself fails, it reports that, and the other checks go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ParamSpec

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.doctor import database, machine, program, server
from ganns.errors import DatabaseError
from ganns.utils.checks import OK, PROBLEM, WARNING, Finding, ok, warning

__all__ = ["OK", "PROBLEM", "WARNING", "Finding", "examine"]

P = ParamSpec("P")


def examine() -> Iterator[Finding]:
    """Yield the findings. An earlier finding may be the cause of a later one."""
    checks: list[Callable[[], Finding]] = [
        *(program.check_python, program.check_pair, program.check_torch, program.check_queue),
        *(machine.check_device, machine.check_memory, machine.check_home, machine.check_disk),
    ]
    for check in checks:
        yield _safely(check)
    yield from _examine_database()
    yield _safely(program.check_extras)
    if program.is_checkout():
        yield _safely(program.check_tools)


def _examine_database() -> Iterator[Finding]:
    finding, address = server.check_address()
    yield finding
    if address is None:
        return
    for look in (server.check_name, server.check_port):
        found = _safely(look, address)
        yield found
        if found.state == PROBLEM:
            return  # later checks would fail for the same reason
    try:
        conn = connect(address, application="ganns doctor")
    except DatabaseError as error:
        yield server.explain(error)
        return
    with conn:
        yield ok("login", "the server lets us in")
        yield from _ask(address, conn)


def _ask(address: Address, conn: Connection) -> Iterator[Finding]:
    yield _safely(server.check_encryption, address, conn)
    yield _safely(server.check_notifications, address)
    yield _safely(server.check_link, conn)
    yield _safely(server.check_clock, conn)
    schema = _safely(database.check_schema, conn)
    yield schema
    if schema.state == PROBLEM:
        return
    yield _safely(database.check_rights, conn)
    run = database.find_open_run(conn)
    if run is None:
        yield ok("run", "none is open, or this login does not see it: a worker waits for one")
        return
    yield _safely(database.check_program, conn, run)
    yield _safely(database.check_data, run)


def _safely(check: Callable[P, Finding], *args: P.args, **kwargs: P.kwargs) -> Finding:
    """Return what a check found; if it fails, its error is the finding."""
    try:
        return check(*args, **kwargs)
    except Exception as error:
        subject = check.__name__.removeprefix("check_")
        said = f"could not be checked: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
        return warning(subject, said, "ask for help, and show this line and the output of `ganns --version`")
