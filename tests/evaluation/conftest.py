"""Runs that are evaluated: with a feature network that was hardly trained, which takes a second instead of many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from ganns.config import Config, EvaluateConfig, StopConfig, SyntheticData
from ganns.coordinator.create import create_run
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.evaluation.features import train_network
from ganns.store import evaluations
from ganns.training.serialization import pack
from tests.support.fakes import tiny


@pytest.fixture(scope="session")
def network_bytes() -> bytes:
    network, _ = train_network(32, num_faces=50, num_held_out=10, epochs=1)
    return bytes(pack(network.state_dict()))


def judged(rounds: int, every: int, images: int = 70, **changes) -> Config:
    """Return a tiny run that is evaluated after every few rounds, with two parts."""
    return tiny(
        data=SyntheticData(count=40, holdout=80),
        stop=StopConfig(rounds=rounds),
        evaluate=EvaluateConfig(every=every, images=images),
        **changes,
    )


@pytest.fixture
def opened(conn: Connection, network_bytes: bytes) -> Callable[[Config], Config]:
    """Return a function that opens a run with a feature network; its result is what to coordinate."""

    def open_run(config: Config) -> Config:
        run = create_run(conn, config)
        evaluations.put_feature_network(conn, run.id, network_bytes, 0.5)
        config.resume = str(run.id)
        return config

    return open_run


@pytest.fixture
def work_off(database: Address, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Return a function that runs a stock worker in this process until no job is left.

    It prepares for a run before it takes the run's units, so it must go on while it prepares.
    """
    from tasks import app, evaluation_cache, run_cache

    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)

    async def work() -> None:
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(
                    install_signal_handlers=False, listen_notify=False, fetch_job_polling_interval=0.05
                )
            )
            open_jobs = "SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
            while conn.execute(open_jobs).fetchone() is not None and not worker.done():
                await asyncio.sleep(0.05)
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    caches = (run_cache.get_run_cache, evaluation_cache.get_evaluation_cache)
    for get in caches:  # what a process keeps is another database's
        get.cache_clear()
    yield lambda: asyncio.run(work())
    if run_cache.get_run_cache.cache_info().currsize:
        run_cache.get_run_cache().close()
    for get in caches:
        get.cache_clear()
