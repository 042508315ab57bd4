"""`ganns db serve`: other machines join with the line that it prints, until it is told to end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg
import pytest

from ganns.db import joined
from ganns.db.address import Address, resolve
from ganns.db.connect import connect
from ganns.db.migrate import require_current
from ganns.db.server import serve as serving
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.opened import OpenServer, address_for
from ganns.db.server.own_certificate import FILE
from ganns.errors import ConfigError, DatabaseUnreachable
from tests.support import warm
from tests.support.helpers import spawn_worker, wait_until


@dataclass
class Serving:
    """A running `ganns db serve`: what it printed, and the address that it handed out."""

    process: warm.Process
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read along."""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def address(self) -> Address:
        """Wait for the line with which a worker joins."""
        pattern = re.compile(r"^  GANNS_DATABASE_URL='(postgresql://\S+)' ganns worker$", re.MULTILINE)
        wait_until(lambda: pattern.search(self.output) or self.process.poll() is not None, 60, "the line")
        found = pattern.search(self.output)
        assert found, self.output
        address = resolve(found[1])
        assert address is not None
        return address

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.reader.join(10)
        return code


@contextmanager
def serve(home: Path, *arguments: str) -> Iterator[Serving]:
    environment = os.environ | {"GANNS_HOME": str(home)}
    process = warm.start(
        [sys.executable, "-m", "ganns", "db", "serve", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        running = Serving(process)
        try:
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(60)
                finally:
                    process.kill()  # else the `with` waits for ever, and the next tests suffer from it
            running.reader.join(10)


def test_a_stock_worker_joins_with_the_line(home: Path, unused_port: int) -> None:
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        address = running.address()
        assert f"@127.0.0.1:{unused_port}/ganns" in address.conninfo
        with connect(address) as conn:
            require_current(conn)
            worker = spawn_worker(address, home / "worker.log")
            try:

                def registered() -> bool:
                    assert worker.poll() is None, (home / "worker.log").read_text()
                    row = conn.execute("SELECT count(*) FROM procrastinate_workers").fetchone()
                    return row == (1,)

                wait_until(registered, 60, "the worker's first heartbeat")
                peers = "SELECT count(*) FROM pg_stat_activity WHERE client_port > 0 AND pid <> pg_backend_pid()"
                row = conn.execute(peers).fetchone()
                assert row is not None
                assert row[0] >= 1, "the worker came over TCP"
            finally:
                worker.terminate()
                worker.wait(20)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(address.conninfo.replace("ganns_class:", "ganns_class:x"), connect_timeout=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly(number: int, home: Path, cluster: Path, unused_port: int) -> None:
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        with connect(running.address()) as client:
            assert running.end(number) == 0
            with pytest.raises(psycopg.OperationalError):  # a connected client does not keep it open
                client.execute("SELECT 1")
        assert running.lines[-1] == "closing\n"
        assert "Traceback" not in running.output
    assert not (home / "pg" / "postmaster.pid").exists()
    log = (home / "pg" / "server.log").read_text()
    assert log.splitlines()[-1].endswith("database system is shut down")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", unused_port), 5).close()


def test_commands_of_this_machine_use_the_open_server(home: Path, cluster: Path, unused_port: int) -> None:
    with serve(home, "--port", str(unused_port)) as running:
        address = running.address()
        assert "0.0.0.0" not in address.conninfo, "no client can connect to a wildcard"
        environment = os.environ | {"GANNS_HOME": str(home)}
        done = warm.run([sys.executable, "-m", "ganns", "runs"], env=environment)
        assert "No run yet" in done.stdout, done.stderr
        with connect(address):
            pass  # the other command's end did not stop the server
        other = warm.run(
            [sys.executable, "-m", "ganns", "db", "serve", "--port", str(unused_port + 1)], env=environment
        )
        assert other.returncode == 1
        assert f"open on 0.0.0.0:{unused_port} already" in other.stderr
        connect(address).close()
        password = address.conninfo.split(":")[2].split("@")[0]
        assert password not in other.stderr + done.stdout + done.stderr
        assert password not in (home / "pg" / "server.log").read_text()


def test_students_join_with_lines_of_their_own(home: Path, cluster: Path, unused_port: int) -> None:
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        running.address()
        environment = os.environ | {"GANNS_HOME": str(home)}
        command = [sys.executable, "-m", "ganns", "students"]
        done = warm.run([*command, "add", "ada", "--json"], env=environment)
        found = json.loads(done.stdout)[0]
        assert f"@127.0.0.1:{unused_port}/ganns?require_auth=scram-sha-256" in found["line"]
        address = resolve(found["line"])
        assert address is not None
        with connect(address) as conn:
            assert conn.pgconn.ssl_in_use
            require_current(conn)
            assert conn.execute("SELECT session_user").fetchone() == (found["login"],)
            for statement in ("SELECT lo_create(0)", "SELECT pg_advisory_lock(1)", "CREATE TEMPORARY TABLE t (x int)"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement)
            for other in ("postgres", "template1"):
                with pytest.raises(psycopg.OperationalError, match=f'permission denied for database "{other}"'):
                    psycopg.connect(address.conninfo.replace("/ganns?", f"/{other}?"), connect_timeout=5)
            thrown_out = warm.run([*command, "revoke", "ada"], env=environment)
            assert "1 session(s) ended" in thrown_out.stdout
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 1")
        with pytest.raises(DatabaseUnreachable, match="This login was revoked: ask your instructor for a new line"):
            connect(address)
        password = found["line"].split(":")[2].split("@")[0]
        assert password not in (home / "pg" / "server.log").read_text()


def test_a_server_that_dies_is_noticed(home: Path, cluster: Path, unused_port: int) -> None:
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        running.address()
        EmbeddedServer(home / "pg").stop()
        assert running.process.wait(60) == 1
        running.reader.join(10)
        assert "Error: PostgreSQL stopped by itself" in running.output
        assert "server.log says why" in running.output


def fronts_of(running: Serving) -> list[psutil.Process]:
    """The processes that encrypt."""
    children = psutil.Process(running.process.pid).children(recursive=True)
    return [one for one in children if "ganns.db.server.front" in one.cmdline()]


def test_a_killed_command_leaves_no_open_port(home: Path, cluster: Path, unused_port: int) -> None:
    """PostgreSQL goes on, as before, for this machine alone; the next `ganns db serve` takes it over."""
    server = EmbeddedServer(home / "pg")
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        address = running.address()
        [front] = fronts_of(running)
        running.process.kill()
        front.wait(30)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", unused_port), 5).close()
    assert server.is_running()
    with connect(server.address), serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        before = server.address
        assert running.address() == address
        assert server.address == before, "a coordinator that waits finds the socket under its old name"
        connect(before).close()
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port)) as running:
        running.address()
        assert server.address == before


def test_plain_text_is_asked_for_and_named(home: Path, cluster: Path, unused_port: int) -> None:
    with serve(home, "--host", "127.0.0.1", "--port", str(unused_port), "--insecure") as running:
        address = running.address()
        assert "Not encrypted, and nothing leaves this machine." in running.output
        assert "ganns_cert" not in running.output
        assert "sslmode=disable" in address.conninfo
        assert fronts_of(running) == []
        connect(address).close()


def test_it_does_not_open_a_database_that_training_would_not_use(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("GANNS_HOME", str(home))
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGDATABASE", "class")
    with pytest.raises(
        ConfigError, match=r"names the database db\.example:5432/class.*`unset PGHOST PGDATABASE` first"
    ):
        serving.serve("127.0.0.1", 5432, print)
    monkeypatch.setenv("GANNS_DATABASE_URL", "postgresql://ada:open-sesame@db.example/class")
    with pytest.raises(ConfigError, match=r"ada@db\.example:5432/class.*`unset GANNS_DATABASE_URL` first") as raised:
        serving.serve("127.0.0.1", 5432, print)
    assert "open-sesame" not in str(raised.value)
    assert list(home.iterdir()) == []


def test_a_reader_with_one_machine_may_join_their_own_server(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("GANNS_HOME", str(home))
    (home / "pg").mkdir()
    for place, is_own in ((home / "pg", True), (tmp_path, False)):
        joined.store(address_for(place, "ganns_class", "sesame").conninfo)
        named = resolve()
        assert named is not None
        assert serving._is_own(named) is is_own
    (home / "pg" / FILE).unlink()
    (home / "pg").rmdir()
    with pytest.raises(ConfigError, match="`ganns leave` first"):
        serving.serve("127.0.0.1", 5432, print)


def test_a_network_gets_a_louder_word(home: Path, tmp_path: Path) -> None:
    opened = OpenServer(tmp_path / "pg", "0.0.0.0", 5432, encrypt=False)
    (tmp_path / "pg").mkdir()
    said = serving._how_to_join(opened, "0.0.0.0", 5432, insecure=True)
    assert "NOT ENCRYPTED: everyone on the network between can read and change what is sent" in said
