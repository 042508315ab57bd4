"""Those who broke a model are left out before the run is given up."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from ganns.config import StopConfig
from ganns.coordinator.blame import OUTLIER, Blame, Outlier
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.store import exclusions, runs
from ganns.store.exclusions import Subject
from ganns.training.bounds import Size
from tests.coordinator.test_rollback import Breaking, broken_model, went_back, work_until  # noqa: F401
from tests.support.fakes import FakeWorker, tiny
from tests.support.helpers import wait_until
from tests.support.invariants import broken


def collected(round_: int, norms: dict[int, float]) -> SimpleNamespace:
    sizes = {worker: {role: Size(norm, {}) for role in ("d", "g")} for worker, norm in norms.items()}
    return SimpleNamespace(
        round=round_, sizes=sizes, submissions={worker: SimpleNamespace(worker_id=worker) for worker in norms}
    )


def test_a_result_that_is_far_larger_than_its_rounds_median_is_suspicious() -> None:
    blame = Blame()
    blame.note(collected(3, {1: 1.0, 2: 1.2, 3: 1.3 * OUTLIER}))
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
    assert who.name == "evil"
    assert "was 100 times as large as the round's median" in why
    assert blame.who(conn, run_id, 4, ()) == {}  # the run goes back to what that result did not touch
    assert {who.name for who in blame.who(conn, run_id, 4, {evil})} == {"evil"}


class Once(Breaking):
    """A worker whose results of one round are NaN."""

    breaks_in: int = -1

    def compute(self, claim):
        self.breaks_at = claim.round if claim.round == self.breaks_in else 10**9
        return super().compute(claim)


@pytest.fixture
def pair(database: Address) -> Iterator[list[Once]]:
    made = [Once(database, "one"), Once(database, "two")]
    yield made
    for worker in made:
        worker.conn.close()


def test_the_run_goes_on_without_those_who_broke_it(
    coordinate,
    join,
    pair: list[Once],
    broken_model,  # noqa: F811
    conn: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice it breaks; the second time one worker's results had stood out, so it is left out and the run goes on."""
    one, two = pair
    stands_out: list[int] = []

    def note(self, collector):
        self.outliers += [
            Outlier(collector.round, unit, one.id, 50.0)
            for unit, its in collector.submissions.items()
            if its.worker_id == one.id and stands_out
        ]

    def break_the_model(returns: int) -> None:
        for worker in pair:
            worker.breaks_in = coordinator.reports[-1].version + 1
        work_until(pair, lambda: len(went_back(coordinator)) == returns, f"return {returns}")

    monkeypatch.setattr(Blame, "note", note)
    for worker in pair:
        register(conn, worker)
    coordinator = coordinate(tiny(stop=StopConfig(rounds=100_000)))
    work_until(pair, lambda: len(coordinator.reports) >= 2, "two rounds")
    break_the_model(1)
    assert conn.execute("SELECT count(*) FROM ganns.exclusions").fetchone() == (0,)
    stands_out.append(1)
    reports = len(coordinator.reports)
    work_until(pair, lambda: len(coordinator.reports) >= reports + 2, "two good rounds")
    break_the_model(2)
    wait_until(lambda: any("worker one gets no more units" in text for text in coordinator.said), what="the reason")
    assert conn.execute("SELECT kind FROM ganns.exclusions").fetchall() == [("broke_model",)]
    assert exclusions.list_excluded(conn, coordinator.run_id) == {Subject(conn.info.user, "one")}
    assert any("--readmit one` takes it back" in text for text in coordinator.said)
    assert conn.execute("SELECT DISTINCT kind, worker FROM ganns.incidents").fetchall() == [("excluded", "one")]
    again = join("one")  # the same worker under a new number
    register(conn, again)
    waiting = "SELECT count(*) > 0 FROM procrastinate_jobs WHERE status = 'todo'"
    wait_until(lambda: conn.execute(waiting).fetchone() == (True,), what="a job")
    for worker in (one, again):
        assert fetched(worker) is None
        job = worker.fetch()  # as a stock worker does, which asks procrastinate alone
        assert job is not None
        assert worker.claim(job) is None
        conn.execute("SELECT procrastinate_retry_job_v2(%s, NULL, NULL, NULL, NULL)", (job.id,))
    reports = len(coordinator.reports)
    wait_until(lambda: two.work() and len(coordinator.reports) >= reports + 2, what="rounds without it")
    wait_until(lambda: conn.execute(waiting).fetchone() == (True,), what="a job")
    exclusions.readmit(conn, coordinator.run_id, "one")
    assert fetched(again) is not None
    coordinator.stop.set()
    coordinator.join()
    # These rules know of one return alone.
    known = {"runs whose count of images or rounds is not the ledger's", "closed rounds without their quorum"}
    assert broken(conn).keys() <= known


def fetched(worker: FakeWorker) -> int | None:
    """Return the job that the server's own function gives to a worker."""
    return worker.one("SELECT id FROM ganns_api.task_fetch(NULL, %s)", worker.id)["id"]


def register(conn: Connection, worker: FakeWorker) -> None:
    conn.execute(
        "INSERT INTO ganns.task_workers (worker_id, name, tasks) VALUES (%s, %s, '{gradient}')",
        (worker.id, worker.name),
    )
