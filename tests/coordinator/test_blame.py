"""Those who broke a model are left out before the run is given up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ganns.config import StopConfig
from ganns.coordinator.blame import OUTLIER, Blame
from ganns.db.connect import Connection
from ganns.store import runs
from ganns.training.bounds import Size
from tests.coordinator.test_rollback import Breaking, breaking, broken_model, went_back, work_until  # noqa: F401
from tests.support.fakes import FakeWorker, tiny
from tests.support.helpers import wait_until
from tests.worker.classroom import check_ledger


def collected(round_: int, norms: dict[int, float]) -> SimpleNamespace:
    sizes = {worker: {role: Size(norm, {}) for role in ("d", "g")} for worker, norm in norms.items()}
    return SimpleNamespace(
        round=round_, sizes=sizes, submissions={worker: SimpleNamespace(worker_id=worker) for worker in norms}
    )


def test_a_result_that_is_far_larger_than_its_rounds_median_is_suspicious() -> None:
    blame = Blame()
    blame.note(collected(3, {1: 1.0, 2: 1.2, 3: 1.1 * OUTLIER}))
    blame.note(collected(4, {1: 0.0, 2: 0.0}))
    blame.note(collected(5, {}))
    assert {(one.round, one.unit, one.worker_id) for one in blame.outliers} == {(3, 3, 3)}
    blame.forget()
    assert blame.outliers == []


def present(conn: Connection, number: int, name: str) -> int:
    conn.execute(
        "INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE VALUES (%s, now())", (number,)
    )
    conn.execute("INSERT INTO ganns.workers (id, name) VALUES (%s, %s)", (number, name))
    return number


def test_no_one_is_blamed_who_is_the_last(conn: Connection) -> None:
    run_id = runs.create_run(conn, name="", config={}, fingerprint="", num_images=2, permutation_digest="")
    blame, evil = Blame(), present(conn, 71, "evil")
    blame.note(collected(3, {evil: 100.0, 2: 1.0, 3: 1.0}))
    assert blame.who(conn, run_id, 0, ()) == {}
    present(conn, 72, "good")
    [(who, why)] = blame.who(conn, run_id, 0, ()).items()
    assert who.worker == "evil"
    assert "was 100 times as large as the round's median" in why
    assert blame.who(conn, run_id, 4, ()) == {}  # the run goes back to what that result did not touch
    assert {who.worker for who in blame.who(conn, run_id, 4, {evil})} == {"evil"}


def test_the_run_goes_on_without_those_who_broke_it(
    coordinate,
    breaking: list[Breaking],  # noqa: F811
    join,
    conn: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice it breaks; the second time one worker's results stood out, so it is left out and the run goes on."""
    one, two = breaking
    stands_out = []

    def stand_out(self, collector):
        self.outliers += [
            SimpleNamespace(round=collector.round, unit=unit, worker_id=one.id, times=50.0)
            for unit, its in collector.submissions.items()
            if its.worker_id == one.id and stands_out
        ]

    monkeypatch.setattr(Blame, "note", stand_out)
    for worker in breaking:
        conn.execute(
            "INSERT INTO ganns.task_workers (worker_id, name, tasks) VALUES (%s, %s, '{gradient}')",
            (worker.id, worker.name),
        )
        worker.breaks_at = 1
    coordinator = coordinate(tiny(stop=StopConfig(rounds=100_000)))
    work_until(breaking, lambda: len(went_back(coordinator)) == 1, "the first return")
    for worker in breaking:
        worker.breaks_at = 10**9
    stands_out.append(True)
    reports = len(coordinator.reports)
    work_until(breaking, lambda: len(coordinator.reports) >= reports + 2, "two good rounds")
    for worker in breaking:
        worker.breaks_at = 0
    stands_out.clear()
    work_until(breaking, lambda: len(went_back(coordinator)) == 2, "the second return")
    assert any("worker one gets no more units of this run: its result" in text for text in coordinator.said)
    rows = conn.execute("SELECT worker, login = session_user FROM ganns.exclusions").fetchall()
    assert rows == [("one", True)]
    refused = "SELECT count(*) FROM ganns.task_refusals WHERE worker_id = %s AND args = jsonb_build_object('run', %s)"
    assert conn.execute(refused, (one.id, coordinator.run_id)).fetchone() == (1,)
    # The same worker under a new number
    again = join("one")
    conn.execute(
        "INSERT INTO ganns.task_workers (worker_id, name, tasks) VALUES (%s, 'one', '{gradient}')", (again.id,)
    )
    wait_until(lambda: conn.execute(refused, (again.id, coordinator.run_id)).fetchone() == (1,), what="its refusal")
    two.breaks_at = 10**9
    good: FakeWorker = join("good")
    reports = len(coordinator.reports)
    wait_until(lambda: good.work() and len(coordinator.reports) >= reports + 2, what="rounds without it")
    kinds = conn.execute("SELECT DISTINCT kind, worker FROM ganns.incidents").fetchall()
    assert kinds == [("excluded", "one")]
    check_ledger(conn)
