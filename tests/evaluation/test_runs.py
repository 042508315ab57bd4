"""Runs that are evaluated while they are trained, and by hand; and evaluations that go wrong."""

from __future__ import annotations

from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import SyntheticData
from ganns.coordinator import evaluator as one_evaluation
from ganns.evaluation.health import SampleHealth
from ganns.store import evaluations, runs, weights
from ganns.training.state import TrainingState
from tests.coordinator.test_faults import finish_run
from tests.evaluation.conftest import judged
from tests.support.fakes import FakeWorker, Job
from tests.support.helpers import wait_until

METRICS = {"swd", "fid", "kid", "precision", "recall", "pixel_variance", "feature_variance"}


def work_until_it_ends(coordinator, work_off):
    wait_until(lambda: work_off() or not coordinator.thread.is_alive(), timeout_s=120, what="the end of the run")
    return coordinator.join()


def nothing_left(conn):
    """Tell whether the generators and the results of evaluations are deleted."""
    return conn.execute(
        "SELECT (SELECT count(*) FROM ganns.evaluated_generators), "
        "(SELECT count(*) FROM ganns.task_results r WHERE octet_length(r.data) > 0)"
    ).fetchone() == (0, 0)


def test_a_run_is_evaluated_and_its_best_version_kept(coordinate, opened, work_off, conn, monkeypatch):
    config = opened(judged(rounds=5, every=2))
    coordinator = work_until_it_ends(coordinate(config), work_off)
    rows = evaluations.list_evaluations(conn, coordinator.run_id)
    assert rows[-1]["version"] == 5  # the last one is evaluated too
    for row in rows:
        assert row["metrics"].keys() == METRICS
        assert (row["features"], row["images"]) == ("attributes", 70)
    best = min(rows, key=lambda row: row["metrics"]["fid"])
    version, digest, data = weights.best_checkpoint(conn, coordinator.run_id)
    assert version == runs.best_version(conn, coordinator.run_id) == best["version"]
    assert TrainingState.from_bytes(config, data, digest).progress.version == version
    assert any(f"the best version is {version}" in text for text in coordinator.said)
    assert any(f"version {version}: fid" in text and "the best so far" in text for text in coordinator.said)
    assert nothing_left(conn)
    # By hand, the newest checkpoint gives the same numbers, here and over the workers.
    shown = CliRunner().invoke(app, ["evaluate", str(coordinator.run_id), "--here"])
    assert shown.exit_code == 0, shown.output
    again = evaluations.list_evaluations(conn, coordinator.run_id)[-1]
    assert again["metrics"] == rows[-1]["metrics"]
    for name in METRICS:
        assert name in shown.output
    monkeypatch.setattr(one_evaluation, "_wait", lambda *_: work_off() or True)
    shown = CliRunner().invoke(app, ["evaluate", "latest", "--best"])
    assert shown.exit_code == 0, shown.output
    assert f"version {version}" in shown.output
    assert nothing_left(conn)


def test_a_short_run_is_not_evaluated(coordinate, opened, join, conn, database, monkeypatch):
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    coordinator = coordinate(opened(judged(rounds=3, every=4)))
    finish_run(coordinator, join())
    assert evaluations.list_evaluations(conn, coordinator.run_id) == []
    shown = CliRunner().invoke(app, ["evaluate", "latest", "--best"])
    assert "has no best version yet" in str(shown.exception)


def test_without_images_to_compare_with_the_run_goes_on(coordinate, opened, join, conn):
    config = judged(rounds=4, every=1)
    config.data = SyntheticData(count=40, holdout=0)
    coordinator = coordinate(opened(config))
    finish_run(coordinator, join())
    assert coordinator.done
    assert sum("not evaluated any more: there are 0 held-out images" in text for text in coordinator.said) == 1


def test_a_failing_evaluation_does_not_end_the_training(coordinate, opened, join, conn):
    config = opened(judged(rounds=4, every=1))
    conn.execute("UPDATE ganns.feature_networks SET data = '\\x00', digest = 'of something else'")
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    assert coordinator.done
    assert any("failed (PayloadError" in text for text in coordinator.said)


class UnitWorker(FakeWorker):
    """A worker that takes only units."""

    def fetch(self):
        row = self.one(
            "SELECT id, attempts, args FROM procrastinate_fetch_job_v2(ARRAY['gradients']::varchar[], %s)", self.id
        )
        return Job(row["id"], row["attempts"], row["args"]) if row.get("id") else None


def test_jobs_of_an_evaluation_come_after_units_and_a_stop_gives_them_up(coordinate, opened, conn, database):
    config = opened(judged(rounds=100_000, every=1))
    coordinator, worker = coordinate(config), UnitWorker(database)
    waiting = (
        "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'evaluate' AND status = 'todo' AND priority = -1"
    )
    wait_until(lambda: worker.work() and conn.execute(waiting).fetchone()[0] == 2, timeout_s=60, what="an evaluation")
    assert conn.execute("SELECT count(*) FROM ganns.evaluated_generators").fetchone()[0] == 1
    before = len(coordinator.reports)
    coordinator.stop.set()
    coordinator.join()
    worker.conn.close()
    assert not coordinator.done
    assert before >= 1
    assert nothing_left(conn)


def test_what_a_killed_coordinator_left_is_deleted_by_the_next(conn):
    run_id = runs.create_run(conn, name="", config={}, fingerprint="", num_images=2, permutation_digest="")
    evaluations.put_generator(conn, run_id, 1, b"left")
    by_hand, own = (evaluations.put_generator(conn, run_id, generation, b"kept") for generation in (None, 2))
    evaluations.forget_left_generators(conn, run_id, 2)
    rows = conn.execute("SELECT evaluation FROM ganns.evaluated_generators").fetchall()
    assert sorted(one for (one,) in rows) == sorted([by_hand, own])


def test_a_collapsed_generator_is_noticed(opened, conn):
    """Zero weights draw one image, whatever the noise; trained ones would not be needed to see that."""
    config = opened(judged(rounds=1, every=1))
    evaluator = one_evaluation.Evaluator(conn, int(config.resume), config, lambda text: None)
    state = TrainingState(config)
    for value in state.ema.values():
        value.zero_()
    metrics = evaluator.here(0, state.tensors())
    assert metrics["pixel_variance"] == 0
    health = SampleHealth()
    health.watch({"pixel_variance": 1.0, "feature_variance": 1.0})
    assert any("the samples look alike" in one.text for one in health.watch(metrics))
    assert health.watch(metrics) == []  # said once


def test_a_worker_that_comes_late_returns_nothing(opened, work_off, conn):
    """The evaluation is over: its generator is deleted, and a worker that still has a part ends quietly."""
    from ganns.queue.signature import signature
    from ganns.store.evaluations import QUEUE, TASK

    config = opened(judged(rounds=1, every=1))
    unknown = "00000000-0000-0000-0000-000000000000"
    arguments = {"run": int(config.resume), "evaluation": unknown, "start": 0, "count": 4}
    result = signature(TASK, kwargs=arguments, queue=QUEUE).apply_async(connection=conn)
    work_off()
    assert result.get(timeout=5) == b""
