"""The numbers of an evaluation reach all observers of the run, also TensorBoard's files."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from rich.console import Console

from ganns.coordinator import train_run
from ganns.observers.watch import Watch
from ganns.store import evaluations, runs
from tests.evaluation.conftest import judged
from tests.support.helpers import wait_until


def test_metrics_of_evaluated_versions_are_in_tensorboards_files(opened, work_off, database, conn, tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = opened(judged(rounds=2, every=2, tensorboard=True))
    failed, stop = [], threading.Event()

    def coordinate() -> None:
        try:
            with Watch(config, tmp_path, Console(file=io.StringIO())) as watch:
                train_run(config, database, watch, stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=coordinate, daemon=True)
    thread.start()
    try:
        wait_until(lambda: work_off() or not thread.is_alive(), timeout_s=120, what="the end of the run")
    finally:
        stop.set()
        thread.join(30)
    assert not failed, failed
    [row] = evaluations.list_evaluations(conn, runs.find_run(conn, "latest").id)
    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    [event] = read.Scalars("evaluation/swd")
    assert (event.step, event.value) == (2, pytest.approx(row["metrics"]["swd"], rel=1e-5))
    assert "metrics/d_loss" in read.Tags()["scalars"]
