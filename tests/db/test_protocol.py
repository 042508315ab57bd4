"""The protocol's number: the release before goes on in an open run; others are refused, with a line to type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ganns.config import StopConfig
from ganns.db import protocol
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.db.protocol import PROTOCOL, require_protocol
from ganns.errors import ProgramTooOld, SchemaOutdated
from ganns.queue.machine import describe
from ganns.store import worker_api
from ganns.worker import __main__ as start
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import ROOT, spawn_worker, wait_until

CALLS = {
    1: (  # what workers of the first protocol call, with the types of their arguments
        "register(bigint, text, jsonb)",
        "run(bigint)",
        "requires(bigint)",
        "claim(bigint, integer, bigint)",
        "weights(bigint, integer)",
        "put_part(bigint, integer, text, integer, integer, bytea, text)",
        "submit(bigint, integer, bigint, float8, float8, float8, float8, float8, float8, float8, float8)",
        "fail_unit(bigint, integer, bigint, text)",
        "task_register(bigint, text, text[], integer, text[], jsonb)",
        "task_prepares(bigint, jsonb)",
        "task_to_prepare(bigint, varchar[])",
        "task_prepare(bigint, text, jsonb, text)",
        "task_beat(bigint, bigint[])",
        "task_worker_ended(bigint, integer)",
        "task_fetch(varchar[], bigint)",
        "task_finish(bigint, integer, text, boolean, text, jsonb, bytea, text, text, boolean, float8)",
        "task_retry(bigint, integer, float8, timestamptz, boolean, text, integer, varchar, varchar)",
        "task_refuse(bigint, bigint, jsonb, text)",
        "task_aborts(bigint)",
        "hand_back(bigint, bigint[])",
        "worker_view(text)",
        "evaluated_generator(uuid)",
        "feature_network(bigint)",
    ),
}
NEW_SETTINGS = (
    *("audit", "observers", "aggregate,clip", "codec,up", "codec,down", "store"),
    *("optimizer,decay_rounds", "db,revoke_after", "db,keep_state_every", "db,keep_state_gb"),
)
LAST_OF_PROTOCOL_1 = "08b210a2e07cec9cec870d7a17183a1c24c40c4b"
"""The last commit whose workers send no number."""


def test_this_programs_number_is_the_databases_newest(conn: Connection) -> None:
    row = conn.execute("SELECT accepted, newest, sentence FROM ganns_api.protocol(%s)", (PROTOCOL,)).fetchone()
    assert row == (True, PROTOCOL, None)
    assert require_protocol(conn) is None
    assert describe()["protocol"] == PROTOCOL


def test_the_database_still_has_what_the_protocol_before_calls(conn: Connection) -> None:
    for call in CALLS[PROTOCOL - 1]:
        row = conn.execute("SELECT to_regprocedure(%s)", (f"ganns_api.{call}",)).fetchone()
        assert row is not None
        assert row[0] is not None, call


def test_a_worker_of_the_release_before_goes_on_and_is_told(conn: Connection) -> None:
    remark = require_protocol(conn, PROTOCOL - 1)
    assert remark is not None
    assert f"speaks protocol {PROTOCOL - 1}, and this database {PROTOCOL}: it takes units as before" in remark
    assert "`git pull`" in remark


def test_others_are_refused_with_the_line_to_type(conn: Connection) -> None:
    with pytest.raises(ProgramTooOld, match=r"speaks protocol 0, and this database 1 to 2: update .* `git pull`"):
        require_protocol(conn, 0)
    with pytest.raises(SchemaOutdated, match=r"speaks protocol 3, .* types `ganns db migrate`"):
        require_protocol(conn, PROTOCOL + 1)


def test_registering_checks_it_whatever_a_worker_sends(conn: Connection) -> None:
    for number, sent in enumerate(({}, {"protocol": 1}, {"protocol": PROTOCOL})):
        worker_api.register(conn, number, "ada", sent)
    found = conn.execute("SELECT array_agg(protocol ORDER BY id) FROM ganns.workers").fetchone()
    assert found == ([1, 1, PROTOCOL],)
    for sent in ({"protocol": 0}, {"protocol": "2"}, {"protocol": -1}, {"protocol": 10**30}, {"protocol": [2]}):
        with pytest.raises(ProgramTooOld, match=r"speaks protocol 0, .* `git pull`"):
            worker_api.register(conn, 0, "ada", sent)
    with pytest.raises(ProgramTooOld, match="speaks protocol 3"):
        worker_api.register(conn, 9, "eve", {"protocol": PROTOCOL + 1})
    assert conn.execute("SELECT count(*) FROM ganns.workers WHERE protocol NOT IN (1, 2) OR id = 9").fetchone() == (0,)


def test_a_backup_with_old_workers_can_be_restored(conn: Connection) -> None:
    """Only registering checks the number: a row that is copied stays what it was."""
    conn.execute("INSERT INTO ganns.workers (id, name, info, protocol) VALUES (1, 'ada', '{\"protocol\": 0}', 0)")


def test_both_protocols_train_an_open_run(coordinate: Any, join: Any, conn: Connection) -> None:
    config = tiny(stop=StopConfig(rounds=3))
    coordinator, old = coordinate(config), join("old")  # a fake worker sends no number, as the first release does not
    new = join("new")
    worker_api.register(new.conn, new.id, "new", describe())
    while len(coordinator.reports) < 1:
        old.work()
    finish_run(coordinator, new)
    assert coordinator.digest == solo_digest(config)
    rows = conn.execute(
        "SELECT w.name, w.protocol, count(*) > 0 FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id"
        " WHERE l.accepted GROUP BY 1, 2 ORDER BY 1"
    ).fetchall()
    assert rows == [("new", PROTOCOL, True), ("old", 1, True)]


def test_a_worker_waits_for_an_old_database_and_ends_for_a_new_one(
    database: Address, empty: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []
    monkeypatch.setattr(start, "report", told.append)
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    assert start.why_wait() is None
    assert told == []
    for number, answer in ((PROTOCOL - 1, None), (PROTOCOL + 1, "`ganns db migrate`")):
        monkeypatch.setattr(protocol.require_protocol, "__defaults__", (number,))
        reason = start.why_wait()
        assert (reason is None) if answer is None else (reason is not None and answer in reason)
    assert [one["event"] for one in told] == ["status"]
    monkeypatch.setattr(protocol.require_protocol, "__defaults__", (0,))
    with pytest.raises(ProgramTooOld, match="`git pull`"):
        start.why_wait()
    monkeypatch.setenv("GANNS_DATABASE_URL", empty.conninfo)
    assert "run `ganns db migrate`" in str(start.why_wait())  # a database from before there were protocols


@pytest.mark.slow
def test_the_code_of_the_release_before_trains_an_open_run(
    coordinate: Any, database: Address, conn: Connection, tmp_path: Path
) -> None:
    """The stock worker of that code, unpacked from the repository: there is no wheel of an earlier release."""
    old = tmp_path / "old"
    old.mkdir()
    packed = subprocess.run(
        ["git", "archive", LAST_OF_PROTOCOL_1, "ganns", "tasks", "conf", "sql"], cwd=ROOT, capture_output=True
    )
    if packed.returncode:
        pytest.skip("this clone does not have the history: git fetch --unshallow")
    subprocess.run(["tar", "x", "-C", old], input=packed.stdout, check=True)
    config = tiny(stop=StopConfig(rounds=3))
    coordinator = coordinate(config)
    # The run of an earlier coordinator: it lacks the settings that came since.
    wait_until(lambda: conn.execute("SELECT count(*) FROM ganns.runs").fetchone() == (1,), what="the run")
    conn.execute("UPDATE ganns.runs SET config = config" + "".join(f" #- '{{{key}}}'" for key in NEW_SETTINGS))
    run = f"import os, sys; os.chdir({str(old)!r}); sys.path[:0] = [{str(old)!r}]; import ganns, tasks; " + (
        f"assert ganns.__file__.startswith({str(old)!r}); sys.argv = ['procrastinate', '--app=tasks.app', 'worker']; "
        "from procrastinate.cli import main; main()"
    )
    worker = spawn_worker(database, tmp_path / "log", "old", [sys.executable, "-c", run])
    try:
        coordinator.join(120)
    except BaseException:
        print((tmp_path / "log").read_text())
        raise
    finally:
        worker.terminate()
        worker.wait(20)
    assert coordinator.digest == solo_digest(config)
    assert conn.execute("SELECT DISTINCT name, protocol FROM ganns.workers").fetchall() == [("old", 1)]


def test_another_error_of_the_database_stays_what_it_is() -> None:
    assert protocol.refusal_of(psycopg.OperationalError("gone")) is None
    assert protocol.refusal_of(ValueError()) is None
