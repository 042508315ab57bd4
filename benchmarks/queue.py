"""The task framework compared with procrastinate alone: no-op jobs, enqueueing, and the reaction of a chord.

    python -m benchmarks.queue

Both use stock command-line workers, 1, 4 and 16 of them, on one new server; procrastinate alone has its connector's
defaults. Both kinds of workers run all the time, and short batches of jobs take turns, so that other work on the
machine disturbs both equally; a ratio is the median of the turns' ratios. Times are by the server's clock: from the
first job's start to the last one's end. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import queue_app
from benchmarks.cluster import cluster
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.queue.canvas import chord, group

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("bare", "ours", "ours_results")


@contextmanager
def workers(address: Address, app: str, num: int, log: Path, conn: Connection) -> Iterator[None]:
    """Run stock workers of the app's queue, and yield when all of them have registered."""
    before = _one(conn, "SELECT count(*) FROM procrastinate_workers")
    environment = os.environ | {"GANNS_DATABASE_URL": address.conninfo}
    command = [sys.executable, "-m", "procrastinate", f"--app=benchmarks.queue_app.{app}", "worker", f"--queues={app}"]
    with log.open("ab") as stream:
        processes = [
            subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=stream) for _ in range(num)
        ]
    try:
        until = time.monotonic() + 120
        while _one(conn, "SELECT count(*) FROM procrastinate_workers") < before + num:
            if time.monotonic() > until or any(one.poll() is not None for one in processes):
                raise SystemExit(f"workers did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.05)
        yield
    finally:
        for one in processes:
            one.terminate()
        for one in processes:
            one.wait(30)


def throughput(conn: Connection, kind: str, num_jobs: int) -> float:
    """Return jobs per second, from the first start to the last end, by the server's clock."""
    conn.execute("TRUNCATE procrastinate_jobs, procrastinate_events, ganns.task_results, ganns.task_calls CASCADE")
    name = {"bare": "bare_noop", "ours": "noop", "ours_results": "noop_result"}[kind]
    # The same statement for both, so that only the workers differ.
    conn.execute(
        "SELECT procrastinate_defer_jobs_v1(array_agg(ROW(%s, %s, 0, NULL, NULL,"
        " jsonb_build_object('n', n), NULL)::procrastinate_job_to_defer_v1)) FROM generate_series(1, %s) AS n",
        ["bare" if kind == "bare" else "ours", name, num_jobs],
    )
    until = time.monotonic() + 300
    while _one(conn, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'") < num_jobs:
        assert time.monotonic() < until, f"{kind} does not end"
        time.sleep(0.02)
    seconds = _one(
        conn,
        "SELECT extract(epoch FROM max(at) FILTER (WHERE type = 'succeeded') - min(at) FILTER (WHERE type = 'started'))"
        "::float8 FROM procrastinate_events",
    )
    return num_jobs / seconds


def compare(
    conn: Connection, address: Address, num: int, num_jobs: int, repeat: int, log: Path
) -> list[dict[str, float]]:
    """Return each repetition's jobs per second by kind. All workers run all the time; their batches take turns."""
    with workers(address, "bare", num, log, conn), workers(address, "ours", num, log, conn):
        for kind in KINDS:  # a warm-up
            throughput(conn, kind, num_jobs // 4)
        turns = []
        for turn in range(repeat):
            order = KINDS if turn % 2 == 0 else KINDS[::-1]
            turns.append({kind: throughput(conn, kind, num_jobs) for kind in order})
    return turns


def enqueue(conn: Connection, num_groups: int = 40) -> float:
    """Return calls per second, in groups of 100, with arguments checked; each group in a transaction."""
    rates = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(num_groups):
            group(queue_app.noop_result.s(n) for n in range(100)).apply_async(connection=conn)
        rates.append(num_groups * 100 / (time.perf_counter() - begun))
        conn.execute("TRUNCATE procrastinate_jobs, procrastinate_events, ganns.task_calls CASCADE")
    return statistics.median(rates)


def chord_reactions(conn: Connection, address: Address, log: Path, num: int) -> list[float]:
    """Return the milliseconds from the last member's end to the body's start; two workers, ten members."""
    with workers(address, "ours", 2, log, conn):
        for n in range(num):
            header = [queue_app.noop_result.s(k) for k in range(10)]
            result = chord(header, queue_app.body.s()).apply_async(connection=conn)
            assert result.get(timeout=60) == 10, n
    rows = conn.execute(
        """
        SELECT extract(epoch FROM s.at - e.at) * 1000
        FROM procrastinate_jobs b JOIN procrastinate_events s ON s.job_id = b.id AND s.type = 'started'
        JOIN ganns.task_calls bc ON bc.job_id = b.id
        JOIN ganns.task_groups g ON g.parent_id = bc.group_id
        CROSS JOIN LATERAL (SELECT max(e.at) AS at FROM ganns.task_calls c JOIN procrastinate_events e
                            ON e.job_id = c.job_id AND e.type = 'succeeded' WHERE c.group_id = g.id) e
        WHERE b.task_name = 'body'
        """
    ).fetchall()
    return [float(row[0]) for row in rows]


def _one(conn: Connection, statement: str) -> float:
    row = conn.execute(statement).fetchone()
    assert row is not None
    return row[0]


def main() -> None:
    """Run everything and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=150)
    parser.add_argument("--repeat", type=int, default=31)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--chords", type=int, default=100)
    arguments = parser.parse_args()
    rates: dict[str, dict[int, float]] = {kind: {} for kind in KINDS}
    ratios: dict[str, dict[int, float]] = {kind: {} for kind in KINDS}
    with cluster(num_workers=0) as address, connect(address) as conn, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "workers.log"
        for num in arguments.workers:
            turns = compare(conn, address, num, arguments.jobs, arguments.repeat, log)
            for kind in KINDS:
                rates[kind][num] = statistics.median(turn[kind] for turn in turns)
                ratios[kind][num] = statistics.median(turn[kind] / turn["bare"] for turn in turns)
            shown = {kind: [round(turn[kind]) for turn in turns] for kind in KINDS}
            print(num, "workers:", shown, flush=True)
        enqueue_per_s = enqueue(conn)
        reactions = sorted(chord_reactions(conn, address, log, arguments.chords))
    figures = {
        "units_per_s": {num: round(rate, 1) for num, rate in rates["ours_results"].items()},
        "bare_jobs_per_s": {num: round(rate, 1) for num, rate in rates["bare"].items()},
        "ratio": round(min(ratios["ours_results"].values()), 3),  # with results stored; the lowest
        "ratio_ignore_result": round(min(ratios["ours"].values()), 3),
        "ratios": {num: round(ratio, 3) for num, ratio in ratios["ours_results"].items()},
        "enqueue_per_s": round(enqueue_per_s),
        "chord_reaction_ms_p95": round(reactions[int(0.95 * len(reactions))], 1),
        "chord_reaction_ms_median": round(statistics.median(reactions), 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
