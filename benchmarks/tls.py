"""Measure what encryption costs: blobs and rounds through the TLS front, and past it.

    python -m benchmarks.tls

One embedded server, as `ganns db serve` opens it, on this machine. Blobs of 25 MB, the size of DCGAN-64's weights, go
up and down over one connection, in turn with and without TLS. Then blocks of rounds: DCGAN-64, 2 workers of 1 thread,
64 images each, whose connections are encrypted in every second block. The coordinator uses the server's socket, as
always. The front shares the two workers' processors here; on a network it is alone with the server. The last line is
one JSON object; `round_ratio` is the time of a round without TLS divided by the time with it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.cluster import Stopwatch, temporary_home
from ganns.config import OPTIONS, Config, EvaluateConfig, QuorumConfig, StopConfig, SyntheticData
from ganns.coordinator import train_run
from ganns.db.address import Address, resolve
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.opened import OpenServer
from ganns.db.server.ports import steady_port
from ganns.worker.launch import start_worker, stop_workers

BLOB_BYTES = 25_000_000
NUM_WORKERS, NUM_IMAGES = 2, 64
WARMUP = 2


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blobs", type=int, default=15, help="transfers of each kind")
    parser.add_argument("--blocks", type=int, default=3, help="blocks of rounds of each kind, alternating")
    parser.add_argument("--rounds", type=int, default=8, help="measured rounds in a block")
    parser.add_argument("--codec", default="fp32", choices=["fp32", "fp16"])
    arguments = parser.parse_args()
    with temporary_home() as folder, OpenServer(folder / "pg", "127.0.0.1", steady_port("benchmark")) as opened:
        with connect(opened.server.address) as conn:
            migrate(conn)
            conn.execute("CREATE UNLOGGED TABLE public.blobs (data bytea STORAGE EXTERNAL)")
            conn.execute("GRANT ALL ON public.blobs TO public")
        encrypted = resolve(opened.address("127.0.0.1").conninfo)
        assert encrypted is not None
        ways = {"plain": opened.server.tcp_address("127.0.0.1"), "tls": encrypted}
        mb_per_s = blobs(ways, arguments.blobs)
        print(mb_per_s)
        seconds, ratios = rounds(
            ways, opened.server.address, folder, arguments.blocks, arguments.rounds, arguments.codec
        )
    figures = {
        "up_plain_mb_per_s": mb_per_s["up_plain"],
        "up_tls_mb_per_s": mb_per_s["up_tls"],
        "down_plain_mb_per_s": mb_per_s["down_plain"],
        "down_tls_mb_per_s": mb_per_s["down_tls"],
        "round_s_plain": round(seconds["plain"], 3),
        "round_s_tls": round(seconds["tls"], 3),
        "round_ratio": round(seconds["plain"] / seconds["tls"], 3),
        "block_ratios": ratios,
        "codec": arguments.codec,
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(figures))


def blobs(ways: dict[str, Address], times: int) -> dict[str, int]:
    """Return MB/s up and down for each way, from the median of the transfers."""
    seconds: dict[str, list[float]] = {f"{what}_{way}": [] for what in ("up", "down") for way in ways}
    data = os.urandom(BLOB_BYTES)
    with connect(ways["plain"]) as plain, connect(ways["tls"]) as tls:
        for _ in range(times):
            for way, conn in (("plain", plain), ("tls", tls)):
                begun = time.perf_counter()
                conn.execute("INSERT INTO public.blobs VALUES (%b)", (data,))
                seconds[f"up_{way}"].append(time.perf_counter() - begun)
                begun = time.perf_counter()
                row = psycopg.Cursor(conn).execute("SELECT data FROM public.blobs", binary=True).fetchone()
                seconds[f"down_{way}"].append(time.perf_counter() - begun)
                assert row is not None
                assert bytes(row[0]) == data
                conn.execute("TRUNCATE public.blobs")
    return {name: round(BLOB_BYTES / 1e6 / statistics.median(all_)) for name, all_ in seconds.items()}


def rounds(
    ways: dict[str, Address], coordinator: Address, folder: Path, blocks: int, measured: int, codec: str
) -> tuple[dict[str, float], list[float]]:
    """Return the seconds of a round for each way, and the ratio of each pair of blocks."""
    config = Config(
        name="benchmark",
        data=SyntheticData(count=1024, holdout=8),
        codec=OPTIONS["codec"][codec](),
        quorum=QuorumConfig(units=NUM_WORKERS),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=0),
    )
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    ratios = []
    for block in range(blocks):
        medians = {}
        # In turn: what is first in a pair finds another load, and colder files, than what is second.
        for way, address in list(ways.items())[:: 1 if block % 2 == 0 else -1]:
            config.stop.rounds += measured + WARMUP
            watch = Stopwatch()
            with running(address, folder / way):
                train_run(config, coordinator, watch)
            config.resume = "latest"
            seconds[way] += watch.seconds(WARMUP)
            medians[way] = statistics.median(watch.seconds(WARMUP))
        ratios.append(round(medians["plain"] / medians["tls"], 3))
        print(f"block {block + 1}: plain {medians['plain']:.3f} s, TLS {medians['tls']:.3f} s a round")
    return {way: statistics.median(all_) for way, all_ in seconds.items()}, ratios


@contextmanager
def running(address: Address, log: Path) -> Iterator[None]:
    """Run the workers."""
    processes = [start_worker(address, f"w{number}", 1, log.with_suffix(f".{number}")) for number in range(NUM_WORKERS)]
    try:
        yield
    finally:
        stop_workers(processes)


if __name__ == "__main__":
    main()
