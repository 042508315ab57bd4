"""What a hostile student tries, with a login of a student's own over a real connection: refused, and nothing changed.

Eve has a login and a worker. Ada, another student, holds a job, has claimed its unit, and has sent a part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import errors

from ganns.config import QuorumConfig, StopConfig
from ganns.db.connect import Connection
from ganns.store import results
from tests.support.fakes import Job, tiny
from tests.support.helpers import wait_until
from tests.support.students import Student, StudentWorker

DENIED, CHECK, LIMIT = errors.InsufficientPrivilege, errors.CheckViolation, errors.ProgramLimitExceeded
TABLES = {
    "ganns.runs": "id, config, state, version",
    "ganns.versions": "*",
    "ganns.weights": "run_id, version, chunk, md5(data)",
    "ganns.weight_places": "*",
    "ganns.links": "run_id, version, chunk, md5(data)",
    "ganns.rounds": "*",
    "ganns.units": "*",
    "ganns.results": "*",
    "ganns.result_parts": "job_id, attempt, role, chunk, num_chunks, md5(data)",
    "ganns.ledger": "*",
    "ganns.workers": "*",
    "ganns.task_workers": "*",
    "ganns.task_rules": "task_name, requires, rate_per_s",
    "ganns.task_results": "*",
    "ganns.task_attempts": "*",
    "ganns.task_refusals": "*",
    "ganns.task_prepared": "*",
    "ganns.unit_failures": "*",
    "ganns.students": "*",
    "ganns.migrations": "*",
    "procrastinate.procrastinate_jobs": "id, status, attempts, worker_id, priority, queue_name, args",
    "procrastinate.procrastinate_workers": "id",
}


@dataclass
class Scene:
    """Eve's worker, Ada's worker, the job that Ada holds, and one that waits."""

    eve: StudentWorker
    ada: StudentWorker
    held: Job
    waiting: int
    run: int
    owner: Connection

    def values(self) -> dict[str, Any]:
        return {
            "eve": self.eve.id,
            "ada": self.ada.id,
            "held": self.held.id,
            "attempt": self.held.attempt,
            "next": self.held.attempt + 1,
            "waiting": self.waiting,
            "run": self.run,
            "to_come": 1_000_000,
            "pid": self.owner.info.backend_pid,
            "adas_pid": self.ada.conn.info.backend_pid,
            "adas_login": self.ada.conn.info.user,
        }

    def rows(self) -> dict[str, list[Any]]:
        """Return everything that an attack could change."""
        return {
            table: sorted(map(repr, self.owner.execute(f"SELECT {columns} FROM {table}").fetchall()))  # type: ignore[arg-type]
            for table, columns in TABLES.items()
        }


@pytest.fixture
def scene(coordinate, conn: Connection, enrol: Callable[..., Student]) -> Iterator[Scene]:
    coordinator = coordinate(tiny(quorum=QuorumConfig(units=4), stop=StopConfig(rounds=1000)))
    wait_until(lambda: conn.execute("SELECT 1 FROM ganns.rounds").fetchone(), what="a round")
    coordinator.stop.set()
    coordinator.join()
    assert coordinator.run_id is not None
    conn.execute(
        "INSERT INTO ganns.task_results (job_id, state, data, expires_at)"
        " VALUES (77, 'SUCCESS', 'secret', now() + interval '1 day')"
    )
    ada = StudentWorker(enrol("ada").address, "ada")
    held = ada.fetch()
    assert held is not None
    assert ada.claim(held) is not None
    results.put_part(ada.conn, held.id, held.attempt, "d", b"x" * 100)
    eve = StudentWorker(enrol("eve").address, "eve")
    row = conn.execute("SELECT id FROM procrastinate_jobs WHERE status = 'todo' ORDER BY id LIMIT 1").fetchone()
    assert row is not None
    yield Scene(eve, ada, held, row[0], coordinator.run_id, conn)
    for worker in (ada, eve):
        worker.conn.close()


SUBMIT = "SELECT ganns_api.submit(%(held)s, %(attempt)s, {}, 0, 0, 0, 0, 0, 0, 0, 0)"
PART = "SELECT ganns_api.put_part(%(held)s, %(attempt)s, 'd', 0, 1, '\\x00', 'x')"
FINISH = "SELECT ganns_api.task_finish({}, {}, true, {}, '1', NULL, E'\\x1b[2J', 'x', true, 60)"
RULES = '[{"task_name": "gradient", "requires": ["never"], "memory_mb": 0, "burst": 1}]'

REFUSED: dict[str, tuple[str, Any]] = {
    # Reading and changing rows
    "read runs": ("SELECT * FROM ganns.runs", DENIED),
    "read jobs": ("SELECT * FROM procrastinate.procrastinate_jobs", DENIED),
    "read students": ("SELECT * FROM ganns.students", DENIED),
    "read results": ("SELECT * FROM ganns.result_parts", DENIED),
    "read passwords": ("SELECT * FROM pg_authid", DENIED),
    "write a link": ("INSERT INTO ganns.links VALUES (%(run)s, 0, 0, 0, '')", DENIED),
    "write weights": ("INSERT INTO ganns.weights VALUES (%(run)s, 0, 0, 0, '')", DENIED),
    "read all places of weights": ("SELECT * FROM ganns.weight_places", DENIED),
    "name a place of weights": ("INSERT INTO ganns.weight_places VALUES (%(run)s, 0, 0, '', '{http://eve}')", DENIED),
    "undo credit": ("DELETE FROM ganns.ledger", DENIED),
    "take credit": ("UPDATE ganns.workers SET login = session_user", DENIED),
    "lift the limits": ("UPDATE ganns.students SET max_held = 100", DENIED),
    # Functions that are not for students
    "defer a task": ("SELECT procrastinate.procrastinate_defer_jobs_v1(NULL)", DENIED),
    "defer by name": ("SELECT procrastinate_defer_jobs_v1(NULL)", errors.UndefinedFunction),
    "apply a plan": ("SELECT ganns.task_apply('[]')", DENIED),
    "revoke jobs": ("SELECT ganns.task_revoke(ARRAY[%(held)s], true)", DENIED),
    "take the rescue": ("SELECT ganns.task_lease('rescue', 'eve', 0, 1e9)", DENIED),
    "set rules": ("SELECT ganns.set_rules('{gradient}', '[]')", DENIED),
    "hand on": ("SELECT ganns.hand_on('x')", DENIED),
    # Others' workers, and numbers to come
    "rename a worker": ("SELECT ganns_api.register(%(ada)s, 'eve', '{}')", DENIED),
    "register a number to come": ("SELECT ganns_api.register(%(to_come)s, 'eve', '{}')", DENIED),
    "register tasks for another": ("SELECT ganns_api.task_register(%(ada)s, 'eve', '{}', 0, '{}', '[]')", DENIED),
    "register tasks to come": ("SELECT ganns_api.task_register(%(to_come)s, 'eve', '{}', 0, '{}', '[]')", DENIED),
    "register no number": ("SELECT ganns_api.register(NULL, 'eve', '{}')", DENIED),
    "beat for another": ("SELECT ganns_api.task_beat(%(ada)s, '{}')", DENIED),
    "beat for one to come": ("SELECT ganns_api.task_beat(%(to_come)s)", DENIED),
    "say that another died": ("SELECT ganns_api.task_worker_ended(%(ada)s, 1)", DENIED),
    "unregister another": ("SELECT procrastinate_unregister_worker_v1(%(ada)s)", DENIED),
    "fetch as another": ("SELECT ganns_api.task_fetch(NULL, %(ada)s)", DENIED),
    "hand back for another": ("SELECT ganns_api.hand_back(%(ada)s, '{}')", DENIED),
    "read another's aborts": ("SELECT ganns_api.task_aborts(%(ada)s)", DENIED),
    "prepare for another": ("SELECT ganns_api.task_prepare(%(ada)s, 'gradient', '{}', 'x')", DENIED),
    "prepares of another": ("SELECT ganns_api.task_prepares(%(ada)s, '{}')", DENIED),
    "see what another prepares": ("SELECT ganns_api.task_to_prepare(%(ada)s, NULL)", DENIED),
    "refuse for another": ("SELECT ganns_api.task_refuse(%(held)s, %(ada)s, '{}', 'x')", DENIED),
    # Others' jobs
    "finish another's job": (
        FINISH.format("%(held)s, %(attempt)s", "'succeeded'", "'SUCCESS'"),
        False,
    ),
    "fail another's job": (
        FINISH.format("%(held)s, %(attempt)s", "'failed'", "'FAILURE'"),
        False,
    ),
    "finish by procrastinate's name": ("SELECT procrastinate_finish_job_v1(%(held)s, 'failed', true)", ""),
    "finish a waiting job": (
        FINISH.format("%(waiting)s, 0", "'failed'", "'FAILURE'"),
        False,
    ),
    "retry another's job": (
        "SELECT ganns_api.task_retry(%(held)s, %(attempt)s, 0, NULL, true, 'x', 100, 'mine', 'x')",
        False,
    ),
    "refuse another's job": ("SELECT ganns_api.task_refuse(%(held)s, %(eve)s, '{}', 'x')", ""),
    "read another's blob": ("SELECT ganns_api.task_blob(77)", None),
    # Others' units
    "claim another's unit": ("SELECT ganns_api.claim(%(held)s, %(attempt)s, %(eve)s)", None),
    "claim another's next attempt": ("SELECT ganns_api.claim(%(held)s, %(next)s, %(eve)s)", None),
    "claim without fetching": ("SELECT ganns_api.claim(%(waiting)s, 0, %(eve)s)", None),
    "claim as another": ("SELECT ganns_api.claim(%(held)s, %(attempt)s, %(ada)s)", DENIED),
    "change another's part": (PART, DENIED),
    "ask which part of it is there": ("SELECT ganns_api.part_received(%(held)s, %(attempt)s, 'd', 'x')", DENIED),
    "submit as another": (SUBMIT.format("%(ada)s"), DENIED),
    "submit another's unit": (SUBMIT.format("%(eve)s"), "stale"),
    "submit as nobody": (SUBMIT.format("NULL"), DENIED),
    "fail another's unit": ("SELECT ganns_api.fail_unit(%(held)s, %(attempt)s, %(eve)s, 'x')", ""),
    "fail it as another": ("SELECT ganns_api.fail_unit(%(held)s, %(attempt)s, %(ada)s, 'x')", DENIED),
    # The class's rules
    "rewrite a rule": (
        f"SELECT ganns_api.task_register(%(eve)s, 'eve', '{{}}', 0, '{{gradient,evaluate}}', '{RULES}')",
        "",
    ),
    # The server
    "create a table": ("CREATE TABLE public.t (x int)", DENIED),
    "create a table among the functions": ("CREATE TABLE ganns_api.t (x int)", DENIED),
    "create a schema": ("CREATE SCHEMA eve", DENIED),
    "create a temporary table": ("CREATE TEMPORARY TABLE t (x int)", DENIED),
    "create a function": ("CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", DENIED),
    "create a large object": ("SELECT lo_create(0)", DENIED),
    "fill a large object": ("SELECT lo_from_bytea(0, '\\x00')", DENIED),
    "write messages into the server's log": ("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000))", DENIED),
    "create a role": ("CREATE ROLE eves", DENIED),
    "become the owner": ("SET ROLE postgres", DENIED),
    "change another's password": ("ALTER ROLE {adas_login} PASSWORD 'x'", DENIED),
    "lift the connection limit": ("ALTER ROLE CURRENT_USER CONNECTION LIMIT 1000", DENIED),
    "run a program": ("COPY (SELECT 1) TO PROGRAM 'cat'", DENIED),
    "read a file": ("SELECT pg_read_file('postgresql.conf')", DENIED),
    "end the owner's session": ("SELECT pg_terminate_backend(%(pid)s)", DENIED),
    "end another's session": ("SELECT pg_terminate_backend(%(adas_pid)s)", DENIED),
    "lock the migrations": ("DO $$BEGIN LOCK TABLE ganns.migrations; END$$", DENIED),
    "lock units": ("DO $$BEGIN LOCK TABLE ganns.units; END$$", DENIED),
    "take the old migrations' lock": ("SELECT pg_advisory_lock(444234983027)", DENIED),
    # SQL in the arguments
    "SQL in a name": ("SELECT ganns_api.worker_view('x''; DELETE FROM ganns.runs; --')", ...),
    "SQL in a queue": ("SELECT (ganns_api.task_fetch(ARRAY['x'' OR true --'], %(eve)s)).id", None),
    "SQL in a part of a component": ("SELECT ganns_api.component('x'' OR true --')", None),
    "SQL in a status": (
        FINISH.format("%(held)s, 0", "'failed''; DROP TABLE ganns.runs'", "'x'"),
        False,
    ),
    "a path in a blob's number": ("SELECT ganns_api.task_blob('1 ? (true)'::text::bigint)", errors.DataError),
}


def test_everything_that_a_student_could_try_is_refused_and_changes_nothing(scene: Scene) -> None:
    before = scene.rows()
    wrong = {}
    for name, (statement, expected) in REFUSED.items():
        statement = statement.replace("{adas_login}", scene.values()["adas_login"])
        try:
            row = scene.eve.conn.execute(statement, scene.values() if "%(" in statement else None).fetchone()  # type: ignore[arg-type]
            answer: Any = row[0] if row else None
        except psycopg.Error as error:
            answer = error
        is_right = (
            expected is ...
            or (isinstance(expected, type) and isinstance(answer, expected))
            or (not isinstance(expected, type) and answer == expected)
        )
        if not is_right:
            wrong[name] = answer
        if (after := scene.rows()) != before:
            changed = [table for table in TABLES if after[table] != before[table]]
            wrong[name] = (answer, changed, [set(after[one]) ^ set(before[one]) for one in changed])
            before = after
    assert wrong == {}
    # What Ada had begun goes on.
    config, result = scene.ada.compute(scene.ada.claim(scene.held))  # type: ignore[arg-type]
    assert scene.ada.submit(scene.held, config, result) == "stored"
    assert scene.ada.end(scene.held)


def test_a_students_own_uploads_have_a_size(scene: Scene) -> None:
    eve, job = scene.eve, scene.eve.fetch()
    assert job is not None
    assert eve.claim(job) is not None
    part = "SELECT ganns_api.put_part(%s, %s, %s, %s, %s, %s, %s) AS stored"
    assert eve.one(part, job.id, job.attempt, "d", 0, 1, b"x", "digest")["stored"]
    for arguments, error in {
        ("e", 0, 1, b"x", "digest"): CHECK,
        ("d", 0, 1000, b"x", "digest"): CHECK,
        ("d", 0, 1, b"x" * (1024 * 1024 + 1), "digest"): CHECK,
        ("d", 1, 1, b"x", "digest"): CHECK,
        ("d", 0, 1, b"x", "d" * 65): CHECK,
    }.items():
        with pytest.raises(error):
            eve.one(part, job.id, job.attempt, *arguments)
    end = "SELECT ganns_api.task_finish(%s, %s, 'succeeded', false, 'SUCCESS', %s, %s, NULL, NULL, true, 60)"
    with pytest.raises(LIMIT):
        eve.one(end, job.id, job.attempt, None, b"x" * (16 * 1024 * 1024 + 1))
    with pytest.raises(LIMIT):
        eve.one(end, job.id, job.attempt, '"' + "x" * 70_000 + '"', None)
    with pytest.raises(LIMIT):
        eve.one("SELECT ganns_api.register(%s, 'eve', %s)", eve.id, '{"x": "' + "x" * 5000 + '"}')
    with pytest.raises(LIMIT):
        eve.one("SELECT ganns_api.task_prepares(%s, %s)", eve.id, '{"x": "' + "x" * 5000 + '"}')
    with pytest.raises(LIMIT):
        eve.one("SELECT ganns_api.task_prepare(%s, 'gradient', %s, NULL)", eve.id, '{"x": "' + "x" * 5000 + '"}')
    failed = "SELECT ganns_api.task_finish(%s, %s, 'failed', false, 'FAILURE', NULL, NULL, %s, %s, true, 1e300)"
    eve.one(failed, job.id, job.attempt, "x" * 100_000, "x" * 100_000)
    row = scene.owner.execute("SELECT max(length(traceback)) FROM ganns.task_attempts").fetchone()
    assert row == (20_000,)


def test_a_submitted_result_stays_as_it_is(scene: Scene) -> None:
    """Also for its own worker: the coordinator may be reading it."""
    claim = scene.ada.claim(scene.held)
    assert claim is not None
    config, result = scene.ada.compute(claim)
    assert scene.ada.submit(scene.held, config, result) == "stored"
    before = scene.rows()
    assert scene.ada.one(PART % {"held": scene.held.id, "attempt": scene.held.attempt})["put_part"] is False
    assert scene.ada.submit(scene.held, config, result) == "duplicate"
    assert scene.rows() == before


def test_parts_of_earlier_attempts_are_deleted(scene: Scene) -> None:
    """A worker that uploads and hands back, again and again, fills no disk."""
    for _ in range(3):
        scene.ada.one("SELECT ganns_api.hand_back(%s, '{}')", scene.ada.id)
        job = scene.ada.fetch()
        assert job is not None
        assert job.id == scene.held.id
        assert scene.ada.claim(job) is not None
        results.put_part(scene.ada.conn, job.id, job.attempt, "d", b"x" * 100)
    assert scene.owner.execute("SELECT count(*) FROM ganns.result_parts").fetchone() == (1,)


def test_a_student_reads_the_bytes_that_its_job_refers_to(scene: Scene) -> None:
    job = scene.eve.fetch()
    assert job is not None
    blob = "SELECT ganns_api.task_blob(77) AS data"
    assert scene.eve.one(blob)["data"] is None
    scene.owner.execute(
        'UPDATE procrastinate_jobs SET args = args || \'{"x": [{"$result": 77}]}\' WHERE id = %s', [job.id]
    )
    assert scene.eve.one(blob)["data"] == b"secret"
