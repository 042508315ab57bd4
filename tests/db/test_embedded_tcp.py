"""The embedded server over TCP: with the password only, on a free port, and not behind its users' backs."""

from __future__ import annotations

import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from ganns.config import StopConfig
from ganns.db.connect import connect
from ganns.db.migrate import migrate, require_current
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.ports import EVERYWHERE, reachable_host, require_free, steady_port
from ganns.errors import DatabaseError
from tests.db.users import another_user, answers
from tests.support.coordinators import Coordinator
from tests.support.fakes import FakeWorker, tiny


def test_tcp_takes_the_password_and_nothing_else(cluster: Path, unused_port: int) -> None:
    with EmbeddedServer(cluster, host="127.0.0.1", port=unused_port) as server:
        right = server.tcp_address("127.0.0.1")
        with connect(right) as conn:
            row = conn.execute("SELECT inet_server_port(), current_user").fetchone()
            assert row == (unused_port, "ganns_class")
        with connect(server.superuser_address) as conn:
            stored = dict(conn.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL"))
            assert list(stored) == ["ganns_class"]
            assert stored["ganns_class"].startswith("SCRAM-SHA-256$")
        for password in ("wrong", ""):
            wrong = right.conninfo.replace(server.password, password)
            assert wrong != right.conninfo
            with pytest.raises(psycopg.OperationalError, match=r"password"):
                psycopg.connect(wrong, connect_timeout=5)
        assert answers(server), "the local socket needs none"
        password = server.password
        assert stat.S_IMODE((cluster / "ganns_password").stat().st_mode) == 0o600
    assert password not in (cluster / "server.log").read_text()
    with EmbeddedServer(cluster, host="127.0.0.1", port=unused_port) as server:
        assert server.password == password, "the line that was handed out still works after a restart"
        connect(server.tcp_address("127.0.0.1")).close()
    assert len(password) >= 20
    assert password not in f"{server.tcp_address('h')!s} {server.tcp_address('h')!r}"


def test_a_program_that_pretends_to_be_the_server_gets_no_password(tmp_path: Path, unused_port: int) -> None:
    """It asks for the password as text, which libpq would send: the line forbids it."""
    (tmp_path / "pg").mkdir()
    line = EmbeddedServer(tmp_path / "pg", host="127.0.0.1", port=unused_port).tcp_address("127.0.0.1").conninfo
    assert "require_auth=scram-sha-256" in line
    got: list[bytes] = []

    def pretend(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(1000)  # it asks for TLS, or begins
            client.sendall(b"N")
            client.recv(1000)
            client.sendall(b"R" + (8).to_bytes(4, "big") + (3).to_bytes(4, "big"))  # AuthenticationCleartextPassword
            client.settimeout(10)
            got.append(client.recv(1000))

    with socket.create_server(("127.0.0.1", unused_port)) as listener, ThreadPoolExecutor(1) as thread:
        done = thread.submit(pretend, listener)
        with pytest.raises(psycopg.OperationalError, match="auth"):
            psycopg.connect(line, connect_timeout=10, gssencmode="disable")
        done.result(30)
    assert got == [b""], "the fake server was asked, and got nothing"


def test_whoever_joins_is_no_superuser_and_can_train(cluster: Path, unused_port: int) -> None:
    with EmbeddedServer(cluster, host="127.0.0.1", port=unused_port) as server:
        with connect(server.address) as owner:
            migrate(owner)
        address = server.tcp_address("127.0.0.1")
        for other in ("postgres", "ganns_owner"):
            with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
                psycopg.connect(address.conninfo.replace("ganns_class", other), connect_timeout=5)
        with connect(address) as conn:
            for statement in (
                "COPY (SELECT 1) TO PROGRAM 'cat'",
                "SELECT pg_read_file('/etc/passwd')",
                "CREATE ROLE friend SUPERUSER",
                "DROP SCHEMA ganns CASCADE",
                "SET ROLE postgres",
                "SET ROLE ganns_owner",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement)
            require_current(conn)
        run = Coordinator(address, tiny(stop=StopConfig(rounds=2)))
        worker = FakeWorker(address)
        while run.thread.is_alive():
            worker.work()
        run.thread.join(60)
        worker.conn.close()
        assert run.error is None
        assert len(run.reports) == 2


def test_a_server_in_use_is_not_opened_behind_its_users_back(cluster: Path, unused_port: int) -> None:
    with EmbeddedServer(cluster) as used:
        with pytest.raises(DatabaseError, match=r"in use, and open to this machine alone: end .*`ganns db serve`"):
            EmbeddedServer(cluster, host="127.0.0.1", port=unused_port).start()
        assert answers(used)


def test_a_server_that_is_open_already_says_where(cluster: Path, unused_port: int) -> None:
    with EmbeddedServer(cluster, host="127.0.0.1", port=unused_port) as server:
        with pytest.raises(DatabaseError, match=rf"open on 127\.0\.0\.1:{unused_port} already: end the other"):
            EmbeddedServer(cluster, host="127.0.0.1", port=unused_port + 1).start()
        assert answers(server)


def test_a_server_left_behind_by_a_killed_command_is_taken_over(cluster: Path, unused_port: int) -> None:
    with another_user(cluster) as user:
        user.kill()
        user.wait(20)
    with EmbeddedServer(cluster, host="127.0.0.1", port=unused_port) as server:
        connect(server.tcp_address("127.0.0.1")).close()


def test_a_taken_port_is_named_with_another(cluster: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            DatabaseError, match=rf"Cannot listen on 127\.0\.0\.1:{port} \(Address .* in use\): .*--port"
        ):
            EmbeddedServer(cluster, host="127.0.0.1", port=port).start()
    assert not EmbeddedServer(cluster).is_running()


def test_an_address_of_another_machine_is_refused(unused_port: int) -> None:
    for host in ("203.0.113.7", "no.such.host.invalid"):
        with pytest.raises(DatabaseError, match=rf"Cannot listen on {host}:{unused_port} \([^()]+\): .*--host"):
            require_free(host, unused_port)


def test_the_reachable_address_is_no_wildcard() -> None:
    for host in EVERYWHERE:
        assert reachable_host(host) not in ("", *EVERYWHERE)
    assert reachable_host("10.1.2.3") == "10.1.2.3"


def test_an_ipv6_address_gets_brackets(cluster: Path) -> None:
    with EmbeddedServer(cluster, host=None) as server:
        assert "@[fe80::1]:5432/" in server.tcp_address("fe80::1").conninfo


def test_a_port_is_steady_until_another_program_takes_it() -> None:
    port = steady_port("a folder")
    assert steady_port("a folder") == port
    with socket.create_server(("127.0.0.1", port)):
        assert steady_port("a folder") != port
