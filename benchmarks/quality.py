"""A small comparison of the strategies on the same images, with one seed, in under five minutes.

    python -m benchmarks.quality [--seed 0] [--images 65536]

The numbers are sliced Wasserstein distances of the averaged generator to held-out faces; lower is better.
`docs/explain/strategies.md` has the study over several seeds, which `python -m benchmarks.study` runs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

from benchmarks.variants import VARIANTS, bytes_per_image, local, small
from ganns.data import open_images

NUM_IMAGES = 65536
"""A multiple of two units of local steps, so that every variant sees the same number of images."""


def one_thread() -> None:
    """Limit each process to one thread."""
    import torch

    torch.set_num_threads(1)


def main() -> None:
    """Train each variant in a separate process; one process for each processor runs at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=NUM_IMAGES)
    options = parser.parse_args()
    config = small(options.seed, options.images)
    open_images(config.data, config.model.image_size)  # draw the images before any time is measured
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context, initializer=one_thread) as pool:
        jobs = {name: pool.submit(run, name, options.seed, options.images) for name in VARIANTS}
        results = {name: job.result() for name, job in jobs.items()}
    for name, result in results.items():
        print(name, {key: round(value, 2) for key, value in result.items()})
    swd = {name: round(result["swd"], 2) for name, result in results.items()}
    figures = {
        "solo_swd": swd["solo"],
        "solo_small_batch_swd": swd["solo_small_batch"],
        "gradient_alternating_swd": swd["gradient_alternating"],
        "gradient_swd": swd["gradient"],
        "local_steps_swd": swd["local_steps"],
        "bytes_per_image_gradient": round(bytes_per_image(config), 1),
        "bytes_per_image_local_steps": round(bytes_per_image(local(config)), 1),
        "images": options.images,
    }
    print(json.dumps(figures))


def run(name: str, seed: int, num_images: int) -> dict[str, float]:
    """Train one variant."""
    return VARIANTS[name](seed, num_images)


if __name__ == "__main__":
    main()
