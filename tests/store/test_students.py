"""A login per student: added, listed, revoked, removed; what its workers may hold, and what counts against a job."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import EvaluateConfig, QuorumConfig, StopConfig
from ganns.db.address import Address
from ganns.db.connect import Connection, connect, explain_refusal
from ganns.db.migrate import require_current
from ganns.doctor.database import check_rights, check_schema
from ganns.errors import ConfigError, DatabaseError
from ganns.store import students, worker_api
from ganns.store.results import worker_totals
from ganns.store.rounds import lost_units
from ganns.utils.checks import OK
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import wait_until, workers
from tests.support.students import Student, StudentWorker, open_round
from tests.worker.classroom import WorkerProcess

Enrol = Callable[..., Student]


@pytest.fixture
def ganns(database: Address, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs a command on the test's database, and returns what it printed."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


# ------------------------------------------------------------------------------------------------ the logins


def test_a_login_is_opaque_limited_and_a_member_of_one_role(conn: Connection, enrol: Enrol) -> None:
    ada = enrol("Ada Lovelace", max_workers=2)
    assert re.fullmatch("s_[a-z2-9]{10}", ada.login)
    row = conn.execute(
        "SELECT rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls, rolconnlimit,"
        " ARRAY(SELECT m.roleid::regrole::text FROM pg_auth_members m WHERE m.member = r.oid)"
        " FROM pg_roles r WHERE rolname = %s",
        [ada.login],
    ).fetchone()
    assert row == (True, False, 12, ["ganns_student"])
    with pytest.raises(ConfigError, match=r"a student Ada Lovelace already: `ganns students rotate 'Ada Lovelace'`"):
        students.add(conn, "Ada Lovelace")


@pytest.mark.parametrize("label", ["", " ada", "ada: laptop", "a\x1b[2Jb", "x" * 61, "-ada"])
def test_a_label_is_a_name(label: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a student"):
        students.check_label(label)


@pytest.mark.parametrize(
    ("names", "says"), [(["cy", "dan", "cy"], "'cy' is there twice"), (["cy", "O'Hara"], "rotate")]
)
def test_either_all_names_of_a_line_get_a_login_or_none(
    names: list[str], says: str, conn: Connection, enrol: Enrol, database: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    enrol("O'Hara")
    with pytest.raises(ConfigError, match=says) as refused:
        CliRunner().invoke(app, ["students", "add", *names], catch_exceptions=False)
    assert students.find(conn, "cy") is None
    if says == "rotate":
        assert shlex.split(str(refused.value).split("`")[1]) == ["ganns", "students", "rotate", "O'Hara"]


def test_the_password_is_nowhere(conn: Connection, enrol: Enrol) -> None:
    """Neither in the database nor in an object's text: the server gets a verifier, also in the statement itself."""
    new = enrol("ada").new
    assert new.password not in repr(new)
    row = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [new.login]).fetchone()
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$4096:")
    assert new.password not in row[0]
    assert new.password not in students._verifier(conn, new.login, new.password).as_string(conn)


def test_a_student_looks_at_the_versions_and_rights_as_a_worker_does(enrol: Enrol) -> None:
    with connect(enrol("ada").address) as mine:
        require_current(mine)
        assert mine.execute("SHOW search_path").fetchone() == ("ganns_api",)
        assert check_rights(mine).state == OK
        assert check_schema(mine).state == OK


def test_the_commands(ganns: Callable[..., str], conn: Connection, tmp_path: Path) -> None:
    try:
        shown = ganns("students", "add", "ada", "ben")
        lines = re.findall(r"^  (postgresql://\S+)$", shown, re.MULTILINE)
        assert len(lines) == 2
        parts = conninfo_to_dict(lines[0])
        assert parts["require_auth"] == "scram-sha-256"
        assert f"ada (login {parts['user']})" in shown
        assert "`ganns join`" in shown
        assert "GANNS_DATABASE_URL" in shown
        roster = tmp_path / "roster.csv"
        roster.write_text("\ufeffMail,Student\nx@example.org,ada\ny@example.org,Zoë O'Hara\n", encoding="utf-8")
        imported = json.loads(ganns("students", "import", str(roster), "--json"))
        assert [one["student"] for one in imported] == ["Zoë O'Hara"], "ada keeps hers"
        listed = json.loads(ganns("students", "list", "--json"))
        assert [(one["label"], one["revoked"], one["workers"]) for one in listed] == [
            ("Zoë O'Hara", False, 0),
            ("ada", False, 0),
            ("ben", False, 0),
        ]
        assert "revoked" not in ganns("students", "list")
        assert "ben may not come any more: 0 session(s) ended" in ganns("students", "revoke", "ben")
        assert "revoked" in ganns("students", "list")
        again = json.loads(ganns("students", "rotate", "ben", "--json"))[0]
        assert again["login"] == conninfo_to_dict(lines[1])["user"]
        assert again["line"] != lines[1]
        assert "revoked" not in ganns("students", "list")
        assert "ben is removed" in ganns("students", "remove", "ben")
        assert students.find(conn, "ben") is None
        missing = CliRunner().invoke(app, ["students", "revoke", "ben"])
        assert isinstance(missing.exception, ConfigError)
        doors = {one["kind"] for one in json.loads(ganns("db", "audit", "--json"))}
        assert not doors & {
            "open function",
            "definer function",
            "table",
            "create",
            "temporary",
            "large object",
            "no limit",
        }
    finally:
        for row in students.list_students(conn):
            students.remove(conn, row["login"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ada\nben\n\n", ["ada", "ben"]),
        ("name;x\n", None),
        ("name;x\nada;1\nben;2\n", ["ada", "ben"]),  # as Excel writes it in many countries
        ("Mark\tStudent\n1\tada\n", ["ada"]),
        ('"ada\n', None),
        ("x" * 300, None),
        ("Name,Mark\nada,1\nben,2\n", ["ada", "ben"]),
        ("ada\nada\n", None),
        ("", None),
    ],
)
def test_a_roster_names_its_students(text: str, found: list[str] | None, tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(text)
    if found is not None:
        assert students.read_roster(path) == found
    else:
        with pytest.raises(ConfigError) as raised:
            students.read_roster(path)
        assert len(str(raised.value)) < 300 + len(str(path))


# ---------------------------------------------------------------------------------------- the class that they have


def test_a_whole_run_by_a_students_worker_equals_solo(
    coordinate, conn: Connection, enrol: Enrol, tmp_path: Path
) -> None:
    config = tiny(stop=StopConfig(rounds=4))
    with workers(enrol("ada").address, 1, tmp_path):  # the stock worker, with LISTEN
        coordinator = coordinate(config).join(120)
    assert coordinator.done
    assert coordinator.digest == solo_digest(config)
    totals = worker_totals(conn, coordinator.run_id)
    assert [(row["name"], row["units"]) for row in totals] == [("ada: w0", 8)]


@pytest.mark.slow
@pytest.mark.parametrize("polling", ["", "1"])
def test_our_worker_computes_units_and_evaluations_for_a_student(
    polling: str, coordinate, conn: Connection, enrol: Enrol, tmp_path: Path
) -> None:
    config = tiny(stop=StopConfig(rounds=4), evaluate=EvaluateConfig(every=2, images=64))
    worker = WorkerProcess(enrol("ada").address, tmp_path, "laptop", GANNS_POLLING=polling)
    try:
        coordinator = coordinate(config).join(180)
    finally:
        worker.end()
    assert coordinator.done, worker.log
    assert coordinator.digest == solo_digest(config)
    done = conn.execute("SELECT count(*) FROM ganns.evaluations WHERE run_id = %s", [coordinator.run_id]).fetchone()
    assert done is not None
    assert done[0] >= 1
    assert "Traceback" not in worker.log


@pytest.mark.slow
def test_a_worker_that_was_forgotten_starts_anew(conn: Connection, enrol: Enrol, tmp_path: Path) -> None:
    """A laptop that was closed for a day: its row is gone, and its number may not speak any more."""
    worker = WorkerProcess(enrol("ada").address, tmp_path, "laptop")
    try:
        worker.wait_joined()
        conn.execute("DELETE FROM ganns.task_workers")
        worker.wait_joined(2)
        assert "starting anew" in worker.log
    finally:
        worker.end()


def test_revoking_ends_sessions_and_hands_units_on_at_once(coordinate, conn: Connection, enrol: Enrol) -> None:
    open_round(coordinate, conn)
    ada, ben = enrol("ada"), enrol("ben")
    first, second = StudentWorker(ada.address), StudentWorker(ben.address)
    job = first.fetch()
    assert job is not None
    assert first.claim(job) is not None
    other = second.fetch()
    assert other is not None
    assert second.fetch() is None
    assert students.revoke(conn, "ada") == (1, 1)
    with pytest.raises(psycopg.OperationalError):
        first.beat()
    again = second.fetch()
    assert again is not None
    assert (again.id, again.attempt) == (job.id, job.attempt + 1)
    assert second.claim(again) is not None
    with pytest.raises(psycopg.OperationalError, match="is not permitted to log in") as refused:
        psycopg.connect(ada.address.conninfo)
    meaning = explain_refusal(str(refused.value))
    assert meaning is not None
    assert meaning[0] == "this login was revoked"
    second.conn.close()


def test_a_session_of_a_revoked_login_may_do_nothing(conn: Connection, enrol: Enrol) -> None:
    """As behind a pooler, which keeps its sessions: the functions look, too."""
    ada = enrol("ada")
    worker = StudentWorker(ada.address)
    conn.execute("UPDATE ganns.students SET revoked_at = now() WHERE login = %s", [ada.login])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        worker.beat()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not one of this class"):
        StudentWorker(ada.address)
    worker.conn.close()


def test_after_a_reset_old_logins_may_do_nothing(conn: Connection, enrol: Enrol) -> None:
    """Roles stay on the server when the tables are gone: a login without a row is no student, and nobody else."""
    ada = enrol("ada")
    conn.execute("DELETE FROM ganns.students")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not one of this class"):
        StudentWorker(ada.address)
    conn.execute("INSERT INTO ganns.students (login, label) VALUES (%s, 'ada')", [ada.login])


# -------------------------------------------------------------------------------------------------- the limits


def test_a_student_has_so_many_workers_and_a_worker_so_many_jobs(coordinate, conn: Connection, enrol: Enrol) -> None:
    open_round(coordinate, conn, quorum=QuorumConfig(units=4))
    ada = enrol("ada", max_workers=2)
    one, two = StudentWorker(ada.address, "one"), StudentWorker(ada.address, "two")
    with pytest.raises(psycopg.OperationalError, match="has 2 workers already"):
        StudentWorker(ada.address)
    held = [one.fetch(), one.fetch(), one.fetch()]
    assert [job is not None for job in held] == [True, True, False], "at most two"
    assert two.fetch() is not None
    one.one("SELECT ganns_api.procrastinate_unregister_worker_v1(%s)", one.id)
    StudentWorker(ada.address).conn.close()
    with pytest.raises(psycopg.OperationalError, match="has 2 workers already"):
        one.beat()  # its place is taken
    for worker in (one, two):
        worker.conn.close()


def test_a_login_that_registers_all_day_fills_no_table(conn: Connection, enrol: Enrol) -> None:
    with connect(enrol("ada").address) as mine:
        for _ in range(130):
            row = mine.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone()
            assert row is not None
            mine.execute("SELECT procrastinate_unregister_worker_v1(%s)", row)
    count = conn.execute("SELECT count(*) FROM ganns.task_workers").fetchone()
    assert count is not None
    assert count[0] <= 102


def test_workers_names_belong_to_their_login(conn: Connection, enrol: Enrol) -> None:
    ada, eve = enrol("ada"), enrol("eve")
    hers, forged = StudentWorker(ada.address, "ada"), StudentWorker(eve.address, "ada\x1b[2J")
    names = conn.execute("SELECT name FROM ganns.task_workers ORDER BY worker_id").fetchall()
    assert names == [("ada",), ("eve: ada?[2J",)]
    assert conn.execute("SELECT name FROM ganns.workers ORDER BY id").fetchall() == names
    for worker in (hers, forged):
        worker.conn.close()


def test_one_student_condemns_no_job(coordinate, conn: Connection, enrol: Enrol) -> None:
    """It fails when a second login failed in it, too; the first one does not get it again meanwhile."""
    open_round(coordinate, conn, quorum=QuorumConfig(units=1))
    eve, ada = StudentWorker(enrol("eve").address), StudentWorker(enrol("ada").address)
    job = eve.fetch()
    assert job is not None
    assert eve.end(job, "failed")
    assert eve.fetch() is None, "ada could take it"
    again = ada.fetch()
    assert again is not None
    assert again.id == job.id
    assert ada.end(again, "failed")
    assert conn.execute("SELECT status::text FROM procrastinate_jobs WHERE id = %s", [job.id]).fetchone() == ("failed",)
    for worker in (eve, ada):
        worker.conn.close()


@pytest.mark.parametrize("how", ["failed", "died"])
def test_where_one_login_is_present_three_attempts_count(how: str, coordinate, conn: Connection, enrol: Enrol) -> None:
    open_round(coordinate, conn, quorum=QuorumConfig(units=1))
    eve = StudentWorker(enrol("eve").address)
    for number in range(3):
        assert conn.execute("SELECT status::text FROM procrastinate_jobs").fetchone() == ("todo",)
        job = eve.fetch()
        assert job is not None
        assert job.attempt == number
        if how == "failed":
            eve.end(job, "failed")
        else:
            eve.one("SELECT fate FROM ganns_api.task_worker_ended(%s, 1)", eve.id)
    assert conn.execute("SELECT status::text FROM procrastinate_jobs").fetchone() == ("failed",)
    eve.conn.close()


def test_a_session_that_ends_by_itself_is_no_session_that_stays(
    conn: Connection, enrol: Enrol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says the same of both: it could not end them."""
    eve, execute = enrol("eve"), students.execute
    with connect(eve.address) as session:
        pid = session.info.backend_pid

        def could_not_end(conn: Connection, name: str, /, **parameters: object) -> object:
            if name == "end_sessions":
                return SimpleNamespace(fetchall=lambda: [{"pid": pid, "ended": False}])
            return execute(conn, name, **parameters)

        monkeypatch.setattr(students, "execute", could_not_end)
        with pytest.raises(DatabaseError, match=f"its session {pid} has not ended yet: type the same again"):
            students.revoke(conn, "eve")
    wait_until(
        lambda: not conn.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchall(), what="its end"
    )
    assert students.revoke(conn, "eve") == (1, 0)


def test_a_students_workers_are_one_where_errors_are_counted(coordinate, conn: Connection, enrol: Enrol) -> None:
    """Three workers of one student that all report an error do not set a unit aside, if another student is there."""
    run_id = open_round(coordinate, conn, quorum=QuorumConfig(units=1))
    eve, ada = enrol("eve"), StudentWorker(enrol("ada").address)
    mine = [StudentWorker(eve.address, f"w{number}") for number in range(3)]
    for worker in mine:
        job = worker.fetch()
        assert job is not None
        worker.fail(job)
    assert lost_units(conn, run_id, 0, 60.0) == []
    assert conn.execute("SELECT DISTINCT worker FROM ganns.unit_failures").fetchall() == [("eve",)]
    for worker in (*mine, ada):
        worker.conn.close()


def test_rules_of_tasks_are_the_owners(conn: Connection, enrol: Enrol) -> None:
    rule = {
        "task_name": "gradient",
        "requires": ["gpu"],
        "memory_mb": 0,
        "time_limit_s": None,
        "rate_per_s": 1,
        "burst": 1,
    }
    statement = "SELECT ganns_api.task_register(%s, 'x', '{}', 0, '{gradient,secret}', %s)"
    ada = StudentWorker(enrol("ada").address)
    ada.one(statement, ada.id, json.dumps([rule]))
    assert conn.execute("SELECT count(*) FROM ganns.task_rules").fetchone() == (0,)
    assert conn.execute("SELECT tasks FROM ganns.task_workers").fetchone() == (["gradient"],), "and the tasks, too"
    conn.execute(statement, [ada.id, json.dumps([rule])])
    ada.one(statement, ada.id, "[]")
    assert conn.execute("SELECT requires FROM ganns.task_rules").fetchall() == [(["gpu"],)]
    ada.conn.close()


def test_the_run_of_a_student_is_read_like_the_owners(coordinate, conn: Connection, enrol: Enrol) -> None:
    run_id = open_round(coordinate, conn)
    with connect(enrol("ada").address) as mine:
        assert worker_api.get_run_info(mine, run_id) == worker_api.get_run_info(conn, run_id)
        assert worker_api.fetch_weights(mine, run_id, 0) == worker_api.fetch_weights(conn, run_id, 0)
        assert worker_api.list_published(mine, run_id, 0) == worker_api.list_published(conn, run_id, 0) != []
