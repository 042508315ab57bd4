"""Codecs compared: bytes of a unit, time to encode and decode, error, and with `--seeds` the quality of the images.

    python -m benchmarks.codecs
    python -m benchmarks.codecs --seeds 3

The numbers are those of a real unit of `strategy=local_steps`: DCGAN-64 trains on synthetic faces, and the change of
its weights is encoded and decoded on one thread. The error is relative: |decoded - change| / |change|, of one unit, and
of the mean of eight that differ only in what the codec draws at random. For `codec.down=chain` the weights take the
same change five times, and the error is that of the published ones then, against one change. With `--seeds` small
networks train from the same seeds through each codec, and the sliced Wasserstein distance (SWD) of their images is
compared. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.cluster import temporary_home
from benchmarks.variants import local, product, small
from ganns.config import CodecConfig, Config, Fp32Codec, HomeCodec, Int8Codec, LocalStepsStrategy, SyntheticData
from ganns.data import open_images
from ganns.training.chain import digest_of, follow, next_link
from ganns.training.compression import CODECS, Codec
from ganns.training.parts import decode_part, encode_part
from ganns.training.serialization import pack, unpack
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from ganns.training.unit import Part

REPEATS, SEEDS_OF_A_MEAN = 5, 8
TRAINED = {"fp32": Fp32Codec(), "int8": Int8Codec(), "up=int4": Fp32Codec(up="int4"), "home": HomeCodec()}
"""The settings that small networks train with."""


def main() -> None:
    """Compute a unit, send it through each codec, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=256, help="images of the unit")
    parser.add_argument("--seeds", type=int, default=0, help="number of small networks to train through each codec")
    parser.add_argument("--quality-images", type=int, default=65536, help="images that each of them trains on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with temporary_home():
        parts, compute_s = unit(arguments.images)
        figures = {name: measure(parts, codec) for name, codec in CODECS.items()}
        for name, found in figures.items():
            print(f"{name}: {found}")
        chain = measure_chain(parts)
        print(f"chain: {chain}")
        learned: dict[str, list[float]] = {}
        for name, codec in TRAINED.items() if arguments.seeds else ():
            learned[name] = [round(quality(codec, one, arguments.quality_images), 1) for one in range(arguments.seeds)]
            print(f"{name}: SWD {learned[name]}")
    more = {"unit_images": arguments.images, "compute_s": round(compute_s, 2), "swd": learned}
    print(json.dumps({"codecs": figures, "chain": chain} | more))


def unit(num_images: int) -> tuple[dict[str, Part], float]:
    """Return the parts of a unit of DCGAN-64, and the seconds that it took on one thread."""
    config = Config(
        data=SyntheticData(count=num_images, holdout=2),
        strategy=LocalStepsStrategy(unit_images=num_images, micro_batch=32),
    )
    computer, images = build_computer(config), open_images(config.data, config.model.image_size)
    computer.load(TrainingState(config).weights())
    begun = time.perf_counter()
    result = computer.compute(images.train(np.arange(num_images)), (0, 0, 0))
    assert result is not None
    return result.parts, time.perf_counter() - begun


def measure(parts: dict[str, Part], codec: Codec) -> dict[str, float]:
    """Return bytes, speeds in MB/s of fp32 numbers, and errors of a unit that goes through a codec."""
    encoding, decoding, size = [], [], 0
    for _ in range(REPEATS):
        begun = time.perf_counter()
        sent = {role: pack(encode_part(part, codec, (0, 0, 0, role))) for role, part in parts.items()}
        encoded = time.perf_counter()
        for role, data in sent.items():
            decode_part(unpack(data), codec, shapes(parts[role]), (0, 0, 0, role))
        encoding.append(encoded - begun)
        decoding.append(time.perf_counter() - encoded)
        size = sum(len(data) for data in sent.values())
    change = flat(parts)
    one, mean = through(parts, codec, 0), torch.zeros_like(change)
    for seed in range(SEEDS_OF_A_MEAN):
        mean += through(parts, codec, seed) / SEEDS_OF_A_MEAN
    megabytes = 4 * len(change) / 1e6
    return {
        "bytes": size,
        "bytes_a_number": round(size / len(change), 3),
        "encode_mb_s": round(megabytes / statistics.median(encoding)),
        "decode_mb_s": round(megabytes / statistics.median(decoding)),
        "encode_s": round(statistics.median(encoding), 3),
        "decode_s": round(statistics.median(decoding), 3),
        "error": float(f"{float((one - change).norm() / change.norm()):.2g}"),
        "error_of_the_mean_of_8": float(f"{float((mean - change).norm() / change.norm()):.2g}"),
    }


def measure_chain(parts: dict[str, Part]) -> dict[str, float]:
    """Return bytes and error of a chain's links, and the seconds of the coordinator and of a worker for each."""
    change = {f"{role}.{name}": value for role, part in parts.items() for name, value in part.gradients.items()}
    published = exact = TrainingState(Config()).weights()
    making, following, size = [], [], 0
    for _ in range(REPEATS):
        exact = {name: value - change[name] for name, value in exact.items()}
        begun = time.perf_counter()
        link, after = next_link(published, exact)
        data, end = pack(link.change), digest_of(after)
        made = time.perf_counter()
        follow(published, data, end)
        making.append(made - begun)
        following.append(time.perf_counter() - made)
        published, size = after, len(data)
    left = torch.cat([(exact[name] - published[name]).reshape(-1) for name in change])
    whole = torch.cat([value.reshape(-1) for value in change.values()])
    return {
        "bytes": size,
        "bytes_a_number": round(size / len(whole), 3),
        "whole_bytes": len(pack(published)),
        "make_s": round(statistics.median(making), 3),
        "follow_s": round(statistics.median(following), 3),
        "error": float(f"{float(left.norm() / whole.norm()):.2g}"),
    }


def shapes(part: Part) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a part's gradients."""
    return {name: tuple(value.shape) for name, value in part.gradients.items()}


def flat(parts: dict[str, Part]) -> torch.Tensor:
    """Return all gradients, one after the other."""
    return torch.cat([value.reshape(-1) for part in parts.values() for value in part.gradients.values()])


def through(parts: dict[str, Part], codec: Codec, unit: int) -> torch.Tensor:
    """Return all gradients as the coordinator gets them from this unit."""
    found = {}
    for role, part in parts.items():
        seed = (0, 0, unit, role)
        found[role] = decode_part(encode_part(part, codec, seed), codec, shapes(part), seed)
    return flat(found)


def quality(codec: CodecConfig, seed: int, num_images: int) -> float:
    """Return the SWD of the study's small networks after training with local steps through a codec, both ways."""
    config = local(replace(small(seed, num_images), codec=codec))
    return float(product(config, num_images)["swd"])


if __name__ == "__main__":
    main()
