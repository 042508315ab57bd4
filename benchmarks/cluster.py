"""A PostgreSQL and a few workers for one benchmark, which end with it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganns.config import Config, EvaluateConfig, GradientStrategy, ModelConfig, QuorumConfig, StopConfig, SyntheticData
from ganns.coordinator import Quiet, RoundReport
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.training.state import TrainingState
from ganns.worker.launch import start_worker, stop_workers


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Yield a new folder, with GANNS_HOME below it until the end of the block; then delete it."""
    before = os.environ.get("GANNS_HOME")
    folder = Path(tempfile.mkdtemp(prefix="ganns-benchmark-"))
    os.environ["GANNS_HOME"] = str(folder / "home")
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["GANNS_HOME"]
        else:
            os.environ["GANNS_HOME"] = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def cluster(num_workers: int, threads: int = 1) -> Iterator[Address]:
    """Yield the address of a new database with `num_workers` waiting real workers."""
    with temporary_home() as folder, EmbeddedServer(folder / "pg") as server:
        with connect(server.address) as conn:
            migrate(conn)
        names = [f"worker-{number + 1}" for number in range(num_workers)]
        processes = [start_worker(server.address, name, threads, folder / f"{name}.log") for name in names]
        try:
            yield server.address
        finally:
            stop_workers(processes)


def almost_nothing(name: str, num_units: int, num_images: int, rounds: int) -> Config:
    """Return a run whose units take almost no time: a model of about 100 kB, two images a unit, no evaluation."""
    return Config(
        name=name,
        model=ModelConfig(image_size=32, latent_dim=32, features_g=6, features_d=6),
        data=SyntheticData(count=num_images, holdout=2),
        strategy=GradientStrategy(unit_images=2, micro_batch=2),
        quorum=QuorumConfig(units=num_units),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=rounds),
        sample_every=0,
    )


class Stopwatch(Quiet):
    """An observer that records the time of each round's closing."""

    def __init__(self) -> None:
        """Begin without rounds."""
        self.closed_at: list[float] = []
        self.reports: list[RoundReport] = []

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Record a round's closing."""
        self.closed_at.append(time.perf_counter())
        self.reports.append(report)

    def seconds(self, warmup: int) -> list[float]:
        """Return each round's duration, without the first `warmup` rounds."""
        pairs = zip(self.closed_at, self.closed_at[1:], strict=False)
        return [later - earlier for earlier, later in pairs][max(0, warmup - 1) :]
