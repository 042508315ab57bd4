"""A class of 200: do rounds close, and does the coordinator's memory stay the same?

    python -m benchmarks.fleet

The 200 workers do not compute. They are threads of a few processes, and each has its own connection and heartbeat. They
fetch jobs, claim units, fetch the weights once a round, and submit a prepared result. The last line is one JSON object:
rounds per minute, units per second, the coordinator's memory after the first fifth of the rounds and at the end, the
server's open connections, and the number of errors.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import threading
import time
from multiprocessing.synchronize import Event
from typing import Any

import torch

from benchmarks.cluster import Stopwatch, almost_nothing, cluster
from ganns.config import Config
from ganns.coordinator import RoundReport, train_run
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.queries import execute
from ganns.store import results, worker_api
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.bounds import expected_counts
from ganns.training.compression import get_codec
from ganns.training.parts import encode_part
from ganns.training.serialization import pack
from ganns.training.state import TrainingState
from ganns.training.unit import Part

NUM_PROCESSES = 4
BEAT_S = 3.0
TIMINGS = dict.fromkeys(("fetch", "load", "compute", "upload"), 0.0)
METRICS = {"d_loss": 1.4, "g_loss": 0.7, "d_real": 0.5, "d_fake": 0.5}


def prepared(config: Config) -> dict[str, bytearray]:
    """Return both parts of a result that passes every check: zero gradients, BatchNorm sums with variance 1."""
    parts = {}
    for role, network in TrainingState(config).networks.items():
        gradients = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
        counts = expected_counts(role, config, config.strategy.unit_images)
        sums = {
            name: torch.tensor([0.0] * width + [counts[name]] * (width + 1), dtype=torch.float64)
            for name, width in ((name, layer.num_features) for name, layer in batchnorm_layers(network).items())
        }
        parts[role] = pack(encode_part(Part(gradients, sums), get_codec(config.codec.up), (0, 0, 0, role)))
    return parts


def one_worker(address: Address, name: str, parts: dict[str, bytearray], stop: Event, errors: Any) -> None:
    """Fetch, claim and submit until told to stop."""
    try:
        with connect(address, application=name) as conn:
            row = conn.execute("SELECT worker_id FROM procrastinate_register_worker_v1()").fetchone()
            assert row is not None
            worker_id, version, beat_at = row[0], -1, 0.0
            worker_api.register(conn, worker_id, name, {})
            conn.execute('LISTEN "procrastinate_queue_v1#gradients"')
            while not stop.is_set():
                if time.monotonic() >= beat_at:
                    execute(conn, "tasks_beat", worker_id=worker_id, held=None)
                    beat_at = time.monotonic() + BEAT_S
                job = execute(conn, "tasks_fetch", queues=["gradients"], worker_id=worker_id).fetchone()
                if job is None or job["id"] is None:
                    for _ in conn.notifies(timeout=1.0, stop_after=1):
                        pass
                    continue
                claim = worker_api.claim(conn, job["id"], job["attempts"], worker_id)
                if claim is not None:
                    if claim.round != version:
                        worker_api.fetch_weights(conn, claim.run_id, claim.weights_version)
                        version = claim.round
                    for role in ("d", "g"):
                        results.put_part(conn, job["id"], job["attempts"], role, parts[role])
                    results.submit(conn, job["id"], job["attempts"], worker_id, METRICS, TIMINGS)
                conn.execute(
                    "SELECT procrastinate_finish_job_v1(%s, 'succeeded'::procrastinate_job_status, false)", [job["id"]]
                )
    except Exception as error:
        if not stop.is_set():
            errors.put(f"{name}: {type(error).__name__}: {error}")


def some_workers(address: Address, first: int, num: int, config: Config, stop: Event, errors: Any) -> None:
    """Run `num` workers on threads."""
    torch.set_num_threads(1)
    parts = prepared(config)
    threads = [
        threading.Thread(target=one_worker, args=(address, f"w{first + k}", parts, stop, errors)) for k in range(num)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def memory_mb() -> float:
    """Return this process's peak memory in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    config = almost_nothing("fleet", arguments.workers, 4 * arguments.workers, arguments.rounds)
    memory: list[float] = []
    connections: list[int] = []

    with cluster(num_workers=0) as address, connect(address) as conn:

        class Watch(Stopwatch):
            def round_closed(self, report: RoundReport, state: TrainingState) -> None:
                super().round_closed(report, state)
                memory.append(memory_mb())
                row = conn.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                ).fetchone()
                connections.append(row[0] if row else 0)

        context = multiprocessing.get_context("spawn")
        stop, errors = context.Event(), context.Queue()
        share = -(-arguments.workers // NUM_PROCESSES)
        firsts = range(0, arguments.workers, share)
        processes = [
            context.Process(
                target=some_workers,
                args=(address, first, min(share, arguments.workers - first), config, stop, errors),
            )
            for first in firsts
        ]
        for process in processes:
            process.start()
        watch = Watch()
        train_run(config, address, watch)
        stop.set()
        for process in processes:
            process.join(30)
            process.kill()
        found = [errors.get() for _ in range(errors.qsize())]
        seconds = statistics.median(watch.seconds(arguments.rounds // 5))
    figures = {
        "workers": arguments.workers,
        "rounds": len(watch.reports),
        "round_ms": round(seconds * 1000, 1),
        "units_per_s": round(arguments.workers / seconds, 1),
        "coordinator_mb_early": round(memory[len(memory) // 5], 1),
        "coordinator_mb_end": round(memory[-1], 1),
        "connections": max(connections),
        "errors": len(found),
    }
    for line in found[:5]:
        print(line)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
