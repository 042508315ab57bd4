"""`ganns runs`, `ganns runs delete` and `ganns compare`, as they are typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from ganns import paths
from ganns.cli.app import app
from ganns.config import OptimizerConfig, StopConfig
from ganns.errors import ConfigError, LeaseLost, RunError
from ganns.store import audits, exclusions, runs, sweeps
from ganns.store.exclusions import Kind, Subject
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.support.fakes import tiny


@pytest.fixture
def ganns(database, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs `ganns` on the test's database."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)

    def run(*words: str, answer: str = "") -> Result:
        result = CliRunner().invoke(app, list(words), input=answer)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def rows_of(conn, run_id: int) -> dict[str, int]:
    """How many rows of a run there are, by table."""
    tables = conn.execute(
        "SELECT table_name FROM information_schema.columns c JOIN information_schema.tables t "
        "USING (table_schema, table_name) "
        "WHERE table_schema = 'ganns' AND column_name = 'run_id' AND table_type = 'BASE TABLE'"
    ).fetchall()
    counts = {
        name: conn.execute(f"SELECT count(*) FROM ganns.{name} WHERE run_id = %s", [run_id]).fetchone()[0]
        for (name,) in tables
    }
    jobs = "SELECT count(*) FROM procrastinate_jobs WHERE args ->> 'run' = %s::text AND status <> 'doing'"
    return {name: count for name, count in counts.items() if count} | {
        "jobs": conn.execute(jobs, [run_id]).fetchone()[0]
    }


def test_deleting_leaves_nothing_of_the_run_and_all_of_the_others(ganns, coordinate, join, conn):
    worker = join()
    finish_run(coordinate(tiny(stop=StopConfig(rounds=1))), worker)
    stopped = coordinate(tiny(seed=1, stop=StopConfig(rounds=9)))
    while len(stopped.reports) < 1:
        worker.work(wait_for_job(worker))
    stopped.stop.set()
    stopped.join()
    sweeps.add_to_sweep(conn, "abc", 2)
    held = worker.fetch()  # a unit of run 2 is being computed while it is deleted
    assert held is not None
    assert held.args["run"] == 2
    kept, before = rows_of(conn, 1), rows_of(conn, 2)
    assert before.keys() >= {
        "versions",
        "checkpoints",
        "weights",
        "rounds",
        "units",
        "ledger",
        "metrics",
        "sweep_points",
    }
    folder = paths.home() / "state" / runs.get_run(conn, 2).key
    assert folder.is_dir()

    assert ganns("runs", "delete", "2", answer="n\n").exit_code == 1
    assert rows_of(conn, 2) == before
    result = ganns("runs", "delete", "2", answer="y\n")
    assert "run 2 'test': open, version" in result.output
    assert rows_of(conn, 2) == {"jobs": 0}
    assert rows_of(conn, 1) == kept
    assert not folder.exists()
    assert worker.claim(held) is None  # the worker that computes it is told to stop
    worker.finish(held)


def test_a_run_with_a_coordinator_is_not_deleted(ganns, coordinate, conn):
    live = coordinate(tiny(stop=StopConfig(rounds=9)))
    while live.run_id is None:
        live.thread.join(0.01)
    with pytest.raises(LeaseLost, match=r"^Run 1 has a coordinator right now, .*: stop that one with Ctrl-C first"):
        ganns("runs", "delete", "1", "--yes")
    with pytest.raises(RunError, match="There is no run 7"):
        ganns("runs", "delete", "1", "7", "--yes")
    assert [one["id"] for one in runs.list_runs(conn)] == [1]


def test_runs_are_compared_in_a_table_and_pictures(ganns, coordinate, join, conn, tmp_path):
    worker = join()
    for lr in (1e-4, 4e-4):
        finish_run(coordinate(tiny(optimizer=OptimizerConfig(lr_g=lr), stop=StopConfig(rounds=2))), worker)
        sweeps.add_to_sweep(conn, "abcdef", runs.find_run(conn, "latest").id)
    result = ganns("compare", "--sweep", "abc", "--out", str(tmp_path))
    for text in ("lr_g", "0.0001", "0.0004", "swd", "One seed tells little"):
        assert text in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "samples.png"]
    assert "run" in ganns("runs").output
    listed = json.loads(ganns("runs", "--json").stdout)
    assert [(one["run"], one["state"], one["version"]) for one in listed] == [(2, "finished", 2), (1, "finished", 2)]
    compared = json.loads(ganns("compare", "1", "2", "--json").stdout)
    assert [one["settings"]["optimizer.lr_g"] for one in compared] == [1e-4, 4e-4]
    assert all(one["swd"] > 0 for one in compared)
    with pytest.raises(ConfigError, match="nothing to compare"):
        ganns("compare")
    with pytest.raises(RunError, match="There is no sweep 'xyz'"):
        ganns("compare", "--sweep", "xyz")


def test_a_backup_is_typed_and_restored(ganns, conn, tmp_path):
    file = str(tmp_path / "all.zip")
    assert "0 run(s) with 0 further rows in" in ganns("db", "backup", file).output
    assert "restored 0 run(s)" in ganns("db", "restore", file).output


def test_audits_by_login_and_a_readmission(ganns, coordinate, join, conn):
    finish_run(coordinate(tiny(stop=StopConfig(rounds=1))), join())
    assert "no result of run 1 was audited" in ganns("runs", "audits", "1").output
    liar = Subject("ganns_s7")
    for unit, agreed in enumerate((True, False)):
        distances = {"same": agreed, "distance": 0.0 if agreed else 2.0, "sums": 0.0, "metrics": 0.0}
        who = {"worker_id": 1, "login": liar.login, "name": liar.name, "auditor": "the coordinator"}
        place = {"kind": "unit", "round": 4, "unit": unit}
        audits.insert_audit(conn, 1, **place, **who, **distances, agreed=agreed, alike=False)
    exclusions.exclude(conn, 1, liar, Kind.WRONG_RESULTS, "it lies")
    breaker = Subject(conn.info.user, "breaker")  # was never audited
    exclusions.exclude(conn, 1, breaker, Kind.BROKE_MODEL, "it was 50 times as large")
    rows = json.loads(ganns("runs", "audits", "1", "--json").output)
    assert [(row["login"], row["name"], row["audits"], row["failed"], row["first_bad_round"]) for row in rows] == [
        ("ganns_s7", "", 2, 1, 4),
        (*breaker, 0, 0, None),
    ]
    assert [(row["kind"], row["reason"]) for row in rows] == [
        ("wrong_results", "it lies"),
        ("broke_model", "it was 50 times as large"),
    ]
    assert all(row["at"] for row in rows)
    shown = ganns("runs", "audits", "latest").output
    assert "ganns_s7" in shown
    assert ", wrong results" in shown
    assert ", broke the model" in shown
    assert audits.list_trust(conn, 1)[liar].failed == 1
    assert "gets units of run 1 again" in ganns("runs", "audits", "1", "--readmit", "ganns_s7").output
    assert exclusions.list_excluded(conn, 1) == {breaker}
    assert "gets units of run 1 again" in ganns("runs", "audits", "1", "--readmit", "breaker").output
    assert exclusions.list_excluded(conn, 1) == set()
    with pytest.raises(RunError, match="not left out"):
        ganns("runs", "audits", "1", "--readmit", "")  # a student's row has no name: this is no way to take all back
    assert audits.list_trust(conn, 1)[liar].failed == 0  # its wrong results count no more
    with pytest.raises(RunError, match="ganns_s7 is not left out of run 1"):
        ganns("runs", "audits", "1", "--readmit", "ganns_s7")
