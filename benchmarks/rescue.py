"""The time until another worker starts the task of a worker that has ended, and until a revoked task has ended.

    python -m benchmarks.rescue

Each worker holds one task, and they end one after the other: killed with SIGKILL (the rescue finds their heartbeat too
old), or asked to leave with Ctrl-C (a `ganns worker` hands its task back). The remaining workers take the tasks. The
time is counted from just before the signal to the start of the next attempt, by the server's clock, with the default
settings. Before that, one `ganns worker` alone, without a coordinator or `ganns tasks rescue`, runs tasks that ignore
everything, and each is revoked with `terminate`: the time is counted until its state is REVOKED. The same worker lets
chords with a deadline wait for a task that is not due: the time is counted from the deadline to the answer. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

from benchmarks import queue_app
from benchmarks.cluster import cluster
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.queue import rescue
from ganns.queue.canvas import chord, group

ROOT = Path(__file__).resolve().parent.parent
STOCK = ["procrastinate", "--app=benchmarks.queue_app.ours", "worker", "--queues=hold"]
DEADLINE_S = 5.0
HARDENED = ["ganns", "worker", "--app", "benchmarks.queue_app.ours"]


def start(address: Address, name: str, command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a worker in its own session."""
    environment = os.environ | {"GANNS_DATABASE_URL": address.conninfo, "GANNS_WORKER_NAME": name}
    with log.open("ab") as stream:
        line = [sys.executable, "-m", *command]
        return subprocess.Popen(line, cwd=ROOT, env=environment, stdout=stream, stderr=stream, start_new_session=True)


def wait(conn: Connection, statement: str, at_least: int, timeout_s: float = 120) -> None:
    """Poll until the statement's number is large enough."""
    until = time.monotonic() + timeout_s
    while (row := conn.execute(statement).fetchone()) is None or row[0] < at_least:
        if time.monotonic() > until:
            raise SystemExit(f"waited {timeout_s} s for {at_least}: {statement}")
        time.sleep(0.05)


def measure(address: Address, conn: Connection, num: int, command: list[str], number: int, folder: Path) -> list[float]:
    """End `num` workers that hold a task, and return the seconds until each task's next start."""
    conn.execute("TRUNCATE procrastinate_jobs, procrastinate_events, ganns.task_calls, ganns.task_attempts CASCADE")
    victims = [start(address, f"v{k}", command, folder / "log") for k in range(num)]
    jobs = group(queue_app.hold.s() for _ in range(num)).apply_async(connection=conn).job_ids
    wait(conn, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'", num)
    spare = start(address, "spare", [*STOCK, f"--concurrency={num}"], folder / "log")
    wait(conn, "SELECT count(*) FROM procrastinate_workers", num + 1)
    ended: list[datetime] = []
    for victim in victims:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        ended.append(row[0])
        if number == signal.SIGKILL:
            os.killpg(victim.pid, number)
        else:
            victim.send_signal(number)
        time.sleep(0.7)  # so that the heartbeats have different ages
    again = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND attempts > 0"
    wait(conn, again, num)
    starts = conn.execute(
        "SELECT max(at) FROM procrastinate_events WHERE type = 'started' AND job_id = ANY(%s) "
        "GROUP BY job_id ORDER BY 1",
        [jobs],
    ).fetchall()
    os.killpg(spare.pid, signal.SIGKILL)
    for process in (*victims, spare):
        process.wait(30)
    conn.execute("DELETE FROM procrastinate_workers")
    # Pair the k-th end with the k-th restart: we do not know which task belongs to which end, but sums stay right.
    return [(row[0] - end).total_seconds() for row, end in zip(starts, ended, strict=True)]


def measure_revoked(address: Address, conn: Connection, num: int, folder: Path) -> list[float]:
    """Revoke `num` tasks, one after the other, that do not end by themselves; return the seconds until REVOKED."""
    worker = start(address, "alone", HARDENED, folder / "log")
    seconds = []
    for _ in range(num):
        result = queue_app.stubborn.apply_async(connection=conn)
        wait(conn, "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'", 1)
        begun = time.monotonic()
        result.revoke(terminate=True)
        while result.state != "REVOKED":
            if time.monotonic() > begun + 120:
                raise SystemExit(f"a revoked task is {result.state} after 120 s")
            time.sleep(0.02)
        seconds.append(time.monotonic() - begun)
    worker.send_signal(signal.SIGINT)
    worker.wait(60)
    return seconds


def measure_chords(address: Address, conn: Connection, num: int, folder: Path) -> list[float]:
    """Let `num` chords wait for a task that is not due; return the seconds from the deadline to the answer of each."""
    worker = start(address, "alone", HARDENED, folder / "log")
    queue_app.noop_result.s(1).apply_async(connection=conn).get(timeout=120)  # it has started
    seconds = []
    for _ in range(num):
        members = [queue_app.noop_result.s(1).set(countdown=3600)]
        result = chord(members, queue_app.body.s(), deadline=DEADLINE_S).apply_async(connection=conn)
        begun = time.monotonic()
        while result.state != "FAILURE":
            if time.monotonic() > begun + 120:
                raise SystemExit(f"a chord is {result.state} after 120 s")
            time.sleep(0.02)
        seconds.append(time.monotonic() - begun - DEADLINE_S)
    worker.send_signal(signal.SIGINT)
    worker.wait(60)
    return seconds


def main() -> None:
    """Measure both ways of ending, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=6, help="number of workers that end in a turn")
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    dead: list[float] = []
    left: list[float] = []
    stop = threading.Event()
    with cluster(num_workers=0) as address, connect(address) as conn, tempfile.TemporaryDirectory() as name:
        revoked = measure_revoked(address, conn, arguments.workers, Path(name))
        chords = measure_chords(address, conn, arguments.workers, Path(name))
        rescuer = threading.Thread(target=rescue.run, args=(address, stop))
        rescuer.start()
        try:
            for _ in range(arguments.turns):
                dead += measure(address, conn, arguments.workers, STOCK, signal.SIGKILL, Path(name))
                left += measure(address, conn, arguments.workers, HARDENED, signal.SIGINT, Path(name))
        finally:
            stop.set()
            rescuer.join()

    def p95(values: list[float]) -> float:
        return round(sorted(values)[min(len(values) - 1, int(0.95 * len(values)))], 2)

    figures = {
        "num": len(dead),
        "dead_s_median": round(statistics.median(dead), 2),
        "dead_s_p95": p95(dead),
        "left_s_median": round(statistics.median(left), 3),
        "left_s_p95": p95(left),
        "revoked_s_median": round(statistics.median(revoked), 2),
        "revoked_s_max": round(max(revoked), 2),
        "chord_s_median": round(statistics.median(chords), 2),
        "chord_s_max": round(max(chords), 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
