"""`ganns db init | migrate | status | reset`, on the embedded server and on one that the environment names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate, read_migrations, status
from ganns.db.queries import execute
from ganns.errors import DatabaseError, DatabaseUnreachable, MigrationError, NoDatabaseAddress, SchemaOutdated
from tests.support.helpers import ROOT

HEAVY = ("torch", "torchvision", "matplotlib", "hydra", "procrastinate")
NAMES = [migration.name for migration in read_migrations()]

Ganns = Callable[..., Result]


@pytest.fixture
def ganns(monkeypatch: pytest.MonkeyPatch, home: Path) -> Ganns:
    """Return a function that runs `ganns db ...` in a home of its own; errors are raised as they are."""
    monkeypatch.setenv("GANNS_HOME", str(home))

    def run(*arguments: str, answer: str = "", error: type[Exception] | None = None) -> Result:
        result = CliRunner().invoke(app, ["db", *arguments], input=answer)
        if error is None and result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert error is None or isinstance(result.exception, error), result
        return result

    return run


@pytest.fixture
def named(empty: Address, monkeypatch: pytest.MonkeyPatch) -> Address:
    """An empty database that GANNS_DATABASE_URL names."""
    monkeypatch.setenv("GANNS_DATABASE_URL", empty.conninfo)
    return Address(empty.conninfo, "GANNS_DATABASE_URL")


def add_run(conn: Connection, name: str = "faces") -> None:
    execute(
        conn,
        "create_run",
        name=name,
        config=Jsonb({}),
        fingerprint="f",
        num_images=40,
        permutation_digest="p",
        requires="",
    ).fetchone()


def num_runs(address: Address) -> int:
    with connect(address) as conn:
        row = conn.execute("SELECT count(*) FROM ganns.runs").fetchone()
    assert row is not None
    return int(row[0])


# ------------------------------------------------------------------------------------------ the embedded one


def test_the_embedded_database_from_nothing_to_reset(ganns: Ganns, home: Path) -> None:
    folder = home / "pg"
    assert str(ganns("status", error=NoDatabaseAddress).exception).endswith("`ganns db init` creates one there.")
    ganns("migrate", error=NoDatabaseAddress)
    ganns("reset", "--yes", error=NoDatabaseAddress)
    assert not folder.exists(), "only init creates it"

    made = ganns("init").output
    assert f"Created the embedded PostgreSQL in {folder}." in made
    assert f"applied procrastinate 3.10.0, {', '.join(NAMES)}." in made
    again = ganns("init").output
    assert "Created" not in again
    assert "nothing to do, it is up to date" in again

    shown = ganns("status").output
    assert f"the embedded PostgreSQL in {folder}" in shown
    assert re.search(r"^server +PostgreSQL 1\d\.\d.*, logged in as ganns_owner$", shown, re.MULTILINE)
    assert f"{len(NAMES)} (the last is {NAMES[-1]}) applied, none pending" in shown

    assert "is empty, and ready for `ganns train`" in ganns("reset", "--yes").output
    assert not (folder / "postmaster.pid").exists(), "each command stopped the server again"


def test_a_file_that_changed_does_not_keep_a_reset_from_working(
    ganns: Ganns, named: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    ganns("init")
    with connect(named) as conn:
        conn.execute("UPDATE ganns.migrations SET sha256 = 'another'")
    ganns("migrate", error=MigrationError)
    ganns("reset", "--yes")
    assert "up to date" in ganns("migrate").output


# ----------------------------------------------------------------------------------------------- a named one


def test_a_named_database_gets_the_tables(ganns: Ganns, named: Address, home: Path) -> None:
    shown = ganns("status", error=SchemaOutdated)
    assert f"none applied, {len(NAMES)} (the last is {NAMES[-1]}) pending" in shown.output
    assert re.search(r"^procrastinate +not installed$", shown.output, re.MULTILINE)
    assert "run `ganns db migrate`" in str(shown.exception)
    assert f"{named}: applied procrastinate 3.10.0" in ganns("migrate").output
    assert "Created" not in ganns("init").output
    shown = ganns("status")
    assert f"{named} (GANNS_DATABASE_URL)" in shown.output
    assert re.search(r"^procrastinate +3\.10\.0$", shown.output, re.MULTILINE)
    assert re.search(r"^size +[\d.]+ MB$", shown.output, re.MULTILINE)
    assert re.search(r"^largest tables +procrastinate\.procrastinate_jobs [\d.]+ kB, ", shown.output, re.MULTILINE)
    assert list(home.iterdir()) == [], "no embedded server was touched"


def test_no_command_prints_the_password(
    ganns: Ganns, named: Address, server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = server.password or "open-sesame"  # the tests' own server asks for none
    monkeypatch.setenv("GANNS_DATABASE_URL", make_conninfo(named.conninfo, password=password))
    for words in (("init",), ("migrate",), ("status",), ("reset", "--yes")):
        assert password not in ganns(*words).output
    monkeypatch.setenv("GANNS_DATABASE_URL", "postgresql://ada:open-sesame@127.0.0.1:1/d")
    for words in (("init",), ("migrate",), ("status",), ("reset", "--yes")):
        assert "open-sesame" not in str(ganns(*words, error=DatabaseUnreachable).exception)


def test_the_status_as_json(ganns: Ganns, named: Address) -> None:
    ganns("init")
    known = json.loads(ganns("status", "--json").stdout)
    assert known["applied"] == NAMES
    assert known["pending"] == []
    assert known["size_bytes"] > 1e6
    assert known["source"] == "GANNS_DATABASE_URL"
    assert {"table", "size_bytes"} == set(known["largest_tables"][0])


def test_a_reset_asks_names_the_database_and_says_what_is_lost(ganns: Ganns, named: Address) -> None:
    ganns("init")
    with connect(named) as conn:
        add_run(conn)
        add_run(conn)
    for answer in ("", "n\n", "\n"):
        asked = ganns("reset", answer=answer)
        assert asked.exit_code == 1
        assert str(named) in asked.output
        assert "2 run(s) with their weights, checkpoints and metrics" in asked.output
        assert "coordinator" not in asked.output
        assert num_runs(named) == 2
    asked = ganns("reset", answer="y\n")
    assert asked.exit_code == 0
    assert num_runs(named) == 0
    with connect(named) as conn:
        assert status(conn).pending == []


def test_a_reset_warns_of_a_coordinator(ganns: Ganns, named: Address) -> None:
    ganns("init")
    with connect(named) as conn:
        add_run(conn)
        execute(conn, "acquire_lease", run_id=1, holder="ada@laptop", lease_s=30.0)
        assert "1 of these runs has a coordinator right now" in ganns("reset", answer="n\n").output


def test_a_reset_of_an_empty_database(ganns: Ganns, named: Address) -> None:
    assert "nothing yet" in ganns("reset", answer="y\n").output
    with connect(named) as conn:
        assert migrate(conn) == []


def test_what_the_server_objects_to_is_one_sentence(ganns: Ganns, named: Address) -> None:
    ganns("init")
    with connect(named) as conn:
        conn.execute("ALTER TABLE ganns.ledger DROP COLUMN accepted CASCADE")
    failed = ganns("reset", error=DatabaseError)
    assert re.search(rf"^The database {re.escape(str(named))} refused: column \"accepted\" .*", str(failed.exception))
    assert "\n" not in str(failed.exception)
    ganns("reset", "--yes")  # does not look at what is there


@pytest.mark.parametrize("command", ["init", "migrate", "status", "reset", "serve"])
def test_each_has_help(command: str, ganns: Ganns) -> None:
    shown = ganns(command, "--help")
    assert shown.exit_code == 0
    assert f"db {command}" in shown.output


def test_help_and_status_load_nothing_heavy(named: Address) -> None:
    with connect(named) as conn:
        migrate(conn)
    script = f"""
import sys
from ganns.cli.app import main
sys.argv = ["ganns", "db", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    for words in (("--help",), ("serve", "--help"), ("status",)):
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
        )
        assert done.stdout.splitlines()[-1] == "loaded: []", words
