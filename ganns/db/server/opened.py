"""The embedded server, open to other machines: PostgreSQL, the TLS front before it, and the line to hand out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from ganns.db.address import Address
from ganns.db.invitation import join_url
from ganns.db.server.embedded import DATABASE, EmbeddedServer
from ganns.db.server.entrance import Entrance
from ganns.db.server.front_process import FrontProcess
from ganns.db.server.own_certificate import own_certificate
from ganns.db.server.ports import reachable_host, steady_port
from ganns.db.server.programs import CLASS_LOGIN
from ganns.errors import DatabaseError


class OpenServer:
    """A context manager: inside it, other machines can connect to host:port with the class's login."""

    def __init__(self, data_dir: Path, host: str, port: int, *, encrypt: bool = True) -> None:
        """Describe it; without `encrypt`, PostgreSQL itself listens there, and everything is sent in clear."""
        self._entrance = Entrance(host, port, encrypt)
        # The socket's name has the port in it: coordinators that wait for this server must find it under the same name.
        inner = EmbeddedServer(data_dir).tcp_port
        inner = steady_port(str(data_dir.resolve())) if inner is None or inner == port else inner
        self._inner = ("127.0.0.1", inner) if encrypt else (host, port)
        self.server = EmbeddedServer(data_dir, host=self._inner[0], port=self._inner[1])
        self.front: FrontProcess | None = None

    def __enter__(self) -> OpenServer:
        """Start the server and the front.

        Raises:
            DatabaseError: if the server cannot listen there, is in use, or does not start.
        """
        self.server.start()
        try:
            if self._entrance.is_encrypted:
                front = FrontProcess(self.server.data_dir, self._entrance.host, self._entrance.port, self._inner[1])
                self.front = front.__enter__()
            self._entrance.save(self.server.data_dir)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server, which tells its clients, and then the front.

        Also if other processes use the server: the user asked for the end. Coordinators and workers reconnect later.
        """
        try:
            self.server.stop()
        finally:
            if self.front is not None:
                self.front.__exit__(kind, error, traceback)

    def check(self) -> str | None:
        """Return what was mended, in words, None if nothing had to be.

        Raises:
            DatabaseError: if PostgreSQL has ended, or the front ends again and again.
        """
        if not self.server.is_running():
            raise DatabaseError(
                f"PostgreSQL stopped by itself; {self.server.data_dir / 'server.log'} says why. Start it again "
                "with `ganns db serve`."
            )
        if self.front is not None and self.front.check():
            return "The process that encrypts had ended, and was started again; workers reconnect by themselves."
        return None

    def address(self, host: str) -> Address:
        """Return the class's address at this host, with the password."""
        return address_for(self.server.data_dir, CLASS_LOGIN, self.server.password, self._entrance, host)


def address_for(
    data_dir: Path, login: str, password: str, entrance: Entrance | None = None, host: str | None = None
) -> Address:
    """Return the address with which a login joins the embedded server from another machine.

    Args:
        data_dir: the server's folder.
        login: a role of the server.
        password: its password.
        entrance: where the server is open; None means where it was opened last, or would be by default.
        host: how other machines reach it; None means as we guess.
    """
    entrance = entrance or Entrance.load(data_dir) or Entrance("0.0.0.0", 5432, True)
    url = join_url(
        login,
        password,
        host=host or reachable_host(entrance.host),
        port=entrance.port,
        database=DATABASE,
        certificate=own_certificate(data_dir) if entrance.is_encrypted else None,
        more="" if entrance.is_encrypted else "sslmode=disable",
    )
    return Address(url, "ganns db serve")
