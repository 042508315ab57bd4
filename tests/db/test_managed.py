"""A managed PostgreSQL: the owner's login may create databases and roles, and is no superuser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ganns.config import QuorumConfig, StopConfig
from ganns.coordinator.offences import SessionLimits
from ganns.coordinator.warden import Warden
from ganns.db.address import Address
from ganns.db.backup import backup
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate, require_current
from ganns.db.open_doors import audit
from ganns.db.server.embedded import EmbeddedServer
from ganns.errors import DatabaseError
from ganns.monitor.viewer import connect_viewer
from ganns.store import students
from tests.support.attackers import is_ended
from tests.support.coordinators import Coordinator
from tests.support.fakes import tiny
from tests.support.helpers import wait_until, workers

PROVIDER = (
    "DROP DATABASE ganns",  # and with it all that the embedded server prepares
    "DROP ROLE ganns_viewer",
    "DROP ROLE ganns_student",
    "DROP ROLE ganns_owner",
    "ALTER ROLE ALL SET temp_file_limit = -1",  # as it is without our start
    "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
    "CREATE ROLE teacher LOGIN CREATEDB CREATEROLE",
    "CREATE ROLE colleague LOGIN CREATEDB CREATEROLE",
)

As = Callable[[str, str], Address]


@pytest.fixture
def managed(cluster: Path) -> Iterator[As]:
    """Yield a function (login, database) that returns an address of a server with two teachers and nothing of ours."""
    with EmbeddedServer(cluster) as server:

        def address(login: str, database: str) -> Address:
            return Address(make_conninfo(server.address.conninfo, user=login, dbname=database), "the provider")

        with connect(address("postgres", "postgres")) as provider:
            for statement in PROVIDER:
                provider.execute(statement.encode())
        yield address


def own_database(managed: As, login: str) -> Address:
    """Create and migrate the database of a teacher, as that teacher."""
    with connect(managed(login, "postgres")) as conn:
        conn.execute(f"CREATE DATABASE of_{login}".encode())
    with connect(managed(login, f"of_{login}")) as conn:
        assert not conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]  # type: ignore[index]
        migrate(conn)
    return managed(login, f"of_{login}")


def open_doors(conn: Connection) -> set[str]:
    return {door.kind for door in audit(conn)}


@pytest.mark.slow
def test_a_class_on_a_managed_server(managed: As, tmp_path: Path) -> None:
    address = own_database(managed, "teacher")
    with connect(address) as teacher:
        ada = students.add(teacher, "ada")
        theirs = managed(ada.login, "of_teacher")
        run = Coordinator(address, tiny(quorum=QuorumConfig(units=2), stop=StopConfig(rounds=2)))
        with workers(theirs, 1, tmp_path):
            run.join(120)
        assert len(run.reports) == 2
        assert not [text for text in run.said if "warden cannot" in text]
        # What the provider alone could close, and nothing else
        assert open_doors(teacher) == {"connect", "large object", "log message", "advisory lock", "temporary files"}
        with connect(theirs) as attacker:
            require_current(attacker)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attacker.execute("CREATE TEMPORARY TABLE t (x int)")
            attacker.execute("SELECT pg_advisory_lock(1)")
            attacker.execute("BEGIN")
            attacker.execute("SELECT 1")
            said: list[str] = []
            warden = Warden(1, said.append, limits=SessionLimits(transaction_s=0.0))
            warden.begin(teacher)
            assert [who.label for who, _ in warden.tick(teacher)] == ["ada"], said
            wait_until(lambda: is_ended(attacker), what="the end of the session")
        with connect_viewer(address, "a test") as viewer:
            assert viewer.execute("SELECT current_user").fetchone() == ("ganns_viewer",)
            assert viewer.execute("SELECT count(*) FROM ganns.ledger WHERE accepted").fetchone() == (4,)
        backup(teacher, tmp_path / "all.zip")
        with connect(managed(students.rotate(teacher, "ada").login, "of_teacher")) as again:
            students.revoke(teacher, "ada")
            assert is_ended(again)
        students.remove(teacher, "ada")


@pytest.mark.slow
def test_two_teachers_share_a_server_and_one_says_what_the_other_must_give(managed: As) -> None:
    """Roles belong to the whole server: the students' role is the first teacher's."""
    mine, others = own_database(managed, "teacher"), own_database(managed, "colleague")
    with connect(mine) as teacher, connect(others) as colleague, connect(managed("postgres", "of_teacher")) as provider:
        ada = students.add(teacher, "ada")
        with pytest.raises(DatabaseError, match="GRANT ganns_student TO colleague WITH ADMIN OPTION") as refused:
            students.add(colleague, "ben")
        teacher.execute(str(refused.value).partition("type ")[2].rstrip(".").encode())
        students.add(colleague, "ben")
        # Neither is a student to the other.
        assert open_doors(teacher) >= {"connect"}
        assert not open_doors(teacher) & {"attribute", "no limit"}
        watched = {row[0] for row in teacher.execute("SELECT login::text FROM ganns.student_logins()")}
        assert ada.login in watched
        assert "colleague" not in watched
        # A login that coordinates, and has no rights over the students' logins, is told what it lacks.
        for statement in (
            "GRANT USAGE ON SCHEMA ganns TO colleague",
            "GRANT SELECT ON ganns.students TO colleague",
        ):
            teacher.execute(statement.encode())
        with connect(managed("colleague", "of_teacher")) as coordinating:
            assert "sessions" in open_doors(coordinating)
            provider.execute("GRANT pg_read_all_stats, pg_signal_backend TO colleague")
            assert "sessions" not in open_doors(coordinating)
        students.remove(colleague, "ben")
        students.remove(teacher, "ada")
