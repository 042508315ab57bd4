"""Two open rounds compared with one: the same training with and without `strategy.pipeline`, in alternating blocks.

    python -m benchmarks.pipeline [--delay-s 0.5]

DCGAN-64, 2 workers of 1 thread, 64 images each. With `--delay-s` the coordinator sleeps before each step. This has the
effect of a slow disk or network, for which the pipeline is made. The last line is one JSON object; `ratio` is the
images/s with the pipeline divided by those without it, from the medians of all blocks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import torch

from benchmarks.cluster import Stopwatch, cluster
from ganns.config import Config, EvaluateConfig, GradientStrategy, ModelConfig, QuorumConfig, StopConfig, SyntheticData
from ganns.coordinator import train_run
from ganns.db.address import Address
from ganns.training.state import TrainingState

NUM_WORKERS, WARMUP = 2, 3


def main() -> None:
    """Run the blocks and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=5, help="number of blocks of each kind, alternating")
    parser.add_argument("--rounds", type=int, default=12, help="measured rounds in a block")
    parser.add_argument("--size", type=int, default=64, choices=[32, 64], help="side of the images in pixels")
    parser.add_argument("--delay-s", type=float, default=0.0, help="additional seconds of each step")
    arguments = parser.parse_args()
    _delay_steps(arguments.delay_s)

    runs: dict[bool, str] = {}
    seconds: dict[bool, list[float]] = {False: [], True: []}
    block_ratios = []
    with cluster(NUM_WORKERS) as address:
        for block in range(arguments.blocks):
            medians = {}
            for pipeline in (False, True):
                config = _config(arguments.size, pipeline)
                config.stop.rounds = (block + 1) * (arguments.rounds + WARMUP)
                config.resume = runs.get(pipeline)
                runs[pipeline], found = _train(config, address)
                seconds[pipeline] += found
                medians[pipeline] = statistics.median(found)
            block_ratios.append(medians[False] / medians[True])
            print(f"block {block + 1}: {medians[False]:.3f} s a round, with the pipeline {medians[True]:.3f} s")
    images = NUM_WORKERS * GradientStrategy().unit_images
    figures = {
        "images_per_s": round(images / statistics.median(seconds[False]), 1),
        "pipeline_images_per_s": round(images / statistics.median(seconds[True]), 1),
        "ratio": round(statistics.median(seconds[False]) / statistics.median(seconds[True]), 3),
        "block_ratios": [round(ratio, 3) for ratio in block_ratios],
        "size": arguments.size,
        "delay_s": arguments.delay_s,
        "torch": torch.__version__,
    }
    print(json.dumps(figures))


def _config(size: int, pipeline: bool) -> Config:
    return Config(
        name="benchmark",
        model=ModelConfig(image_size=size, features_g=size, features_d=size),
        data=SyntheticData(count=1024, holdout=8),
        strategy=GradientStrategy(pipeline=pipeline),
        quorum=QuorumConfig(units=NUM_WORKERS),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=0),
    )


def _train(config: Config, address: Address) -> tuple[str, list[float]]:
    watch = Stopwatch()
    run_id, _ = train_run(config, address, watch)
    return str(run_id), watch.seconds(WARMUP)


def _delay_steps(seconds: float) -> None:
    """Let every step of the coordinator take `seconds` longer, without using the processor."""
    advance = TrainingState.advance

    def slowly(state: TrainingState, *args: Any) -> None:
        time.sleep(seconds)
        advance(state, *args)

    if seconds:
        TrainingState.advance = slowly  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
