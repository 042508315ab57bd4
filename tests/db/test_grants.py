"""Who may call which function: over the catalogue, so that a function of a later migration is looked at, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ganns.db.connect import Connection
from ganns.db.migrate import migrate
from ganns.db.open_doors import KINDS, audit
from ganns.paths import sql_dir
from tests.support.students import Student

FOR_STUDENTS = {
    *("migrations", "component", "protocol"),
    *("procrastinate_register_worker_v1", "procrastinate_unregister_worker_v1"),
    *("procrastinate_prune_stalled_workers_v1", "procrastinate_finish_job_v1"),
    *("register", "worker_view", "hand_back"),
    *("task_register", "task_prepares", "task_to_prepare", "task_prepare", "task_beat", "task_worker_ended"),
    *("task_aborts", "task_fetch", "task_finish", "task_retry", "task_refuse", "task_blob"),
    *("run", "requires", "claim", "weights", "weights_range", "weight_places", "published", "link_range", "put_part"),
    *("part_received", "submit", "fail_unit"),
    *("evaluated_generator", "feature_network"),
}
"""Each of these checks whose worker speaks, or tells only what every worker needs. A new one needs an attack in
tests/store/test_student_attacks.py, and its name in sql/schema/students.sql."""

CALLERS = """
SELECT n.nspname || '.' || p.proname AS name, p.prosecdef AS is_definer,
       coalesce(array_to_string(p.proconfig, ' '), '') AS settings,
       ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
             FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
             WHERE a.grantee = 0 OR a.grantee NOT IN (p.proowner, coalesce(to_regrole('ganns_class')::oid, 0::oid))
       ) AS callers
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('ganns', 'ganns_api', 'procrastinate')
"""


def test_every_function_has_the_callers_that_it_should_have(conn: Connection) -> None:
    found = {row[0]: row[1:] for row in conn.execute(CALLERS)}
    assert len(found) > 60
    for name, (is_definer, settings, callers) in found.items():
        schema, _, function = name.partition(".")
        is_open = schema == "ganns_api" and function in FOR_STUDENTS
        assert callers == (["ganns_student"] if is_open else []), name
        if is_open and function != "procrastinate_prune_stalled_workers_v1":  # reads and writes nothing
            assert is_definer, name
            assert "search_path" in settings, f"{name} would find the caller's objects"
    assert {name.partition(".")[2] for name in found if name.startswith("ganns_api.")} == FOR_STUDENTS


def test_a_function_of_a_later_migration_is_closed(conn: Connection) -> None:
    conn.execute("CREATE FUNCTION ganns_api.later() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    assert {row[0]: row[3] for row in conn.execute(CALLERS)}["ganns_api.later"] == [], "by the default privileges"
    conn.execute("GRANT EXECUTE ON FUNCTION ganns_api.later() TO PUBLIC, ganns_student")
    migrate(conn)
    assert {row[0]: row[3] for row in conn.execute(CALLERS)}["ganns_api.later"] == []


def test_a_second_time_changes_no_function(conn: Connection) -> None:
    """`ganns train` migrates each time: rights that are as they should be are not written anew."""
    versions = (
        "SELECT array_agg(p.xmin::text ORDER BY p.oid) FROM pg_proc p"
        " WHERE p.pronamespace::regnamespace::text ~ '^ganns'"
    )
    before = conn.execute(versions).fetchone()
    conn.execute((sql_dir() / "schema" / "students.sql").read_text().encode())
    assert conn.execute(versions).fetchone() == before


OPENED = {
    "open function": "GRANT EXECUTE ON FUNCTION ganns.task_apply TO PUBLIC",
    "definer function": "CREATE FUNCTION public.probe() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"
    "GRANT EXECUTE ON FUNCTION public.probe() TO PUBLIC",
    "table": "CREATE TABLE public.probe (x int); GRANT SELECT ON public.probe TO PUBLIC",
    "create": "GRANT CREATE ON SCHEMA public TO ganns_student",
    "temporary": "DO $$BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END$$",
    "temporary files": "SET temp_file_limit = -1",
    "large object": "GRANT EXECUTE ON FUNCTION pg_catalog.lo_create(oid) TO PUBLIC",
    # Its arguments depend on the server's version.
    "log message": "DO $$BEGIN EXECUTE (SELECT string_agg(format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC',"
    " oid::regprocedure), ';') FROM pg_proc WHERE proname = 'pg_logical_emit_message'); END$$",
    "advisory lock": "GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_lock(bigint) TO PUBLIC",
    "attribute": "ALTER ROLE {login} CREATEDB",
    "no limit": "ALTER ROLE {login} CONNECTION LIMIT -1",
    "other role": "GRANT pg_monitor TO {login}",
    "unknown": "UPDATE ganns.students SET login = 'somebody_else'",
    "weak passwords": "SET password_encryption = 'md5'",
}


@pytest.mark.filterwarnings("ignore")
def test_the_audit_finds_what_is_open(conn: Connection, enrol: Callable[..., Student]) -> None:
    login = enrol("ada").login
    of_the_server = {"connect", "common login"}  # of other databases and tests
    of_the_login = {"sessions"}  # not of a superuser: tests/db/test_managed.py
    assert {door.kind for door in audit(conn)} <= of_the_server
    for kind, statement in OPENED.items():
        with conn.transaction(force_rollback=True):
            conn.execute(statement.format(login=login).encode())
            doors = {door.kind: door for door in audit(conn)}
            assert kind in doors, kind
            assert set(doors) - of_the_server == {kind}
            assert str(doors[kind]).endswith(".")
    assert set(OPENED) | of_the_server | of_the_login == set(KINDS)
