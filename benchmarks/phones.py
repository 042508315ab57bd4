"""A class of simulated phones: the speed of their rounds, the projector's delay, and the instructor's laptop's load.

    python -m benchmarks.phones
    python -m benchmarks.phones --phones 10 --seconds 10

It starts a PostgreSQL and `ganns dashboard --phones`. The phones are tasks of this process: each takes units over a
WebSocket as a browser does, waits for the time that a phone would compute, and returns a gradient of the right form. A
projector watches. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import statistics
import time
from collections import Counter

import numpy as np
from websockets.asyncio.client import connect as join

from benchmarks.cluster import cluster
from benchmarks.dashboard import cpu_s, dashboard, postgres, rss_mb
from ganns.dashboard.phones.network import NUM_WEIGHTS
from ganns.db.address import Address
from ganns.db.connect import connect

COMPUTES_S = (0.02, 0.15)
"""The time that a phone computes, at random between these."""
WARM_UP_S = 3.0


async def phone(url: str, number: int, counts: Counter[str]) -> None:
    """Take units and return results, until cancelled."""
    gradient = np.random.RandomState(number).normal(0, 0.01, NUM_WEIGHTS).astype("<f4")
    content = base64.b64encode(gradient.tobytes()).decode()
    async with join(f"{url}/phones/join") as socket:
        hello = {"type": "hello", "name": f"simulated {number}"}
        await socket.send(json.dumps(hello))
        async for text in socket:
            message = json.loads(text)
            counts[message["type"]] += 1
            if message["type"] == "unit":
                await asyncio.sleep(random.uniform(*COMPUTES_S))
                result = {"type": "result", "unit": message["unit"], "gradient": content, "lossD": 1.4, "lossG": 0.7}
                await socket.send(json.dumps(result))
            elif message["type"] == "judged":
                counts["in time" if message["inTime"] else "late"] += 1


async def projector(url: str, seen: dict[int, float]) -> None:
    """Record when each version arrives, in seconds since 1970."""
    async with join(f"{url}/phones/watch") as socket:
        async for text in socket:
            seen.setdefault(json.loads(text)["version"], time.time())


async def lesson(url: str, num: int, seconds: float, pid: int, address: Address) -> tuple[list[float], Counter[str]]:
    """Let phones work; return the CPU seconds of the dashboard and of PostgreSQL, and the counted messages."""
    counts: Counter[str] = Counter()
    tasks = [asyncio.create_task(phone(url, number, counts)) for number in range(num)]
    await asyncio.sleep(WARM_UP_S)
    counts.clear()
    groups = [pid], postgres(address)  # the dashboard's connections are there now
    before = [cpu_s(group) for group in groups]
    await asyncio.sleep(seconds)
    used = [cpu_s(group) - old for group, old in zip(groups, before, strict=True)]
    ended = [task.exception() for task in tasks if task.done()]
    if ended:
        raise SystemExit(f"{len(ended)} phones were disconnected, the first by {ended[0]!r}.")
    found = counts.copy()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return used, found


async def watched(
    url: str, num: int, seconds: float, pid: int, address: Address
) -> tuple[list[float], Counter[str], dict[int, float]]:
    """Run a lesson that a projector watches; return its results, and when each version was seen."""
    seen: dict[int, float] = {}
    watching = asyncio.create_task(projector(url, seen))
    used, counts = await lesson(url, num, seconds, pid, address)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return used, counts, seen


def commits(address: Address) -> dict[int, float]:
    """Return when each version was published, in seconds since 1970."""
    with connect(address) as conn:
        rows = conn.execute(
            "SELECT round + 1, extract(epoch FROM closed_at)::float8 FROM ganns.phone_rounds "
            "WHERE closed_at IS NOT NULL"
        )
        return {row[0]: row[1] for row in rows}


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--phones", type=int, default=30, help="how many phones")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long they are measured")
    options = parser.parse_args()
    with cluster(num_workers=0) as address, dashboard(address, "--phones") as (pid, url):
        begun = time.time() + WARM_UP_S
        sockets = url.replace("http", "ws")
        used, counts, seen = asyncio.run(watched(sockets, options.phones, options.seconds, pid, address))
        published = {version: at for version, at in commits(address).items() if begun < at < begun + options.seconds}
        memory = rss_mb(pid)
    # A version that no message had was replaced by a newer one before the projector was told.
    later = sorted(seen)
    delays = [
        min((seen[one] for one in later if one >= version), default=float("inf")) - at
        for version, at in published.items()
    ]
    delays.sort()
    figures = {
        "phones": options.phones,
        "rounds_per_s": round(len(published) / options.seconds, 2),
        "results_per_s": round(counts["judged"] / options.seconds, 1),
        "late_percent": round(100 * counts["late"] / max(1, counts["judged"]), 1),
        "projector_ms_median": round(1000 * statistics.median(delays)),
        "projector_ms_p95": round(1000 * delays[int(0.95 * (len(delays) - 1))]),
        "dashboard_cpu_percent": round(100 * used[0] / options.seconds, 1),
        "postgres_cpu_percent": round(100 * used[1] / options.seconds, 1),
        "rss_mb": round(memory, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
