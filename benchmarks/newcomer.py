"""Measure how soon a newcomer helps: from the typed line to the first accepted unit, on a machine without images.

    python -m benchmarks.newcomer

A server, a coordinator and two workers train with the demo's images and networks in one home. Then `ganns worker`
starts in a clean home with nothing but the address, as on another machine. It loads PyTorch, draws its own images, and
takes units. The class trains on meanwhile: the figures say how long its rounds took before the newcomer came, and while
it prepared. The last line is one JSON object. All processes share this machine, so the class and the newcomer slow each
other down; a newcomer on a machine of its own is faster.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from typing import Any

from benchmarks.classroom import Classroom, classroom, wait_for
from ganns.config import Config, EvaluateConfig, QuorumConfig, StopConfig
from ganns.launch.compose import compose

CLASS, NEWCOMER = ("first", "second"), "newcomer"
LONGEST_S = 900.0
ROUNDS_BEFORE = 5

PREPARING = "SELECT count(*) FROM ganns.task_workers WHERE preparing IS NOT NULL"
ACCEPTED = """
SELECT count(*) FROM ganns.ledger AS l JOIN ganns.workers AS w ON w.id = l.worker_id WHERE w.name = %s AND l.accepted
"""
CLOSED = "SELECT extract(epoch FROM closed_at)::float8 FROM ganns.rounds WHERE closed_at IS NOT NULL ORDER BY closed_at"


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=8000, help="number of faces to train on; the demo has 8,000")
    arguments = parser.parse_args()
    with classroom("newcomer") as room:
        figures = measure(room, settings(arguments.images))
    print(json.dumps(figures))


def settings(num_images: int) -> Config:
    """Return the demo's settings for a run without an end, with a unit for the newcomer in each round."""
    config = compose(["experiment=demo", f"data.count={num_images}", f"data.holdout={num_images // 8}"])
    config.quorum, config.stop = QuorumConfig(units=len(CLASS) + 1), StopConfig(rounds=10**6)
    config.evaluate = EvaluateConfig(every=0)
    return config


def measure(room: Classroom, config: Config) -> dict[str, Any]:
    """Let the class begin, then the newcomer come; return the figures."""
    for name in CLASS:
        room.start_worker(name)
    room.start_coordinator(config)
    wait_for(lambda: len(closed(room)) >= ROUNDS_BEFORE, "the class's first rounds", LONGEST_S, 0.2)
    before, came_at = closed(room), time.time()
    home = str(room.folder / "clean")
    room.start_worker(NEWCOMER, HOME=home, GANNS_HOME=f"{home}/.ganns")
    wait_for(lambda: room.rows(PREPARING)[0][0], "the newcomer to prepare", LONGEST_S, 0.1)
    preparing_at = time.time()
    wait_for(lambda: not room.rows(PREPARING)[0][0], "the newcomer's images", LONGEST_S, 0.1)
    prepared_at = time.time()
    wait_for(lambda: room.rows(ACCEPTED, [NEWCOMER])[0][0], "the newcomer's first unit", LONGEST_S, 0.1)
    accepted_at = time.time()
    meanwhile = [at for at in closed(room) if came_at < at < prepared_at]
    return {
        "cpus": os.cpu_count(),
        "faces": config.data.count + config.data.holdout,  # type: ignore[attr-defined]
        "preparing_after_s": round(preparing_at - came_at, 1),
        "prepared_after_s": round(prepared_at - came_at, 1),
        "accepted_after_s": round(accepted_at - came_at, 1),
        "rounds_meanwhile": len(meanwhile),
        "round_before_s": round(statistics.median(gaps(before)), 2),
        "round_meanwhile_s": round(statistics.median(gaps([came_at, *meanwhile])), 2),
        "longest_meanwhile_s": round(max(gaps([came_at, *meanwhile])), 2),
    }


def closed(room: Classroom) -> list[float]:
    """Return when each round closed, in seconds since 1970: the server's clock is this machine's."""
    return [at for (at,) in room.rows(CLOSED)]


def gaps(times: list[float]) -> list[float]:
    """Return the seconds from each time to the next."""
    return [later - earlier for earlier, later in itertools.pairwise(times)]


if __name__ == "__main__":
    main()
