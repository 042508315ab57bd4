"""Our round compared with PyTorch DDP's update: the same work, the same machine, alternating blocks.

    python -m benchmarks.round

DCGAN-64, 2 workers of 1 thread, 64 images each. DDP keeps its processes connected to each other; we send the
weights and gradients through PostgreSQL, save the whole state each round and could be killed at any moment.
The last line is one JSON object; `ratio` is our images/s divided by DDP's, from the medians of all blocks.
"""

from __future__ import annotations

import argparse
import json
import statistics

import torch

from benchmarks.cluster import Stopwatch, cluster
from benchmarks.ddp import run_ddp
from ganns.config import OPTIONS, Config, EvaluateConfig, QuorumConfig, StopConfig, SyntheticData
from ganns.coordinator import train_run

NUM_WORKERS, NUM_IMAGES = 2, 64
WARMUP = 3


def main() -> None:
    """Run the blocks and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=5, help="number of blocks of each side, alternating")
    parser.add_argument("--updates", type=int, default=12, help="measured updates in a block")
    parser.add_argument("--codec", default="fp32", choices=sorted(OPTIONS["codec"]))
    arguments = parser.parse_args()

    ours: list[float] = []
    ddp: list[float] = []
    block_ratios = []
    watch = Stopwatch()
    config = Config(
        name="benchmark",
        data=SyntheticData(count=1024, holdout=8),
        codec=OPTIONS["codec"][arguments.codec](),
        quorum=QuorumConfig(units=NUM_WORKERS),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=0),
    )
    with cluster(NUM_WORKERS) as address:
        for block in range(arguments.blocks):
            config.stop.rounds = (block + 1) * (arguments.updates + WARMUP)
            config.resume = None if block == 0 else "latest"
            block_watch = Stopwatch()
            train_run(config, address, block_watch)
            mine = block_watch.seconds(WARMUP)
            theirs = run_ddp(
                world=NUM_WORKERS, threads=1, images_per_rank=NUM_IMAGES, updates=arguments.updates, warmup=WARMUP
            )
            ours += mine
            ddp += theirs
            watch.reports += block_watch.reports[WARMUP:]
            block_ratios.append(statistics.median(theirs) / statistics.median(mine))
            medians = f"ours {statistics.median(mine):.3f} s, DDP {statistics.median(theirs):.3f} s a round"
            print(f"block {block + 1}: {medians}")

    images = NUM_WORKERS * NUM_IMAGES
    parts = {
        name: round(statistics.median(report.timings[name] for report in watch.reports), 4)
        for name in ("fetch", "load", "compute", "upload", "wait", "aggregate", "publish")
    }
    figures = {
        "ganns_images_per_s": round(images / statistics.median(ours), 1),
        "ddp_images_per_s": round(images / statistics.median(ddp), 1),
        "ratio": round(statistics.median(ddp) / statistics.median(ours), 3),
        "block_ratios": [round(ratio, 3) for ratio in block_ratios],
        "codec": arguments.codec,
        "seconds": parts,
        "torch": torch.__version__,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
