"""Measure the time from each kind of fault until every worker works again.

    python -m benchmarks.faults

Three `ganns worker`s with the default settings, one of them through a proxy, and a coordinator train a tiny run whose
rounds have spare units: so no round waits for a unit that a dead worker holds, and a round shows when *its* workers
are back. Each fault is injected several times. The time is counted from just before the fault (a laptop's: from its
waking up, an absent server's: from its return) until each worker has done a unit of a round that was opened after it.
The last line is one JSON object: for each fault the median and the largest number of seconds, and the same until the
first round is closed. The exit code is 1 if a kind of fault once took longer than is promised, or if a result was
refused: all workers are honest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

from benchmarks import injections
from benchmarks.classroom import Classroom, classroom, wait_for
from ganns.config import Config, QuorumConfig, StopConfig
from tests.support.fakes import tiny
from tests.worker.proxy import Proxy

NUM_WORKERS = 3
AWAY_S = 6.0
REST_S = 5.0
"""Between two faults, so that each one meets a class at rest."""
PROMISED_S = 10.0
PROMISED_KILLED_S = 5.0
"""Until a killed worker process works again: another one stands by."""
FAULTS: dict[str, injections.Inject] = {
    "worker_killed": injections.kill_worker,
    "supervisor_killed": injections.kill_supervisor,
    "worker_frozen": injections.freeze_worker,
    "worker_asleep": injections.wake_after(AWAY_S),
    "coordinator_killed": injections.kill_coordinator,
    "connections_cut": injections.cut_connections,
    "server_restarted": injections.restart_server,
    "server_crashed": injections.crash_server,
    "server_process_killed": injections.kill_server_process,
    "server_away": injections.leave_server_away(AWAY_S),
}
FROM_THE_END = ("worker_asleep", "server_away", "half_open")
"""Faults that last for a while: the time is counted from their end."""
DONE = """
    SELECT w.name, min(l.at) FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id
    JOIN ganns.rounds o ON o.run_id = l.run_id AND o.round = l.round
    WHERE o.opened_at > to_timestamp(%s) GROUP BY 1"""
CLOSED = "SELECT min(closed_at) FROM ganns.rounds WHERE opened_at > to_timestamp(%s) AND closed_at IS NOT NULL"


def seconds_until_back(
    room: Classroom, config: Config, inject: injections.Inject, number: int, from_the_end: bool
) -> tuple[float, float]:
    """Inject a fault, wait until all workers work, and return (seconds until then, seconds until a closed round)."""
    while True:
        begun = time.time()  # the server runs on this machine: its clock is ours
        try:
            inject(room, room.workers[number % len(room.workers)], config)
        except injections.NotNow:
            continue
        break
    ended = time.time()
    names = {worker.name for worker in room.workers}
    wait_for(lambda: {row[0] for row in room.rows(DONE, (ended,))} >= names, "every worker to work", 180, 0.1)
    start = ended if from_the_end else begun
    back = max(row[1].timestamp() for row in room.rows(DONE, (ended,))) - start
    return back, room.rows(CLOSED, (ended,))[0][0].timestamp() - start


def median_and_max(values: list[float]) -> list[float]:
    return [round(statistics.median(values), 2), round(max(values), 2)]


def beyond(back: dict[str, list[float]]) -> list[str]:
    """Return the kinds of faults after which a worker once needed longer than is promised."""
    promised = {"worker_killed": PROMISED_KILLED_S}
    return sorted(name for name, values in back.items() if max(values) > promised.get(name, PROMISED_S))


def main() -> int:
    """Inject each fault, and print the figures; return 1 if something was not as promised."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="how often each fault happens")
    parser.add_argument("--only", nargs="*", default=[], help="these faults alone")
    arguments = parser.parse_args()
    back: dict[str, list[float]] = {}
    closed: dict[str, list[float]] = {}
    config = tiny(quorum=QuorumConfig(units=NUM_WORKERS, spares=NUM_WORKERS), stop=StopConfig(rounds=10**6))
    with classroom("faults") as room:
        proxy = Proxy(str(room.server.data_dir / ".s.PGSQL.5432"))
        faults = FAULTS | {"half_open": injections.half_open(proxy, AWAY_S)}
        names = arguments.only or list(faults)
        for number in range(1, NUM_WORKERS):
            room.start_worker(f"w{number}")
        room.start_worker("proxied", f"postgresql://ganns_owner@127.0.0.1:{proxy.port}/ganns")
        room.start_coordinator(config)
        wait_for(lambda: len(room.rows(DONE, (0,))) == NUM_WORKERS, "all workers to work", 300, 0.2)
        for name in names:
            for turn in range(arguments.turns):
                time.sleep(REST_S)
                found = seconds_until_back(room, config, faults[name], turn, name in FROM_THE_END)
                back.setdefault(name, []).append(found[0])
                closed.setdefault(name, []).append(found[1])
                print(f"{name}: all workers after {found[0]:.2f} s, a round after {found[1]:.2f} s", flush=True)
        refused = (room.folder / "coordinator.log").read_text().count("refused a result")
    figures = {
        "turns": arguments.turns,
        "cpus": os.cpu_count(),
        "back_s": {name: median_and_max(values) for name, values in back.items()},
        "round_s": {name: median_and_max(values) for name, values in closed.items()},
        "beyond": beyond(back),
        "refused": refused,
    }
    print(json.dumps(figures))
    return 1 if figures["beyond"] or refused else 0


if __name__ == "__main__":
    sys.exit(main())
