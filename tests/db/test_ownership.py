"""The embedded server's logins: no command is a superuser, and a folder of an older program changes hands."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from ganns.config import StopConfig
from ganns.coordinator.offences import SessionLimits
from ganns.coordinator.warden import Warden
from ganns.db.address import Address
from ganns.db.backup import backup, restore
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate, require_current, reset
from ganns.db.open_doors import audit
from ganns.db.server import ownership
from ganns.db.server.embedded import EmbeddedServer
from ganns.errors import DatabaseError
from ganns.monitor.viewer import become_viewer
from ganns.store import students
from tests.support.attackers import is_ended
from tests.support.coordinators import Coordinator
from tests.support.fakes import FakeWorker, tiny
from tests.support.helpers import wait_until
from tests.support.students import StudentWorker

BEYOND = (
    "COPY (SELECT 1) TO PROGRAM 'cat'",
    "SELECT pg_read_file('/etc/passwd')",
    "CREATE ROLE friend SUPERUSER",
    "ALTER ROLE ganns_owner SUPERUSER",
    "SET ROLE postgres",
    "GRANT postgres TO ganns_owner",
    "ALTER SYSTEM SET fsync = off",
)
MESSAGE = "SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000))"
GRANT_PROGRAMS = "GRANT pg_execute_server_program TO ganns_owner"
OWNERS = """
SELECT DISTINCT pg_get_userbyid(owner)::text FROM (
    SELECT nspname AS schema, nspowner AS owner FROM pg_namespace
    UNION ALL SELECT relnamespace::regnamespace::text, relowner FROM pg_class
    UNION ALL SELECT pronamespace::regnamespace::text, proowner FROM pg_proc
    UNION ALL SELECT typnamespace::regnamespace::text, typowner FROM pg_type
) AS things WHERE schema IN ('ganns', 'ganns_api', 'procrastinate', 'exercise')
UNION SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()
"""


def train(address: Address, worker: FakeWorker) -> None:
    run = Coordinator(address, tiny(stop=StopConfig(rounds=1)))
    while run.thread.is_alive():
        worker.work()
    worker.conn.close()
    assert len(run.join().reports) == 1


def test_the_owner_is_no_superuser_and_does_all_that_a_class_needs(cluster: Path, tmp_path: Path) -> None:
    with EmbeddedServer(cluster) as server, connect(server.address) as owner:
        # Before PostgreSQL 16, who may create roles may give itself nearly all rights.
        for statement in (*BEYOND, *([GRANT_PROGRAMS] if owner.info.server_version >= 160000 else [])):
            with pytest.raises(errors.InsufficientPrivilege):
                owner.execute(statement.encode())
        ada = students.add(owner, "ada")
        theirs = Address(make_conninfo(server.address.conninfo, user=ada.login), "the test")
        train(server.address, StudentWorker(theirs, "ada"))
        assert owner.execute("SELECT DISTINCT name FROM ganns.workers").fetchone() == ("ada",)
        assert audit(owner) == []
        with connect(theirs) as attacker:
            for statement in ("SELECT pg_advisory_lock(1)", "SELECT lo_create(0)", "SET temp_file_limit = -1", MESSAGE):
                with pytest.raises(errors.InsufficientPrivilege):
                    attacker.execute(statement.encode())
            attacker.execute("BEGIN")
            attacker.execute("SELECT 1")
            said: list[str] = []
            warden = Warden(1, said.append, limits=SessionLimits(transaction_s=0.0))
            warden.begin(owner)
            assert [who.label for who, _ in warden.tick(owner)] == ["ada"], said
            wait_until(lambda: is_ended(attacker), what="the end of the session")
        with connect(server.address) as viewer:
            assert become_viewer(viewer)
            assert viewer.execute("SELECT count(*) FROM ganns.runs").fetchone() == (1,)
        students.revoke(owner, "ada")
        students.rotate(owner, "ada")
        students.remove(owner, "ada")
        backup(owner, tmp_path / "all.zip")
        reset(owner)
        restore(owner, tmp_path / "all.zip")


def as_an_older_program_left_it(conn: Connection) -> None:
    """Give everything to the superuser, as it was when all commands used that login."""
    conn.execute("REASSIGN OWNED BY ganns_owner TO postgres")
    conn.execute("DROP OWNED BY ganns_owner")
    conn.execute("DROP ROLE ganns_owner")


def test_a_folder_of_an_older_program_changes_hands(cluster: Path) -> None:
    server = EmbeddedServer(cluster)
    with server, connect(server.superuser_address) as old:
        as_an_older_program_left_it(old)
        migrate(old)
        ada = students.add(old, "ada")
        old.execute("CREATE SCHEMA exercise CREATE TABLE units (id int)")  # a learner's, on the server of the exercises
        assert old.execute(OWNERS).fetchall() == [("postgres",)]
        server.start()  # as the next command does, while the old one still runs
        assert old.execute(OWNERS).fetchall() == [("ganns_owner",)]
        with connect(server.address) as owner:
            require_current(owner)
            assert migrate(owner) == []
            train(server.address, FakeWorker(server.address))
            owner.execute("DROP SCHEMA exercise CASCADE")
            assert audit(owner) == []
            with connect(Address(make_conninfo(server.address.conninfo, user=ada.login), "the test")) as theirs:
                students.revoke(owner, "ada")
                assert is_ended(theirs)
            students.remove(owner, "ada")


def test_a_table_that_an_older_program_uses_is_named_as_the_reason(
    cluster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, run_script = EmbeddedServer(cluster), ownership._run_script

    def impatient(conn: Connection, name: str) -> None:
        if name == "own_database":
            text = (ownership.paths.sql_dir() / "schema" / "own_database.sql").read_text("utf-8")
            conn.execute(text.replace("'20s'", "'50ms'").encode())
        else:
            run_script(conn, name)

    with server, connect(server.superuser_address) as old:
        as_an_older_program_left_it(old)
        monkeypatch.setattr(ownership, "_run_script", impatient)
        with old.transaction():
            old.execute("LOCK TABLE ganns.runs IN ACCESS SHARE MODE")
            with pytest.raises(
                DatabaseError, match=r"belong to the login ganns_owner from now on.*end the other `ganns`"
            ):
                EmbeddedServer(cluster).start()
        assert old.execute(OWNERS).fetchall() == [("postgres",)]  # all of it, or nothing
        EmbeddedServer(cluster).start()
        assert old.execute(OWNERS).fetchall() == [("ganns_owner",)]
