"""How a worker connects: an address found when it is needed, on connections that notice a dead network.

Keepalives and `tcp_user_timeout` make the operating system report a vanished peer within seconds; without
them a half-open connection looks alive for ever. Autocommit saves a round trip or two on every statement.
"""

from __future__ import annotations

import select
from typing import Any

import procrastinate
import psycopg
import psycopg_pool

from ganns.db.address import require
from ganns.db.connect import OPTIONS


async def _autocommit(conn: psycopg.AsyncConnection[Any]) -> None:
    await conn.set_autocommit(True)


async def _check(conn: psycopg.AsyncConnection[Any]) -> None:
    """Ask the server whether it is there only if there is something to read, such as its goodbye.

    The pool calls this before every statement, and asking each time doubles the round trips. A connection that its
    server closed is readable; a quiet one is taken for good, which the next moment can belie in any case.
    """
    if select.select([conn.fileno()], [], [], 0)[0]:
        await psycopg_pool.AsyncConnectionPool.check_connection(conn)


class Connector(procrastinate.PsycopgConnector):
    """procrastinate's connector, with the address looked up at opening time, not at import time."""

    def __init__(self) -> None:
        """Prepare a small pool; nothing is connected yet."""
        super().__init__(min_size=1, max_size=2, configure=_autocommit, kwargs={"prepare_threshold": None, **OPTIONS})

    async def _create_pool(self, pool_args: dict[str, Any]) -> psycopg_pool.AsyncConnectionPool:
        return psycopg_pool.AsyncConnectionPool(**pool_args, open=False, check=_check)

    async def open_async(self, pool: psycopg_pool.AsyncConnectionPool | None = None) -> None:
        """Open the pool on the address that the environment names.

        Raises:
            NoDatabaseAddress: naming the places that were looked at.
        """
        self._pool_args["conninfo"] = require().conninfo
        await super().open_async(pool)
