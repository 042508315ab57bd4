"""The study behind docs/explain/strategies.md: strategies, Adam's moments, outer optimizers, losses; several seeds.

    python -m benchmarks.study [--seeds 3] [--images 65536] [--only moments] [--out outputs/study.jsonl]

It takes an hour on two cores. Each result is a line of `--out`. Existing results are not computed again, so you can
continue a stopped study, or add more seeds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.quality import one_thread
from benchmarks.variants import BATCH, VARIANTS, Result, local, moments, product, small
from ganns.config import (
    Config,
    HingeLoss,
    LocalStepsStrategy,
    LossConfig,
    ModelConfig,
    NonSaturatingLoss,
    StopConfig,
    SyntheticData,
)
from ganns.data import open_images

FEW = SyntheticData(count=512, holdout=1000)
"""So small a data set that a discriminator can learn it by heart: what augmentation is for."""


def with_loss(loss: LossConfig) -> Callable[[int, int], Result]:
    """Return local steps with another loss."""
    return lambda seed, num: product(local(small(seed, num, loss=loss)), num)


def spectral(seed: int, num: int) -> Result:
    """Train with local steps and a spectrally normalised discriminator."""
    model = ModelConfig(image_size=32, features_g=16, features_d=16, spectral_norm=True)
    return product(local(small(seed, num, model=model)), num)


class StaleLocalSteps(LocalStepsStrategy):
    """Local steps with a pipeline, which no setting of a run allows: the study shows why."""

    pipeline = True


def stale(config: Config) -> Config:
    """Return `config` with a pipeline: what a round computes is applied one version later."""
    if isinstance(config.strategy, LocalStepsStrategy):
        return replace(config, strategy=StaleLocalSteps(**asdict(config.strategy)))
    return replace(config, strategy=replace(config.strategy, pipeline=True))


def slow(config: Config) -> Config:
    """Return `config` with half the learning rates."""
    rates = config.optimizer
    return replace(config, optimizer=replace(rates, lr_g=rates.lr_g / 2, lr_d=rates.lr_d / 2))


def few(config: Config) -> Config:
    """Return `config` with the small data set, the same total number of images, and units that fit into it."""
    epochs = config.stop.epochs * config.data.count // FEW.count if config.stop.epochs else None
    units = replace(config.strategy, unit_images=8 * BATCH)
    return replace(config, data=FEW, strategy=units, stop=StopConfig(epochs=epochs))


GROUPS: dict[str, dict[str, Callable[[int, int], Result]]] = {
    "strategies": VARIANTS,
    "moments": {
        f"moments {kind}": (lambda seed, num, kind=kind: moments(local(small(seed, num)), num, kind))  # type: ignore[misc]
        for kind in ("worker", "averaged", "second")
    },
    "outer": {
        "nesterov 0.7 0.9": lambda seed, num: product(local(small(seed, num), outer_lr=0.7, outer_momentum=0.9), num),
        "outer rate 1.5": lambda seed, num: product(local(small(seed, num), outer_lr=1.5), num),
        "16 steps": lambda seed, num: product(local(small(seed, num), unit_images=16 * BATCH), num),
        "256 steps": lambda seed, num: product(local(small(seed, num), unit_images=256 * BATCH), num),
    },
    "losses": {
        "smoothing 0.1": with_loss(NonSaturatingLoss(label_smoothing=0.1)),
        "hinge": with_loss(HingeLoss()),
        "r1 1": with_loss(NonSaturatingLoss(r1=1.0)),
        "augment": with_loss(NonSaturatingLoss(augment="color,translation,cutout")),
        "spectral norm": spectral,
    },
    "pipeline": {
        "gradient": VARIANTS["gradient"],
        "gradient, pipeline": lambda seed, num: product(stale(small(seed, num)), num),
        "gradient, half rates": lambda seed, num: product(slow(small(seed, num)), num),
        "gradient, half rates, pipeline": lambda seed, num: product(slow(stale(small(seed, num))), num),
        "local_steps, pipeline": lambda seed, num: product(stale(local(small(seed, num))), num),
    },
    "few": {
        "512 images": lambda seed, num: product(few(local(small(seed, num))), num),
        "512 images, augment": lambda seed, num: product(
            few(local(small(seed, num, loss=NonSaturatingLoss(augment="color,translation")))), num
        ),
    },
}
ALL = {name: run for group in GROUPS.values() for name, run in group.items()}


def main() -> None:
    """Run the missing variants, and print the table and the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=65536)
    parser.add_argument("--only", choices=GROUPS, action="append")
    parser.add_argument("--out", type=Path, default=Path("outputs/study.jsonl"))
    parser.add_argument("--plot", type=Path, help="only draw all results of --out into this PNG")
    options = parser.parse_args()
    if options.plot:
        plot(read(options.out), options.plot)
        return
    for data in (small(0, options.images).data, FEW):
        open_images(data, 32)  # drawn once
    names = [name for group in options.only or GROUPS for name in GROUPS[group]]
    wanted = [(name, seed, options.images) for seed in range(options.seeds) for name in names]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    done = read(options.out)
    context = multiprocessing.get_context("spawn")
    with (
        options.out.open("a") as out,
        ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=one_thread) as pool,
    ):
        jobs = {pool.submit(run, *key): key for key in wanted if key not in done}
        for job in as_completed(jobs):
            key = jobs[job]
            done[key] = job.result()
            out.write(json.dumps([*key, done[key]]) + "\n")
            out.flush()
            print(key, {name: round(value, 2) for name, value in done[key].items()}, flush=True)
    table = {name: [done[name, seed, options.images]["swd"] for seed in range(options.seeds)] for name in names}
    for name, values in table.items():
        print(f"{name:24} {statistics.mean(values):7.1f}   {'  '.join(f'{value:.1f}' for value in values)}")
    swd = {name: [round(value, 2) for value in values] for name, values in table.items()}
    print(json.dumps({"images": options.images, "swd": swd}))


def run(name: str, seed: int, num_images: int) -> Result:
    """Train one variant."""
    return ALL[name](seed, num_images)


def read(path: Path) -> dict[tuple[str, int, int], Result]:
    """Return the results of an earlier study."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {(name, seed, num): result for name, seed, num, result in map(json.loads, lines)}


def plot(results: dict[tuple[str, int, int], Result], path: Path) -> None:
    """Draw a row of dots for each variant, one dot for each seed."""
    from matplotlib.figure import Figure

    shown = [name for name in ALL if not name.startswith("512") and any(key[0] == name for key in results)]
    figure = Figure(figsize=(9, 0.42 * len(shown) + 1.2), dpi=110, layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(shown):
        values = [result["swd"] for key, result in results.items() if key[0] == name]
        axes.plot(values, [row] * len(values), "o", color="#D55E00" if name == "local_steps" else "#0072B2", alpha=0.75)
    axes.set_yticks(range(len(shown)), [name.replace("_", " ") for name in shown])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("sliced Wasserstein distance to held-out faces, after the same number of images (lower is better)")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
