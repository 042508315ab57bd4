"""What does staleness 1 cost? The same images with and without `strategy.pipeline`, in one process.

    python -m benchmarks.staleness [--seeds 3] [--lr 1e-4]

32x32 faces, networks with 16 features, 2 units of 32 images a round. `ganns solo` computes what workers would, so no
database is needed. The last line is one JSON object, with sliced Wasserstein distances to held-out faces (lower is
better), one for each seed.
"""

from __future__ import annotations

import argparse
import json
import time

import torch

from ganns.config import Config, DataConfig, ModelConfig, OptimizerConfig, QuorumConfig, StopConfig, StrategyConfig
from ganns.data import open_images
from ganns.metrics import sliced_wasserstein
from ganns.model import sample
from ganns.seeds import generator
from ganns.solo import train_solo
from ganns.state import TrainingState

NUM_JUDGED = 1000


def main() -> None:
    """Train each seed both ways and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each kind")
    parser.add_argument("--rounds", type=int, default=768)
    parser.add_argument("--lr", type=float, default=2e-4, help="the learning rate of both networks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    found: dict[str, list[float]] = {name: [] for name in ("swd", "raw_swd", "pipeline_swd", "pipeline_raw_swd")}
    for seed in range(arguments.seeds):
        for pipeline, prefix in ((False, ""), (True, "pipeline_")):
            started = time.monotonic()
            averaged, raw = _train(seed, arguments.rounds, arguments.lr, pipeline)
            found[f"{prefix}swd"].append(averaged)
            found[f"{prefix}raw_swd"].append(raw)
            kind = "with the pipeline" if pipeline else "without it"
            print(f"seed {seed}, {kind}: {averaged:.1f} ({raw:.1f} raw) after {time.monotonic() - started:.0f} s")
    figures = {
        "swd": [round(value, 1) for value in found["swd"]],
        "raw_swd": [round(value, 1) for value in found["raw_swd"]],
        "pipeline_swd": [round(value, 1) for value in found["pipeline_swd"]],
        "pipeline_raw_swd": [round(value, 1) for value in found["pipeline_raw_swd"]],
        "rounds": arguments.rounds,
        "lr": arguments.lr,
    }
    print(json.dumps(figures))


def _train(seed: int, num_rounds: int, lr: float, pipeline: bool) -> tuple[float, float]:
    """Return the distances of the averaged generator and of the raw one."""
    config = Config(
        seed=seed,
        model=ModelConfig(image_size=32, features_g=16, features_d=16),
        data=DataConfig(count=8192, holdout=NUM_JUDGED),
        strategy=StrategyConfig(unit_images=32, micro_batch=32, pipeline=pipeline),
        optimizer=OptimizerConfig(lr_g=lr, lr_d=lr),
        quorum=QuorumConfig(units=2),
        stop=StopConfig(rounds=num_rounds),
    )
    images, state = open_images(config.data, 32), TrainingState(config)
    for _ in train_solo(config, images, state):
        pass
    latent = torch.randn(NUM_JUDGED, config.model.latent_dim, generator=generator(seed, "judge"))
    real = images.holdout(NUM_JUDGED)
    averaged, raw = (
        sliced_wasserstein(sample(state.generator(averaged=averaged), latent), real) for averaged in (True, False)
    )
    return averaged, raw


if __name__ == "__main__":
    main()
