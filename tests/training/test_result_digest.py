"""What the ledger keeps of a result: equal results have one digest, and sketches tell how far others are apart."""

from __future__ import annotations

import pytest
import torch

from ganns.training.compression import get_codec
from ganns.training.result_digest import ROLES, WIDTH, result_digest, sketched_distance
from ganns.training.unit import Part, UnitResult

SHAPES = {"weight": (40, 3, 8, 8), "bias": (41,)}
SEED = (0, 3, 1)


def result(seed: int, noise: float = 0.0) -> UnitResult:
    rng = torch.Generator().manual_seed(7)
    other = torch.Generator().manual_seed(seed)
    parts = {}
    for role in ROLES:
        gradients = {name: torch.randn(shape, generator=rng) for name, shape in SHAPES.items()}
        gradients = {n: value + noise * torch.randn(value.shape, generator=other) for n, value in gradients.items()}
        parts[role] = Part(gradients, {"norm": torch.ones(9, dtype=torch.float64)})
    return UnitResult(8, parts)


@pytest.mark.parametrize("codec", ["fp32", "fp16", "int8", "rot2"])
def test_equal_results_have_one_digest_whatever_their_layout(codec):
    one, other = result(1), result(1)
    for part in other.parts.values():
        part.gradients = dict(reversed(part.gradients.items()))
        part.gradients["weight"] = part.gradients["weight"].to(memory_format=torch.channels_last)
    found = result_digest(one, get_codec(codec), SEED)
    assert found == result_digest(other, get_codec(codec), SEED)
    assert len(found.sketch) == 2 * 4 * WIDTH == 512
    assert len(found.digest) == 64


@pytest.mark.parametrize("change", ["a bit of a gradient", "a sum", "the networks exchanged"])
def test_any_difference_is_another_digest(change):
    one, other = result(1), result(1)
    if change == "a sum":
        other.parts["g"].sums["norm"][3] += 1
    elif change == "a bit of a gradient":
        value = other.parts["g"].gradients["bias"]
        value[5] = torch.nextafter(value[5], torch.tensor(9.0))
    else:
        other.parts = {"d": other.parts["g"], "g": other.parts["d"]}
    fp32 = get_codec("fp32")
    assert result_digest(one, fp32, SEED).digest != result_digest(other, fp32, SEED).digest


@pytest.mark.parametrize("noise", [1e-4, 1e-2, 1.0])
def test_sketches_estimate_the_relative_distance(noise):
    fp32 = get_codec("fp32")
    mine = result_digest(result(0), fp32, SEED).sketch
    found = [sketched_distance(result_digest(result(seed, noise), fp32, SEED).sketch, mine) for seed in range(8)]
    assert sum(found) / len(found) == pytest.approx(noise, rel=0.25)  # of two networks the larger distance
    assert all(0.6 * noise < one < 1.6 * noise for one in found)
    assert sketched_distance(mine, mine) == 0
