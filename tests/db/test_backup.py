"""`ganns db backup` and `restore`: the runs come back as they were, or nothing changes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from ganns.config import StopConfig
from ganns.db import backup as module
from ganns.db.address import Address
from ganns.db.backup import TABLES, backup, restore
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate
from ganns.errors import DatabaseError, PayloadError
from ganns.store import runs
from tests.coordinator.test_faults import finish_run
from tests.support.coordinators import Coordinator
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import wait_until

LEFT_OUT = {  # can be computed again, is the open round's, or belongs to this database alone
    "components",
    "migrations",
    *("units", "unit_failures"),
    *("task_groups", "task_calls", "task_results", "task_attempts", "task_rules", "task_workers", "task_pauses"),
    *("task_leases", "task_refusals", "task_prepared"),
    *("incidents", "exclusions", "overdue_units", "audits"),  # about logins and processes of this server
    *("phone_runs", "phones", "phone_versions", "phone_rounds", "phone_units", "phone_ledger"),  # one lesson's
    "students",  # roles belong to the server, and their passwords are nowhere
}


def logged_tables(conn: Connection) -> set[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class "
        "WHERE relnamespace = 'ganns'::regnamespace AND relkind = 'r' AND relpersistence = 'p'"
    )
    return {row[0] for row in rows}


def ledger(conn: Connection) -> list[tuple]:
    return conn.execute("SELECT * FROM ganns.ledger ORDER BY run_id, round, unit, job_id, attempt").fetchall()


def test_every_logged_table_is_in_the_backup_or_known_not_to_be(conn: Connection) -> None:
    assert logged_tables(conn) == set(TABLES) | LEFT_OUT, "add it to ganns.db.backup.TABLES, or to LEFT_OUT"


def train(address: Address, num_rounds: int, rounds: int) -> None:
    """Train a run until it has made this number of rounds, and stop its coordinator."""
    coordinator, worker = Coordinator(address, tiny(stop=StopConfig(rounds=rounds))), FakeWorker(address, "ada")
    try:
        wait_until(lambda: worker.work() is not None and len(coordinator.reports) >= num_rounds, 120, "some rounds")
        coordinator.stop.set()
        coordinator.join(120)
    finally:
        worker.conn.close()


@pytest.fixture
def other(empty: Address) -> Address:
    """An empty, migrated database."""
    with connect(empty) as conn:
        migrate(conn)
    return empty


def test_a_run_goes_on_in_another_database(database: Address, conn: Connection, other: Address, tmp_path: Path) -> None:
    train(database, 2, rounds=4)
    before, key = ledger(conn), runs.get_run(conn, 1).key
    manifest = backup(conn, tmp_path / "all.zip")
    assert manifest["tables"]["ledger"]["rows"] == len(before) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["all.zip"]

    with connect(other) as there:
        assert restore(there, tmp_path / "all.zip") == manifest
        assert ledger(there) == before
        assert runs.list_metrics(there, 1) == runs.list_metrics(conn, 1)
        assert runs.get_run(there, 1).key != key  # else the two databases' runs would share a folder of state files
        coordinator, worker = Coordinator(other, tiny(resume="1", stop=StopConfig(rounds=4))), FakeWorker(other, "eve")
        finish_run(coordinator, worker, stuck_s=120)
        worker.conn.close()
        assert coordinator.digest == solo_digest(tiny(stop=StopConfig(rounds=4)))
        assert ledger(there)[: len(before)] == before  # credit is kept; new numbers continue
        assert runs.get_run(there, 1).state == "finished"
        names = there.execute("SELECT name FROM ganns.workers ORDER BY id").fetchall()
        assert names == [("ada",), ("eve",)]
        assert there.execute(
            "INSERT INTO ganns.runs (name, config, fingerprint, num_images, permutation_digest) "
            "VALUES ('', '{}', '', 2, '') RETURNING id"
        ).fetchone() == (2,)


def test_without_checkpoints_the_credit_is_there(
    database: Address, conn: Connection, other: Address, tmp_path: Path
) -> None:
    train(database, 1, rounds=3)
    manifest = backup(conn, tmp_path / "small.zip", checkpoints=False)
    assert "checkpoints" not in manifest["tables"]
    with connect(other) as there:
        restore(there, tmp_path / "small.zip")
        assert ledger(there) == ledger(conn)
        assert there.execute("SELECT count(*) FROM ganns.checkpoints").fetchone() == (0,)


@pytest.fixture
def saved(conn: Connection, tmp_path: Path) -> Path:
    """A backup of a database without runs, but with a worker whose name needs quoting."""
    conn.execute("INSERT INTO ganns.workers (id, name) VALUES (7, %s)", ['a "quoted",\nname'])
    backup(conn, tmp_path / "saved.zip")
    return tmp_path / "saved.zip"


def rewrite(path: Path, name: str, content: str) -> None:
    """Replace one member of the zip."""
    with zipfile.ZipFile(path) as file:
        members = {one: file.read(one) for one in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for one, data in (members | {name: content.encode()}).items():
            file.writestr(one, data)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"workers.csv") + 40] ^= 0xFF
    path.write_bytes(data)


def other_names(path: Path) -> None:
    rewrite(path, "workers.csv", "id,name\n1,mallory\n")


def no_backup(path: Path) -> None:
    rewrite(path, "manifest.json", "[]")


@pytest.mark.parametrize("damage", [cut_off, flip, other_names, no_backup])
def test_a_damaged_file_changes_nothing(damage, saved: Path, other: Address) -> None:
    damage(saved)
    with connect(other) as there:
        with pytest.raises(
            PayloadError, match=r"saved\.zip .*(damaged|cannot be read|not written by).*nothing was changed"
        ):
            restore(there, saved)
        assert there.execute("SELECT count(*) FROM ganns.workers").fetchone() == (0,)


def test_a_failure_in_the_middle_changes_nothing(saved: Path, other: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(conn: Connection, table: str, member, rows: int) -> None:
        if table == "versions":
            raise PayloadError("injected")
        read(conn, table, member, rows)

    read = module._read
    monkeypatch.setattr(module, "_read", fail)
    with connect(other) as there:
        with pytest.raises(PayloadError, match="injected"):
            restore(there, saved)
        assert there.execute("SELECT count(*) FROM ganns.workers").fetchone() == (0,)
        monkeypatch.undo()
        restore(there, saved)
        assert there.execute("SELECT id, name FROM ganns.workers").fetchall() == [(7, 'a "quoted",\nname')]
        with pytest.raises(DatabaseError, match=r"not empty \(1 rows in ganns\.workers\)"):
            restore(there, saved)


def test_other_columns_are_refused(saved: Path, other: Address) -> None:
    with zipfile.ZipFile(saved) as file:
        manifest, rows = json.loads(file.read("manifest.json")), file.read("workers.csv").decode()
    rows = rows.replace("id,name", "name,id", 1)
    manifest["tables"]["workers"]["sha256"] = hashlib.sha256(rows.encode()).hexdigest()
    rewrite(saved, "workers.csv", rows)
    rewrite(saved, "manifest.json", json.dumps(manifest))
    with connect(other) as there:
        with pytest.raises(PayloadError, match=r"workers\.csv has the columns 'name,id,.*this database 'id,name,"):
            restore(there, saved)
        assert there.execute("SELECT count(*) FROM ganns.workers").fetchone() == (0,)


def test_another_schema_is_refused(saved: Path, other: Address) -> None:
    with zipfile.ZipFile(saved) as file:
        manifest = json.loads(file.read("manifest.json"))
    manifest["migrations"].append("9999_later")
    rewrite(saved, "manifest.json", json.dumps(manifest))
    with connect(other) as there, pytest.raises(DatabaseError, match="made with the schema 9999_later"):
        restore(there, saved)


def test_a_backup_overwrites_nothing(conn: Connection, saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(DatabaseError, match=r"saved\.zip exists already"):
        backup(conn, saved)
    assert saved.read_bytes() == before
