"""The embedded server: made once, shared by those who use it, stopped by the last."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from ganns.db.connect import connect
from ganns.db.server import programs
from ganns.db.server.embedded import EmbeddedServer
from ganns.errors import ConfigError, DatabaseError
from tests.db.users import another_user, answers
from tests.support.helpers import free_port


def test_it_is_created_once_and_keeps_what_is_in_it(data_dir: Path) -> None:
    server = EmbeddedServer(data_dir)
    assert not server.exists()
    with server, connect(server.address) as conn:
        assert server.exists()
        assert conn.execute("SELECT current_database(), current_user").fetchone() == ("ganns", "ganns_owner")
        conn.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        settings = {row[0]: row[1] for row in conn.execute("SELECT name, setting FROM pg_settings")}
        assert settings["max_connections"] == programs.SETTINGS["max_connections"]
        assert settings["listen_addresses"] == ""
    assert not server.is_running()
    with EmbeddedServer(data_dir) as again, connect(again.address) as conn:
        assert conn.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc")
def test_the_server_gets_no_secret_and_needs_no_locale(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"):
        monkeypatch.setenv(name, "xx_XX.UTF-8")  # a Mac over ssh
    monkeypatch.setenv("MY_TOKEN", "open-sesame")
    with EmbeddedServer(data_dir) as server:
        assert b"open-sesame" not in Path(f"/proc/{server._postmaster()[0]}/environ").read_bytes()
        assert answers(server)


@pytest.mark.slow
@pytest.mark.parametrize("locale", [{"LC_ALL": "xx_YY.UTF-8"}, {"LC_CTYPE": "UTF-8", "LANG": "tlh_KL"}], ids=str)
def test_the_commands_need_no_locale(locale: dict[str, str], tmp_path: Path) -> None:
    """The real commands, in a home without anything."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **locale}
    commands = [["db", "init"], ["db", "status"], *([["doctor"]] if "LC_ALL" in locale else [])]
    for command in commands:
        ended = subprocess.run(
            [sys.executable, "-m", "ganns", *command], env=environment, capture_output=True, text=True, timeout=120
        )
        assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), (command, ended.stderr)
        assert "locale" not in ended.stderr.lower()
    serve = [sys.executable, "-m", "ganns", "db", "serve", "--host", "127.0.0.1", "--port", str(free_port())]
    with subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        try:
            assert "is open on 127.0.0.1" in serving.stdout.readline()
        finally:
            serving.send_signal(signal.SIGINT)


@pytest.mark.parametrize("name", ["$HOME", 'quo"te', "com,ma", "\u5f20" * 24, "a b"])
def test_a_home_of_any_name(cluster: Path, name: str) -> None:
    (cluster.parent / name).mkdir()
    server = EmbeddedServer(cluster.rename(cluster.parent / name / "pg"))
    with server:
        assert answers(server)
        server.restart()
        assert answers(server)
    assert not server.is_running()


def test_a_home_with_a_line_break_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line break"):
        EmbeddedServer(tmp_path / "a\nb")


def test_a_second_one_joins_and_the_last_one_out_stops_it(cluster: Path) -> None:
    first, second = EmbeddedServer(cluster), EmbeddedServer(cluster)
    with second:
        with first:
            pid = first._postmaster()[0]
            assert second._postmaster()[0] == pid
        assert answers(second), "one of two left"
    assert not second.is_running()


def test_the_one_that_started_it_may_leave_first(cluster: Path) -> None:
    """`ganns runs` starts the server, `ganns train` joins, `ganns runs` ends: the training must go on."""
    server = EmbeddedServer(cluster)
    with another_user(cluster) as starter:
        with server:
            starter.communicate("\n", timeout=60)
            assert starter.returncode == 0
            assert answers(server)
        assert not server.is_running()


def test_a_killed_user_counts_no_more(cluster: Path) -> None:
    server = EmbeddedServer(cluster)
    with another_user(cluster) as user:
        user.send_signal(signal.SIGKILL)
        user.wait(20)
    assert server.is_running(), "no process was there to stop it"
    with server:
        assert answers(server)
    assert not server.is_running()


def test_many_at_once_make_one_server(data_dir: Path) -> None:
    num = 6
    together, used = Barrier(num), Barrier(num)

    def use(number: int) -> str:
        together.wait(60)
        with EmbeddedServer(data_dir) as server:
            used.wait(60)  # all are in before the first one leaves
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
        patched.setattr(programs, "run_program", half)
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


def test_why_it_does_not_start_is_said(cluster: Path) -> None:
    with EmbeddedServer(cluster):
        pass
    with (cluster / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'a lot'\n")
    with pytest.raises(DatabaseError, match=r"did not start: .*shared_buffers"):
        EmbeddedServer(cluster).start()


def test_a_start_without_a_log_has_a_reason(cluster: Path) -> None:
    (cluster / "server.log").unlink()
    (cluster / "server.log").mkdir()  # the shell of pg_ctl cannot open it, and nothing is written
    with pytest.raises(DatabaseError, match=r"did not start: pg_ctl ended with code 1, and server\.log has no word"):
        EmbeddedServer(cluster).start()


def test_the_programs_of_another_postgresql(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.major_version() >= 14
    monkeypatch.setenv(programs.BIN_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match=r"GANNS_POSTGRES_BIN=.* has no `initdb` in it"):
        EmbeddedServer(data_dir).start()
    initdb = tmp_path / "initdb"
    initdb.write_text("#!/bin/sh\necho 'initdb (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)'\n")
    initdb.chmod(0o755)
    assert programs.major_version() == 15


def test_a_terminals_ctrl_c_does_not_reach_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not the one that tells its version: `ganns demo` ended with a traceback when Ctrl-C met it."""
    told = []

    def check_output(*_: object, **settings: Any) -> str:
        told.append(settings["start_new_session"])
        return "initdb (PostgreSQL) 18.1"

    monkeypatch.setattr(programs.subprocess, "check_output", check_output)
    assert programs.major_version() == 18
    assert told == [True]


def test_processes_that_start_together_create_the_servers_user_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test` on a fresh machine, as root: three `useradd` at once gave the user a number that it did not keep."""
    made: list[str] = []

    def useradd(command: list[str], **_: object) -> None:
        time.sleep(0.05)
        made.append(command[-1])

    monkeypatch.setattr(programs.subprocess, "run", useradd)
    monkeypatch.setattr("pwd.getpwnam", lambda name: {name: 1 for name in made}[name])
    barrier = Barrier(3)

    def start(_: int) -> None:
        barrier.wait()
        programs._create_user()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(start, range(3)))
    assert made == ["pgserver"]
