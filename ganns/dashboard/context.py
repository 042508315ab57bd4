"""The objects that all pages share: the watcher, connections to the database, and the login sessions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from psycopg_pool import ConnectionPool

from ganns.dashboard.reach import Reach
from ganns.dashboard.security.sessions import WebSessions
from ganns.db.address import Address
from ganns.db.connect import OPTIONS, Connection, connect, settle
from ganns.monitor.rows import clean
from ganns.monitor.viewer import become_viewer
from ganns.monitor.watcher import Watcher

P = ParamSpec("P")
T = TypeVar("T")


def _become_viewer(conn: Connection) -> None:
    settle(conn)
    become_viewer(conn)


class Dashboard:
    """The dashboard of one database."""

    def __init__(
        self, address: Address, password: str = "", cookie: str = "ganns_session", reach: Reach | None = None
    ) -> None:
        """Prepare; `open` connects.

        Args:
            address: of the database.
            password: of the instructor; without one, login is impossible.
            cookie: the name of the session cookie. Browsers do not distinguish ports, so two dashboards on one machine
                need two names.
            reach: where it listens, and how to let other machines in.
        """
        self.address, self.cookie, self.reach = address, cookie, reach or Reach()
        self.sessions = WebSessions(password or secrets.token_urlsafe(32))
        self.watcher = Watcher(address, "ganns dashboard")
        # For single requests: lists, a comparison, a picture. It holds no connection while there are none.
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            address.conninfo,
            kwargs={"autocommit": True, "application_name": "ganns dashboard", **OPTIONS},
            configure=_become_viewer,
            min_size=0,
            max_size=3,
            max_idle=30,
            timeout=5,
            open=False,
        )

    def open(self) -> None:
        """Start to watch the database."""
        self._pool.open()
        self.watcher.start()

    def close(self) -> None:
        """Close the connections."""
        self.watcher.stop()
        self._pool.close(timeout=2)

    async def read(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `question(connection, ...)` on a thread, with a connection that may only read; clean the answer.

        Raises:
            psycopg.Error: the database does not answer.
        """

        def ask() -> T:
            with self._pool.connection() as conn:
                return cast(T, clean(question(conn, *args, **kwargs)))

        return await asyncio.to_thread(ask)

    async def write(self, order: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `order(connection, ...)` on a thread, with the rights of the dashboard's own login. For instructors."""

        def give() -> T:
            with connect(self.address, application="ganns dashboard: control") as conn:
                return order(conn, *args, **kwargs)

        return await asyncio.to_thread(give)
