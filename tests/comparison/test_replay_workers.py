"""A replay whose units are computed by the workers that are there: bit for bit the one of this process."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

import pytest

from ganns import paths
from ganns.comparison.change import Change, parse
from ganns.comparison.replay import compare_futures
from ganns.comparison.versions import reach, schedule_of
from ganns.config import StopConfig, from_dict
from ganns.errors import ConfigError, RunError
from ganns.launch.replay_workers import Workers
from ganns.store import replay, runs
from ganns.training import per_class
from ganns.training.per_class import Row
from tests.comparison.test_replay import STRATEGIES, run_ganns, trained
from tests.support.helpers import workers


@contextmanager
def working(*fakes):
    """Let fake workers take turns on a thread of their own."""
    stop, errors = threading.Event(), []

    def work() -> None:
        try:
            while not stop.is_set():
                if all(fake.work() is None for fake in fakes):
                    stop.wait(0.01)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
    assert not errors


def by_workers(database, kept, images, *arguments):
    """Return a replay that workers compute, and what was said."""
    said = []
    with Workers(database, kept.conn, kept.run, "the change", said.append) as there:
        return compare_futures(kept, images, *arguments, begin=there.begin), said


def test_both_futures_by_workers_are_those_of_this_process(coordinate, join, conn, database):
    _, kept, images = trained(coordinate, conn, join("ada"), join("bob"), stop=StopConfig(rounds=6))
    here = compare_futures(kept, images, 2, 3, parse(["without=ada"], drop=True))
    with working(join("cy"), join("dan")):
        found, said = by_workers(database, kept, images, 2, 3, parse(["without=ada"], drop=True))
    assert found.rows == here.rows
    assert found.changed.weights_digest() == here.changed.weights_digest()
    assert found.was.weights_digest() == here.was.weights_digest()

    assert said[:2] == [
        "the workers compute run 2: replay of 1@2: nothing changed",
        "the workers compute run 3: replay of 1@2: the change",
    ]
    for run_id, units in ((2, 6), (3, 3)):
        run = runs.get_run(conn, run_id)
        assert (run.state, run.version, from_dict(run.config).start_from) == ("finished", 5, "1@2")
        accepted = [
            (number, unit, one.author.worker)
            for number, this in replay.list_rounds(conn, run_id, 0, 9).items()
            for unit, one in this.units.items()
        ]
        assert [number for number, *_ in accepted] == sorted([2, 3, 4] * (units // 3))
        assert {worker for *_, worker in accepted} <= {"cy", "dan"}
    of_bob = {n: set(one.units) for n, one in replay.list_rounds(conn, 3, 0, 9).items()}
    assert of_bob == {
        n: {u for u, unit in one.units.items() if unit.author.worker == "bob"}
        for n, one in replay.list_rounds(conn, 1, 2, 5).items()
    }
    assert runs.get_run(conn, 1).version == 6


def test_a_replay_that_is_broken_off_leaves_no_run(coordinate, join, conn, database):
    _, kept, images = trained(coordinate, conn, join("ada"), stop=StopConfig(rounds=3))
    schedule = schedule_of(replay.list_rounds(conn, 1, 0, 3))
    folders = set((paths.home() / "state").iterdir())

    def broken_off() -> None:
        with Workers(database, conn, kept.run, "", lambda text: None) as there:
            there.begin(kept.config, images, reach(kept, images, 0), schedule)
            assert runs.find_run(conn, "2").state == "open"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert [one["id"] for one in runs.list_runs(conn)] == [1]
    assert set((paths.home() / "state").iterdir()) == folders

    with pytest.raises(RunError, match="no unit left, so there is nothing to do for workers: leave out --workers"):
        by_workers(database, kept, images, 0, 3, parse(["without=ada"], drop=True))
    assert [one["id"] for one in runs.list_runs(conn)] == [1]


@pytest.mark.slow
@STRATEGIES
def test_two_real_workers_replay_every_strategy_exactly(
    coordinate, join, conn, database, changes, monkeypatch, tmp_path
):
    monkeypatch.setattr(per_class, "TABLE", (Row(1, 4, 5, 1.0), Row(2, 4, 3, 1.5)))
    coordinator, kept, images = trained(coordinate, conn, join("ada"), join("bob"), **changes)
    with workers(database, 2, tmp_path):
        found, _ = by_workers(database, kept, images, 5, 5, Change())
    assert found.equal_until == 10
    assert found.changed.weights_digest() == coordinator.digest
    names = {unit.author.worker for one in replay.list_rounds(conn, 2, 5, 10).values() for unit in one.units.values()}
    assert names <= {"w0", "w1"}


@pytest.mark.slow
def test_ganns_replay_with_workers(coordinate, join, conn, database, monkeypatch, tmp_path):
    trained(coordinate, conn, join("ada"), join("bob"))
    words = ["replay", "1@4", "--rounds", "4", "--workers", "--json", "--out", str(tmp_path / "out")]
    with workers(database, 2, tmp_path):
        found = json.loads(run_ganns(database, monkeypatch, *words).stdout)
        changed = json.loads(run_ganns(database, monkeypatch, *words, "optimizer.lr_g=1e-3").stdout)
    assert (found["equal_until"], changed["equal_until"], len(changed["versions"])) == (8, 4, 4)
    assert [one["id"] for one in runs.list_runs(conn)] == [4, 3, 2, 1]
    with pytest.raises(ConfigError, match="--each computes in this process"):
        run_ganns(database, monkeypatch, "replay", "1@4", "--each", "--workers")
