"""The points of a sweep are evaluated: they are threads of one process, and share its files."""

from __future__ import annotations

import threading

import pytest

from ganns.coordinator import evaluator
from ganns.evaluation import features
from ganns.monitor.sweeps import look_at_sweep
from tests.evaluation.conftest import judged
from tests.launch.test_sweep import Trained
from tests.support.helpers import wait_until


@pytest.mark.slow
def test_every_point_is_evaluated(database, conn, work_off, monkeypatch, tmp_path):
    """All threads need the feature network at the same moment. With locks that let them all in, all but one failed."""
    monkeypatch.setenv("GANNS_HOME", str(tmp_path))
    small = features.train_network(32, num_faces=50, num_held_out=10, epochs=1)
    trained, all_ask = [], threading.Barrier(3)
    real = evaluator.attribute_network

    def ask(*arguments):
        all_ask.wait(120)
        return real(*arguments)

    monkeypatch.setattr(features, "train_network", lambda image_size, **_: (trained.append(image_size), small)[1])
    monkeypatch.setattr(evaluator, "attribute_network", ask)
    sweep = Trained([judged(rounds=2, every=2, images=8, seed=seed) for seed in range(3)], database)
    wait_until(lambda: work_off() or not sweep.thread.is_alive(), 240, "the end of the sweep")
    assert sweep.states == ["finished"] * 3
    assert trained == [32]
    assert not [text for notes in sweep.notes for text in notes.said if "failed" in text]
    distances = [one.distance for one in sweep.outcomes]
    assert all(distances)
    shown = look_at_sweep(conn, sweep.sweep.key)
    drawn = [one["best_swd"] for one in shown["points"]]  # what its page draws: 8 images are too few for the FID
    assert sorted(drawn) == pytest.approx(sorted(distances), abs=0.01)
