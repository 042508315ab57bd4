"""Migrations: applied in order, once, by however many at a time; a failing one leaves nothing behind."""

from __future__ import annotations

import importlib.resources
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from psycopg import sql

from ganns.db import migrate as schema
from ganns.db import waiting
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate, read_migrations, require_current, reset, status
from ganns.db.queries import execute
from ganns.errors import MigrationError, SchemaOutdated
from ganns.paths import sql_dir
from ganns.store import exclusions
from tests.db import golden

NAMES = [migration.name for migration in read_migrations()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the migrations, to be changed."""
    return shutil.copytree(sql_dir() / "migrations", tmp_path / "migrations")


def add(folder: Path, text: str, number: int | None = None) -> str:
    """Add a migration and return its name."""
    name = f"{number or len(list(folder.glob('*.sql'))) + 1:04}_more"
    (folder / f"{name}.sql").write_text(text)
    return name


def exists(conn: Connection, name: str) -> bool:
    row = execute(conn, "table_exists", name=name).fetchone()
    return bool(row and row["found"])


def test_an_empty_database_gets_everything(empty_conn: Connection) -> None:
    before = status(empty_conn)
    assert (before.applied, before.pending, before.procrastinate) == ([], NAMES, None)
    applied = migrate(empty_conn)
    assert applied == ["procrastinate 3.10.0", *NAMES]
    after = status(empty_conn)
    assert (after.applied, after.pending, after.unknown, after.procrastinate) == (NAMES, [], [], "3.10.0")
    require_current(empty_conn)


def test_a_second_time_does_nothing(empty_conn: Connection) -> None:
    migrate(empty_conn)
    before = golden.dump(empty_conn)
    assert migrate(empty_conn) == []
    assert golden.dump(empty_conn) == before


def test_only_what_is_new_is_applied(empty_conn: Connection, folder: Path) -> None:
    migrate(empty_conn, folder)
    name = add(folder, "CREATE TABLE ganns.more (id int);\nINSERT INTO ganns.more VALUES (1);")
    assert status(empty_conn, folder).pending == [name]
    assert migrate(empty_conn, folder) == [name]
    assert status(empty_conn, folder).pending == []


def test_many_at_once_apply_everything_exactly_once(empty: Address, folder: Path) -> None:
    """Twenty installations meet; a migration that runs twice would fail, and one that is skipped would be missing."""
    name = add(folder, "CREATE TABLE ganns.once (id int);\nINSERT INTO ganns.once VALUES (1);")
    num = 20
    together = Barrier(num)

    def install(number: int) -> list[str]:
        with connect(empty) as conn:
            together.wait(60)
            return migrate(conn, folder)

    with ThreadPoolExecutor(num) as pool:
        applied = list(pool.map(install, range(num)))
    assert sorted(name for names in applied for name in names) == sorted(["procrastinate 3.10.0", *NAMES, name]), (
        "each step once, by whomever"
    )
    with connect(empty) as conn:
        assert conn.execute("SELECT count(*) FROM ganns.once").fetchone() == (1,)
        assert len(execute(conn, "list_migrations").fetchall()) == len(NAMES) + 1


def test_the_lock_is_given_back(empty: Address, folder: Path) -> None:
    add(folder, "SELECT 1 / 0;")
    with connect(empty) as one, connect(empty) as other:
        with pytest.raises(MigrationError):
            migrate(one, folder)
        with other.transaction():
            other.execute("LOCK TABLE ganns.migrations IN ACCESS EXCLUSIVE MODE NOWAIT")


def test_it_says_for_whom_it_waits(empty: Address, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that reads a table of ours, in a transaction that it keeps open, stops a migration of that table."""
    monkeypatch.setattr(waiting, "LOOK_EVERY_S", 0.01)
    said: list[str] = []
    with connect(empty) as one, connect(empty) as other:
        migrate(one, folder)
        name = add(folder, "ALTER TABLE ganns.runs ADD COLUMN more integer;")
        other.autocommit = False
        other.execute("SELECT count(*) FROM ganns.runs")

        def say(text: str) -> None:
            said.append(text)
            other.rollback()

        assert migrate(one, folder, say) == [name]
        assert re.search(rf"login \w+ \(process {other.info.backend_pid}, open for \d+ s\)", said[0])
        assert f"pg_terminate_backend({other.info.backend_pid})" in said[0]


def test_a_failing_migration_is_undone_wholly(empty_conn: Connection, folder: Path) -> None:
    good = add(folder, "CREATE TABLE ganns.good (id int);")
    name = add(folder, "CREATE TABLE ganns.half (id int);\nINSERT INTO ganns.half VALUES (1);\nSELECT nothing;")
    with pytest.raises(MigrationError, match=rf"{name} failed and was undone: .*nothing.*`ganns db migrate`") as raised:
        migrate(empty_conn, folder)
    assert isinstance(raised.value.__cause__, psycopg.Error)
    assert "\n" not in str(raised.value)
    assert exists(empty_conn, "ganns.good")
    assert not exists(empty_conn, "ganns.half")
    assert status(empty_conn, folder).pending == [name]
    (folder / f"{name}.sql").write_text("CREATE TABLE ganns.half (id int);")
    assert migrate(empty_conn, folder) == [name]
    assert status(empty_conn, folder).applied[-2:] == [good, name]


def test_a_connection_that_dies_in_a_migration_leaves_nothing_behind(empty: Address, folder: Path) -> None:
    name = add(folder, "CREATE TABLE ganns.half (id int);\nSELECT pg_terminate_backend(pg_backend_pid());")
    with connect(empty) as conn, pytest.raises(MigrationError, match="terminat"):
        migrate(conn, folder)
    with connect(empty) as conn:
        assert not exists(conn, "ganns.half")
        assert status(conn, folder).pending == [name]


def test_a_changed_file_is_refused(empty_conn: Connection, folder: Path) -> None:
    migrate(empty_conn, folder)
    changed = folder / f"{NAMES[0]}.sql"
    changed.write_text(changed.read_text() + "\n-- one more word\n")
    name = add(folder, "CREATE TABLE ganns.more (id int);")
    with pytest.raises(MigrationError, match=rf"{NAMES[0]} was changed after .*git checkout"):
        migrate(empty_conn, folder)
    assert status(empty_conn, folder).pending == [name], "nothing after the changed one is applied"


def test_the_line_endings_of_a_checkout_change_nothing(folder: Path) -> None:
    before = [migration.sha256 for migration in read_migrations(folder)]
    for path in folder.glob("*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert [migration.sha256 for migration in read_migrations(folder)] == before


@pytest.mark.parametrize("name", ["0003_gap", "0001_again", "2_short", "0002_Big", "0002-dash", "0002_", "notes"])
def test_a_wrong_number_or_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("SELECT 1;")
    (tmp_path / f"{name}.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationError, match=r"should be called 000\d_what_changed\.sql"):
        read_migrations(tmp_path)


def test_an_older_database_is_outdated(empty_conn: Connection) -> None:
    with pytest.raises(SchemaOutdated, match=rf"lacks \d+ migration\(s\), {NAMES[0]} first: run `ganns db migrate`"):
        require_current(empty_conn)


def test_an_older_program_is_outdated(empty_conn: Connection, folder: Path) -> None:
    add(folder, "SELECT 1;")
    migrate(empty_conn, folder)
    with pytest.raises(SchemaOutdated, match=rf"does not know its migration {len(NAMES) + 1:04}: .*`git pull`"):
        require_current(empty_conn)
    assert migrate(empty_conn) == [], "an older program does no harm"


def test_another_procrastinate_is_refused(empty_conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema.importlib.metadata, "version", lambda name: "3.11.2")
    with pytest.raises(MigrationError, match=r"procrastinate 3\.11\.2 .* 3\.10\.\*: run `.*procrastinate=="):
        migrate(empty_conn)
    assert status(empty_conn).procrastinate is None


def test_later_connections_find_procrastinate(empty: Address) -> None:
    with connect(empty) as conn:
        migrate(conn)
        assert conn.execute("SHOW search_path").fetchone() == ("procrastinate, public",)
    with connect(empty) as conn:
        assert conn.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)


def test_a_reset_forgets_everything_and_leaves_a_new_schema(empty_conn: Connection) -> None:
    migrate(empty_conn)
    before = golden.dump(empty_conn)
    empty_conn.execute("INSERT INTO ganns.workers (id, name) VALUES (1, 'ada')")
    empty_conn.execute("CREATE TABLE ganns.foreign_body (id int)")
    empty_conn.execute("CREATE TABLE public.not_ours (id int)")
    assert reset(empty_conn) == ["procrastinate 3.10.0", *NAMES]
    assert golden.dump(empty_conn) == before
    assert empty_conn.execute("SELECT count(*) FROM ganns.workers").fetchone() == (0,)
    assert exists(empty_conn, "public.not_ours"), "only our schemas are ours to drop"


def test_a_login_without_rights_is_told_so(empty: Address, empty_conn: Connection) -> None:
    name = f"{empty_conn.info.dbname}_guest"
    empty_conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
    try:
        empty_conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(name)))
        with pytest.raises(MigrationError, match=r"\(permission denied for database .*\): use the login of the"):
            migrate(empty_conn)
    finally:
        empty_conn.execute("RESET ROLE")
        empty_conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def install_old(conn: Connection, version: str) -> None:
    """Make the database of an older program: procrastinate's migrations up to `version`, and none of ours."""
    schema._run_script(conn, "bootstrap")
    folder = importlib.resources.files("procrastinate").joinpath("sql/migrations")
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".sql")), key=lambda one: one.name)
    for file in files:
        if schema._numbers(file.name) <= schema._numbers(version):
            with conn.transaction():
                execute(conn, "use_procrastinate")
                conn.execute(file.read_text("utf-8"))
    execute(conn, "record_component", name="procrastinate", version=version)


@pytest.mark.parametrize("version", ["3.9.0", "3.3.0"])
def test_procrastinates_schema_is_updated_by_its_own_migrations(
    version: str, empty_conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between 3.9 and 3.10 the schema did not change, and between 3.3 and 3.4 it did."""
    install_old(empty_conn, version)
    found = "SELECT count(*) FROM pg_proc WHERE proname = 'procrastinate_retry_job_v2'"
    assert empty_conn.execute(found).fetchone() == (int(version == "3.9.0"),)
    assert migrate(empty_conn) == ["procrastinate 3.10.0", *NAMES]
    assert status(empty_conn).procrastinate == "3.10.0"
    assert empty_conn.execute(found).fetchone() == (1,)
    require_current(empty_conn)
    assert migrate(empty_conn) == []


def test_a_database_with_an_older_procrastinate_is_refused(empty_conn: Connection) -> None:
    migrate(empty_conn)
    execute(empty_conn, "record_component", name="procrastinate", version="3.9.2")
    with pytest.raises(SchemaOutdated, match=r"procrastinate 3\.9\.2's schema, and this program uses 3\.10\.0"):
        require_current(empty_conn)


def test_a_failing_migration_of_procrastinate_is_named(empty_conn: Connection) -> None:
    install_old(empty_conn, "3.3.0")
    empty_conn.execute("DROP TABLE procrastinate.procrastinate_jobs CASCADE")
    with pytest.raises(MigrationError, match=r"procrastinate's 03\.04\.00_\S+\.sql failed"):
        migrate(empty_conn)
    assert status(empty_conn).procrastinate == "3.3.0"


def test_quarantines_and_exclusions_become_one_table(
    empty_conn: Connection, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was left out before the migration is left out after it, and can be let in again."""
    name = next(name for name in NAMES if name.endswith("_one_exclusion"))
    for path in folder.glob("*.sql"):
        if path.stem >= name:
            path.rename(tmp_path / path.name)
    with monkeypatch.context() as without_rights:  # they name tables of later migrations
        without_rights.setattr("ganns.db.migrate.SCRIPTS", ())
        migrate(empty_conn, folder)
    empty_conn.execute(
        "INSERT INTO ganns.runs (name, config, fingerprint, num_images, permutation_digest)"
        " VALUES ('', '{}', '', 2, '');"
        "INSERT INTO ganns.task_workers (worker_id, name, login, tasks) VALUES (7, 'evil', 'all', '{gradient}');"
        "INSERT INTO ganns.exclusions (run_id, login, worker, reason)"
        " VALUES (1, 'all', 'evil', 'too large'), (1, 's_1', '', 'x');"
        "INSERT INTO ganns.task_refusals (worker_id, task_name, args, reason)"
        " VALUES (7, 'gradient', '{\"run\": 1}', 'too large'), (7, 'gradient', '{\"run\": 2}', 'other images');"
        "INSERT INTO ganns.quarantines (run_id, login, name, reason, undone_at)"
        " VALUES (1, 's_1', '', 'lies', NULL), (1, 's_2', '', 'lies', NULL), (1, 's_3', '', 'lies', now())"
    )
    for path in tmp_path.glob("*.sql"):
        path.rename(folder / path.name)
    assert name in migrate(empty_conn, folder)
    moved = "SELECT login, name, kind, reason, undone_at IS NULL FROM ganns.exclusions ORDER BY login"
    assert empty_conn.execute(moved).fetchall() == [
        ("all", "evil", "broke_model", "too large", True),
        ("s_1", "", "broke_model", "x", True),
        ("s_2", "", "wrong_results", "lies", True),
        ("s_3", "", "wrong_results", "lies", False),
    ]
    assert exclusions.list_excluded(empty_conn, 1) == {("all", "evil"), ("s_1", ""), ("s_2", "")}
    assert empty_conn.execute("SELECT args FROM ganns.task_refusals").fetchall() == [({"run": 2},)]
    exclusions.readmit(empty_conn, 1, "evil")
    assert exclusions.list_excluded(empty_conn, 1) == {("s_1", ""), ("s_2", "")}
