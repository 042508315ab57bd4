"""Does quality last? Long runs with several settings and seeds: the last version's distances beside the best one's.

    python -m benchmarks.lasting [--seeds 3] [--images 290000] [--only "R1, rates 1e-3"] [--out outputs/lasting.jsonl]

A run is `ganns solo`'s own loop, evaluated at `--points` versions, so its numbers do not depend on the machine's load.
290,000 images are four times a demo. Each result is a line of `--out`; existing results are not computed again.
`docs/explain/strategies.md` has the table.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.quality import one_thread
from ganns.config import (
    Config,
    LocalStepsStrategy,
    ModelConfig,
    NonSaturatingLoss,
    OptimizerConfig,
    QuorumConfig,
    StopConfig,
    SyntheticData,
)
from ganns.data import ImageSet, open_images
from ganns.evaluation import batches
from ganns.evaluation.features import attribute_network, features_of, load_network, to_bytes
from ganns.evaluation.metrics import compare
from ganns.evaluation.ranking import best
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState

NUM_UNITS, NUM_JUDGED = 2, 1000
METRICS = ("fid", "swd", "precision", "recall")
Changes = dict[str, Any]
VARIANTS: dict[str, tuple[Changes, Changes]] = {  # of the optimizer, and of the loss
    "plain": ({}, {}),
    "R1": ({}, {"r1": 1.0}),
    "rates 1e-3": ({"lr_g": 1e-3, "lr_d": 1e-3}, {}),
    "R1, rates 1e-3": ({"lr_g": 1e-3, "lr_d": 1e-3}, {"r1": 1.0}),
    "R1, rates 1e-3, growing average": ({"lr_g": 1e-3, "lr_d": 1e-3, "ema_decay": 0.99999}, {"r1": 1.0}),
    "R1, rates 2e-3": ({"lr_g": 2e-3, "lr_d": 2e-3}, {"r1": 1.0}),
    "label smoothing": ({}, {"label_smoothing": 0.1}),
}


def long_run(variant: str, seed: int, num_images: int, num_features: int) -> Config:
    """Return the demo's configuration with other networks, a variant's settings, and `num_images` in total."""
    optimizer, loss = VARIANTS[variant]
    strategy = LocalStepsStrategy(unit_images=512, micro_batch=16)
    return Config(
        seed=seed,
        model=ModelConfig(image_size=32, features_g=num_features, features_d=num_features),
        data=SyntheticData(count=8192, holdout=NUM_JUDGED),
        strategy=strategy,
        optimizer=replace(OptimizerConfig(ema_decay=0.99), **optimizer),
        loss=NonSaturatingLoss(**loss),
        quorum=QuorumConfig(units=NUM_UNITS),
        stop=StopConfig(rounds=max(1, round(num_images / (NUM_UNITS * strategy.unit_images)))),
    )


def train(variant: str, seed: int, num_images: int, num_features: int, points: int) -> list[dict[str, Any]]:
    """Train one variant; return a mapping with the metrics of each of `points` versions."""
    config = long_run(variant, seed, num_images, num_features)
    images, state = open_images(config.data, config.model.image_size), TrainingState(config)
    judge, found = Judge(images, config.model.image_size), []
    assert config.stop.rounds is not None
    versions = {round(config.stop.rounds * (n + 1) / points) for n in range(points)}
    for row in train_solo(config, images, state):
        version = state.progress.version
        if version in versions:
            metrics = judge.judge(state)
            found.append({"version": version, "metrics": metrics, "d_real": row["d_real"], "d_fake": row["d_fake"]})
    return found


class Judge:
    """Measures versions as a run's evaluation does."""

    def __init__(self, images: ImageSet, image_size: int) -> None:
        """Compute the features of the held-out images once."""
        self._network = load_network(image_size, attribute_network(image_size)[0])
        pixels = to_bytes(images.holdout(NUM_JUDGED))
        self._real = features_of(self._network, pixels), pixels[: batches.NUM_COMPARED]

    def judge(self, state: TrainingState) -> dict[str, float]:
        """Return the metrics of the averaged generator."""
        drawer = batches.build_generator(state.config, batches.averaged_generator(state.config, state.tensors()))
        parts = [batches.draw(state.config, drawer, *part) for part in batches.parts(NUM_JUDGED)]
        pixels = torch.cat(parts)
        return compare(features_of(self._network, pixels), pixels[: batches.NUM_COMPARED], *self._real)


def summary(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return each metric of the last version; and of FID and `swd`, how many times the best version's they are."""
    last, found = rows[-1], best(rows)
    assert found is not None
    return {
        **{name: round(last["metrics"][name], 3) for name in METRICS},
        "best_version": found["version"],
        **{
            f"{name}_last_over_best": round(last["metrics"][name] / min(one["metrics"][name] for one in rows), 3)
            for name in ("fid", "swd")
        },
        **{name: round(last[name], 3) for name in ("d_real", "d_fake")},
    }


def main() -> None:
    """Run the missing variants, one process for each processor; print a line for each result, and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=290_000)
    parser.add_argument("--features", type=int, default=8, help="of both networks")
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--only", choices=VARIANTS, action="append")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("outputs/lasting.jsonl"))
    options = parser.parse_args()
    open_images(long_run("plain", 0, options.images, options.features).data, 32)  # drawn once
    attribute_network(32)
    size = (options.images, options.features, options.points)
    wanted = [(name, seed, *size) for seed in range(options.seeds) for name in options.only or VARIANTS]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    done = {tuple(key): rows for key, rows in map(json.loads, lines)}
    context = multiprocessing.get_context("spawn")
    with (
        options.out.open("a") as out,
        ProcessPoolExecutor(options.processes, mp_context=context, initializer=one_thread) as pool,
    ):
        jobs = {pool.submit(train, *key): key for key in wanted if key not in done}
        for job in as_completed(jobs):
            key = jobs[job]
            done[key] = job.result()
            out.write(json.dumps([key, done[key]]) + "\n")
            out.flush()
            print(key, summary(done[key]), flush=True)
    results: dict[str, list[dict[str, float]]] = {}
    for name, seed, *_ in wanted:
        results.setdefault(name, []).append(summary(done[name, seed, *size]))
    figures = {"images": options.images, "features": options.features, "seeds": options.seeds, "variants": results}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
