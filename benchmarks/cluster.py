"""A PostgreSQL and a few workers for one benchmark, which end with it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganns.coordinator import Quiet, RoundReport
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.training.state import TrainingState
from ganns.worker.launch import start_worker, stop_workers


@contextmanager
def cluster(num_workers: int, threads: int = 1) -> Iterator[Address]:
    """Yield the address of a new database with `num_workers` waiting real workers."""
    folder = Path(tempfile.mkdtemp(prefix="ganns-benchmark-"))
    home_before = os.environ.get("GANNS_HOME")
    os.environ["GANNS_HOME"] = str(folder / "home")
    try:
        with EmbeddedServer(folder / "pg") as server:
            with connect(server.address) as conn:
                migrate(conn)
            names = [f"worker-{number + 1}" for number in range(num_workers)]
            processes = [start_worker(server.address, name, threads, folder / f"{name}.log") for name in names]
            try:
                yield server.address
            finally:
                stop_workers(processes)
    finally:
        if home_before is None:
            del os.environ["GANNS_HOME"]
        else:
            os.environ["GANNS_HOME"] = home_before
        shutil.rmtree(folder, ignore_errors=True)


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
