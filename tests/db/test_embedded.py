"""The embedded server: made once, shared by those who use it, stopped by the last, open to others on request."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import psycopg
import pytest

from ganns.db import cluster, network
from ganns.db.connect import connect
from ganns.db.embedded import EmbeddedServer
from ganns.db.locks import FileLock
from ganns.errors import DatabaseError, DatabaseUnreachable
from tests.helpers import ROOT, wait_until


@pytest.fixture
def data_dir(home: Path) -> Path:
    return home / "pg"


@contextmanager
def another_user(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Use the server from another process, until a line is written to it."""
    script = (
        "import sys; from pathlib import Path; from ganns.db.embedded import EmbeddedServer\n"
        "with EmbeddedServer(Path(sys.argv[1])): print('uses it', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "uses it\n"
        yield process
        if process.poll() is None:
            process.communicate("\n", timeout=60)


def answers(server: EmbeddedServer) -> bool:
    try:
        connect(server.address).close()
    except DatabaseUnreachable:
        return False
    return True


def test_it_is_created_once_and_keeps_what_is_in_it(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    assert not server.exists()
    with server, connect(server.address) as conn:
        assert server.exists()
        assert conn.execute("SELECT current_database(), current_user").fetchone() == ("ganns", "postgres")
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        settings = {row[0]: row[1] for row in conn.execute("SELECT name, setting FROM pg_settings")}
        assert settings["max_connections"] == cluster.SETTINGS["max_connections"]
        assert settings["listen_addresses"] == ""
    assert not server.is_running()
    with EmbeddedServer(data_dir) as again, connect(again.address) as conn:
        assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_a_second_one_joins_and_the_last_one_out_stops_it(data_dir: Path) -> None:
    first, second = EmbeddedServer(data_dir), EmbeddedServer(data_dir)
    with second:
        with first:
            pid = first._postmaster()[0]
            assert second._postmaster()[0] == pid
        assert answers(second), "one of two left"
    assert not second.is_running()


def test_the_one_that_started_it_may_leave_first(data_dir: Path) -> None:
    """`ganns runs` starts the server, `ganns train` joins, `ganns runs` ends: the training must go on."""
    server = EmbeddedServer(data_dir)
    with another_user(data_dir) as starter:
        with server:
            starter.communicate("\n", timeout=60)
            assert starter.returncode == 0
            assert answers(server)
        assert not server.is_running()


def test_a_killed_user_counts_no_more(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    with another_user(data_dir) as user:
        user.send_signal(signal.SIGKILL)
        user.wait(20)
    assert server.is_running(), "nobody was there to stop it"
    with server:
        assert answers(server)
    assert not server.is_running()


def test_many_at_once_make_one_server(data_dir: Path) -> None:
    num = 6
    together, used = Barrier(num), Barrier(num)

    def use(number: int) -> str:
        together.wait(60)
        with EmbeddedServer(data_dir) as server:
            used.wait(60)  # everybody is in before the first one leaves
            assert answers(server)
            return server._postmaster()[0]

    with ThreadPoolExecutor(num) as pool:
        assert len(set(pool.map(use, range(num)))) == 1
    assert not EmbeddedServer(data_dir).is_running()


def test_a_killed_initdb_leaves_nothing_that_looks_whole(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(program: str, *arguments: str, **options: object) -> None:
        new = Path(arguments[1])
        assert program == "initdb"
        (new / "PG_VERSION").write_text("18")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(cluster, "run_program", half)
        with pytest.raises(KeyboardInterrupt):
            EmbeddedServer(data_dir).start()
    assert not EmbeddedServer(data_dir).exists()
    with EmbeddedServer(data_dir) as server:
        assert answers(server)


def test_a_folder_with_other_things_in_it_is_left_alone(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "thesis.txt").write_text("do not touch")
    with pytest.raises(DatabaseError, match=r"has files in it, but no PostgreSQL: .*GANNS_HOME"):
        EmbeddedServer(data_dir).start()
    assert [path.name for path in data_dir.iterdir()] == ["thesis.txt"]


def test_a_long_path_gets_a_socket_elsewhere(home: Path) -> None:
    data_dir = home / ("long" * 30) / "it's" / "pg"
    with EmbeddedServer(data_dir) as server:
        assert answers(server)
        folder = Path(server._postmaster()[4])
        assert folder.parent == Path("/tmp")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_why_it_does_not_start_is_said(data_dir: Path) -> None:
    with EmbeddedServer(data_dir):
        pass
    with (data_dir / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'a lot'\n")
    with pytest.raises(DatabaseError, match=r"did not start: .*shared_buffers"):
        EmbeddedServer(data_dir).start()


# ------------------------------------------------------------------------------------------------ over TCP


def test_tcp_takes_the_password_and_nothing_else(data_dir: Path, unused_port: int) -> None:
    with EmbeddedServer(data_dir, host="127.0.0.1", port=unused_port) as server:
        right = server.tcp_address("127.0.0.1")
        with connect(right) as conn:
            row = conn.execute("SELECT inet_server_port(), current_user").fetchone()
            assert row == (unused_port, "postgres")
            [stored] = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'").fetchone() or ()
            assert stored.startswith("SCRAM-SHA-256$")
        for password in ("wrong", ""):
            wrong = right.conninfo.replace(server.password, password)
            assert wrong != right.conninfo
            with pytest.raises(psycopg.OperationalError, match=r"password"):
                psycopg.connect(wrong, connect_timeout=5)
        assert answers(server), "the local socket needs none"
        password = server.password
        assert stat.S_IMODE((data_dir / "ganns_password").stat().st_mode) == 0o600
    assert password not in (data_dir / "server.log").read_text()
    with EmbeddedServer(data_dir, host="127.0.0.1", port=unused_port) as server:
        assert server.password == password, "the line that was handed out still works after a restart"
        connect(server.tcp_address("127.0.0.1")).close()
    assert len(password) >= 20
    assert password not in f"{server.tcp_address('h')!s} {server.tcp_address('h')!r}"


def test_a_server_in_use_is_not_opened_behind_its_users_back(data_dir: Path, unused_port: int) -> None:
    with EmbeddedServer(data_dir) as used:
        with pytest.raises(DatabaseError, match=r"in use, and open to this machine alone: end .*`ganns db serve`"):
            EmbeddedServer(data_dir, host="127.0.0.1", port=unused_port).start()
        assert answers(used)


def test_a_server_that_is_open_already_says_where(data_dir: Path, unused_port: int) -> None:
    with EmbeddedServer(data_dir, host="127.0.0.1", port=unused_port) as server:
        with pytest.raises(DatabaseError, match=rf"open on 127\.0\.0\.1:{unused_port} already: end the other"):
            EmbeddedServer(data_dir, host="127.0.0.1", port=unused_port + 1).start()
        assert answers(server)


def test_a_server_left_behind_by_a_killed_command_is_taken_over(data_dir: Path, unused_port: int) -> None:
    with another_user(data_dir) as user:
        user.kill()
        user.wait(20)
    with EmbeddedServer(data_dir, host="127.0.0.1", port=unused_port) as server:
        connect(server.tcp_address("127.0.0.1")).close()


def test_a_taken_port_is_named_with_another(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            DatabaseError, match=rf"Cannot listen on 127\.0\.0\.1:{port} \(Address .* in use\): .*--port"
        ):
            EmbeddedServer(data_dir, host="127.0.0.1", port=port).start()
    assert not EmbeddedServer(data_dir).is_running()


def test_an_address_of_another_machine_is_refused(unused_port: int) -> None:
    for host in ("203.0.113.7", "no.such.host.invalid"):
        with pytest.raises(DatabaseError, match=rf"Cannot listen on {host}:{unused_port} \([^()]+\): .*--host"):
            network.require_free(host, unused_port)


def test_the_reachable_address_is_no_wildcard() -> None:
    for host in network.EVERYWHERE:
        assert network.reachable_host(host) not in ("", *network.EVERYWHERE)
    assert network.reachable_host("10.1.2.3") == "10.1.2.3"


def test_an_ipv6_address_gets_brackets(data_dir: Path) -> None:
    with EmbeddedServer(data_dir, host=None) as server:
        assert "@[fe80::1]:5432/" in server.tcp_address("fe80::1").conninfo


# ----------------------------------------------------------------------------------------------- the lock


def test_a_lock_is_shared_or_held_alone(tmp_path: Path) -> None:
    one, two, three = (FileLock(tmp_path / "lock") for _ in range(3))
    one.share()
    two.share()
    assert not three.try_take()
    two.release()
    assert not three.try_take()
    one.release()
    assert three.try_take()
    three.release()
    three.release()
    with one:
        assert not two.try_take()
    assert two.try_take()
    two.release()


def test_a_lock_is_not_inherited_by_programs_that_we_start(tmp_path: Path) -> None:
    """The server itself is such a program: it would hold the lock of whoever started it."""
    lock = FileLock(tmp_path / "lock")
    lock.share()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as child:
        lock.release()
        wait_until(FileLock(tmp_path / "lock").try_take, what="the child's exec, which closes its copy")
        assert child.stdin is not None
        child.stdin.write(b"\n")
    assert os.listdir(tmp_path) == ["lock"]
