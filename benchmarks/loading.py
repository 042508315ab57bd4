"""The speed of the decoded cache: the seconds to make it, images a second from JPEG files, and from the memory map.

    python -m benchmarks.loading

Draws synthetic faces on all processors into a temporary GANNS_HOME, as JPEGs and into the decoded cache. Then it loads
shuffled batches of them at 64x64 in both ways, in one process on one thread: read, decode, crop, resize and convert
each file; or take the pixels from the cache and convert them. All files have just been written, so both ways read from
memory: a disk would add the same time to both. The last line is one JSON object; the figures are medians over
alternating blocks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.cluster import temporary_home
from ganns.config import DataConfig, SyntheticData
from ganns.data import ImageSet, open_images
from ganns.data.sources.decode import prepare
from ganns.data.sources.source import SOURCES, Source
from ganns.training.seeds import permutation

SIZE, BATCH = 64, 64


def main() -> None:
    """Draw, load in both ways, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="number of faces to draw")
    parser.add_argument("--blocks", type=int, default=5, help="number of blocks of each way, alternating")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with temporary_home():
        figures = measure(SyntheticData(count=arguments.images, holdout=2), arguments.blocks)
    print(json.dumps(figures))


def measure(data: DataConfig, blocks: int) -> dict[str, float]:
    """Return the seconds to make the cache, images a second in both ways, and the speed-up of the cache."""
    begun = time.perf_counter()
    images = open_images(data, SIZE)  # draws the faces and builds the cache
    prepared = time.perf_counter() - begun
    print(f"{prepared:.1f} s to draw and decode {images.num_train + images.num_holdout:,} faces")
    source = SOURCES[data.name](data)
    order = permutation(0, 0, images.num_train)
    decoding, cached = [], []
    for block in range(blocks):
        decoding.append(rate(lambda indices: decode(source, indices), order))
        cached.append(rate(images.train, order))
        print(f"block {block + 1}: {decoding[-1]:.0f} images/s decoding, {cached[-1]:.0f} images/s cached")
    check(source, images, order[:BATCH])
    slow, fast = statistics.median(decoding), statistics.median(cached)
    return {
        "prepare_s": round(prepared, 1),
        "images_per_s_decoding": round(slow, 1),
        "images_per_s_cached": round(fast, 1),
        "ratio": round(fast / slow, 1),
    }


def rate(load: Callable[[np.ndarray], torch.Tensor], order: np.ndarray, least_s: float = 1.0) -> float:
    """Return images a second over whole batches of `order`, repeated for at least `least_s`."""
    starts = range(0, max(len(order) - BATCH, 0) + 1, BATCH)  # one batch at least, of all images if they are few
    num_images, begun = 0, time.perf_counter()
    while True:
        for start in starts:
            num_images += len(load(order[start : start + BATCH]))
            if (elapsed := time.perf_counter() - begun) >= least_s:
                return num_images / elapsed


def decode(source: Source, indices: np.ndarray) -> torch.Tensor:
    """Load images without the cache: float32 [N, 3, SIZE, SIZE] in [-1, 1]."""
    read = source.open()
    pixels = np.stack([prepare(read(int(index)), SIZE) for index in indices])
    return torch.from_numpy(pixels).float().div_(127.5).sub_(1.0)


def check(source: Source, images: ImageSet, indices: np.ndarray) -> None:
    """Check that both ways load the same images."""
    assert torch.equal(decode(source, indices), images.train(indices))


if __name__ == "__main__":
    main()
