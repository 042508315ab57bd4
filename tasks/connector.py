"""How a worker connects: an address found when it is needed, on connections that notice a dead network.

Keepalives and `tcp_user_timeout` make the operating system report a vanished peer within seconds; without
them a half-open connection looks alive for ever. Autocommit saves a round trip or two on every statement.
"""

from __future__ import annotations

from typing import Any

import procrastinate
import psycopg
import psycopg_pool

from ganns.db.address import require
from ganns.db.connect import OPTIONS


async def _autocommit(conn: psycopg.AsyncConnection[Any]) -> None:
    await conn.set_autocommit(True)


class Connector(procrastinate.PsycopgConnector):
    """procrastinate's connector, with the address looked up at opening time, not at import time."""

    def __init__(self) -> None:
        """Prepare a small pool; nothing is connected yet."""
        super().__init__(min_size=1, max_size=2, configure=_autocommit, kwargs={"prepare_threshold": None, **OPTIONS})

    async def open_async(self, pool: psycopg_pool.AsyncConnectionPool | None = None) -> None:
        """Open the pool on the address that the environment names.

        Raises:
            NoDatabaseAddress: naming the places that were looked at.
        """
        self._pool_args["conninfo"] = require().conninfo
        await super().open_async(pool)
