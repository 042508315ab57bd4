"""The codecs' arithmetic, computed a second time in float64 by the formulas of their papers."""

from __future__ import annotations

from math import erf, exp, pi, sqrt

import numpy as np
import pytest
import torch

from ganns.training.chain import next_link
from ganns.training.compression import get_codec
from ganns.training.rotation import BETWEEN, HIGH, LOW
from ganns.training.seeds import derive

SEED, NUM = (3, 1, 4, "g"), 3 * 4096 - 7
Array = np.ndarray


def random(seed: tuple[int | str, ...] = SEED) -> np.random.Philox:
    return np.random.Philox(key=derive(*seed, "codec", "w"))


def heavy_tailed(num: int = NUM) -> Array:
    """Numbers of which a few are large, as in gradients."""
    return np.random.RandomState(0).standard_t(3, size=num).astype(np.float32)


def through(values: Array, name: str, seed: tuple[int | str, ...] = SEED) -> Array:
    codec, tensor = get_codec(name), torch.from_numpy(values)[None]
    found = codec.decode(codec.encode({"w": tensor}, seed), {"w": (1, len(values))}, seed)["w"]
    return found[0].double().numpy()


def levels() -> tuple[float, float, float]:
    """Return Lloyd's and Max's two positive values for the standard normal distribution, and the bound between them."""

    def density(x: float) -> float:
        return exp(-x * x / 2) / sqrt(2 * pi)

    def below(x: float) -> float:
        return (1 + erf(x / sqrt(2))) / 2

    between = 1.0
    for _ in range(100):  # each value is the mean of its interval, and the bound lies in the middle
        low = (density(0) - density(between)) / (below(between) - below(0))
        high = density(between) / (1 - below(between))
        between = (low + high) / 2
    return low, high, between


def test_the_four_values_are_lloyds_and_maxs() -> None:
    assert levels() == pytest.approx((LOW, HIGH, BETWEEN), abs=5e-5)


def test_rot2_is_eden_with_two_bits() -> None:
    low, high, between = levels()
    matrix = np.ones((1, 1))
    while len(matrix) < 4096:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    matrix /= 64  # orthogonal, and its own inverse
    words = random().random_raw(3 * 64)
    signs = 1.0 - 2.0 * np.array([int(word) >> bit & 1 for word in words for bit in range(64)]).reshape(3, 4096)
    blocks = np.zeros(3 * 4096)
    blocks[:NUM] = values = heavy_tailed()
    turned = (signs * blocks.reshape(3, 4096)) @ matrix
    is_high = np.abs(turned) > between * np.sqrt((turned**2).mean(1, keepdims=True))
    rounded = np.sign(turned) * np.where(is_high, high, low)
    scale = (turned**2).sum(1, keepdims=True) / (turned * rounded).sum(1, keepdims=True)
    expected = (signs * ((scale * rounded) @ matrix)).reshape(-1)[:NUM]
    found = through(values, "rot2")
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_the_mean_over_rotations_is_the_vector_itself() -> None:
    """Its error falls with the root of the number of units; a scale that is wrong by one percent would be seen."""
    values, num = heavy_tailed(4096).astype(np.float64), 256
    mean = sum(through(values.astype(np.float32), "rot2", (0, 0, unit, "g")) for unit in range(num)) / num
    assert (mean @ values) / (values @ values) == pytest.approx(1, abs=0.002)
    assert np.linalg.norm(mean - values) / np.linalg.norm(values) == pytest.approx(0.365 / sqrt(num), rel=0.15)


@pytest.mark.parametrize(("name", "width", "largest"), [("int8", 256, 127), ("int4", 64, 7.5)])
def test_int8_and_int4_are_whole_steps_of_their_blocks(name: str, width: int, largest: float) -> None:
    values = heavy_tailed()
    blocks = np.zeros(-(-NUM // width) * width)
    blocks[:NUM] = values
    blocks = blocks.reshape(-1, width)
    peaks, base = np.abs(blocks).max(1, keepdims=True), np.abs(blocks).max()
    steps = (peaks / base).astype(np.float16).astype(np.float64) * base / largest
    if name == "int8":
        whole = np.clip(np.round(blocks / steps), -largest, largest)
    else:  # rounded up with the probability of the fraction: 16 numbers from -7.5 to 7.5
        bits = random().random_raw(blocks.size // 4).astype("<u8").view("<u2").reshape(blocks.shape)
        whole = np.clip(np.floor(blocks / steps + largest + bits / 65536), 0, 15) - largest
    differ = np.abs(through(values, name) - (whole * steps).reshape(-1)[:NUM]) > 1e-5 * base
    assert differ.mean() < 1e-3  # a number beside the border between two may fall to the other side in float32


def test_a_link_is_the_difference_to_the_exact_weights_in_sixteen_steps() -> None:
    """w' = w + int4(x' - w)."""
    exact, published = heavy_tailed(640), heavy_tailed(1280)[640:]
    tensors = [{"w": torch.from_numpy(one)[None]} for one in (published, exact)]
    _, after = next_link(*tensors)
    difference = (exact - published).astype(np.float64).reshape(-1, 64)
    peaks, base = np.abs(difference).max(1, keepdims=True), np.abs(difference).max()
    steps = (peaks / base).astype(np.float16).astype(np.float64) * base / 7.5
    whole = np.clip(np.floor(difference / steps + 8), 0, 15) - 7.5
    expected = published + (whole * steps).reshape(-1)
    assert np.abs(after["w"][0].numpy() - expected).max() < 1e-5 * base
    assert np.abs(expected - exact).max() <= base / 14
