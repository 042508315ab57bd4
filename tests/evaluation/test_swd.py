"""The sliced Wasserstein distance: exact where it can be checked, sensitive to what a viewer would see."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import wasserstein_distance
from torch.nn.functional import interpolate

from ganns.errors import DataError
from ganns.evaluation.swd import (
    _doubled,
    _normalised,
    _sliced_distance,
    laplacian_pyramid,
    sliced_wasserstein,
    swd_levels,
)


def smooth_images(num: int, *, seed: int, side: int = 32) -> torch.Tensor:
    """Colourful clouds: images [num, 3, side, side] in [-1, 1] of one distribution."""
    rng = torch.Generator().manual_seed(seed)
    return interpolate(torch.randn(num, 3, 8, 8, generator=rng), size=(side, side), mode="bicubic").tanh()


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    return smooth_images(64, seed=0)


def test_identical_sets_are_at_distance_zero(real: torch.Tensor) -> None:
    assert sliced_wasserstein(real, real) == 0.0


def test_the_same_seed_gives_the_same_number_and_disturbs_no_other_random_stream(real: torch.Tensor) -> None:
    fake = smooth_images(80, seed=1)  # of which a random 64 are used
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = swd_levels(fake, real, seed=3)
    assert torch.equal(torch.rand(3), expected)
    assert swd_levels(fake, real, seed=3) == first
    assert swd_levels(fake, real, seed=4) != first


@pytest.mark.parametrize(("side", "levels"), [(16, [16]), (32, [32, 16]), (64, [64, 32, 16])])
def test_the_pyramid_goes_down_to_16_pixels_and_loses_nothing(side: int, levels: list[int]) -> None:
    images = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pyramid = laplacian_pyramid(images)
    assert [level.shape[-1] for level in pyramid] == levels
    again = pyramid[-1]
    for level in reversed(pyramid[:-1]):
        again = level + _doubled(again)
    torch.testing.assert_close(again, images)
    assert list(swd_levels(images, images, num_patches=4)) == levels


def test_a_constant_image_has_no_detail() -> None:
    fine, coarse = laplacian_pyramid(torch.full((1, 3, 32, 32), 0.5))
    torch.testing.assert_close(fine, torch.zeros(1, 3, 32, 32))
    torch.testing.assert_close(coarse, torch.full((1, 3, 16, 16), 0.5))


def test_two_samples_of_one_distribution_are_close_and_noise_is_far(real: torch.Tensor) -> None:
    noise = torch.rand(real.shape, generator=torch.Generator().manual_seed(2)) * 2 - 1
    sibling = sliced_wasserstein(smooth_images(64, seed=1), real)
    assert 0 < 10 * sibling < sliced_wasserstein(noise, real)


def test_swapping_the_sets_changes_little_when_their_statistics_agree(real: torch.Tensor) -> None:
    fake = smooth_images(64, seed=1)
    assert sliced_wasserstein(fake, real) == pytest.approx(sliced_wasserstein(real, fake), rel=0.1)


def test_wrong_brightness_and_wrong_contrast_count(real: torch.Tensor) -> None:
    """The paper's own normalisation, each set by its own statistics, would give 0 for all three."""
    sibling = sliced_wasserstein(smooth_images(64, seed=1), real)
    green = torch.tensor([0.0, 0.3, 0.0]).view(1, 3, 1, 1)
    assert sliced_wasserstein(real + 0.3, real) > 2 * sibling
    assert sliced_wasserstein(real + green, real) > sibling
    assert sliced_wasserstein(0.5 * real, real) > 2 * sibling
    assert swd_levels(real + 0.3, real)[32] < 1  # brightness is in the coarsest level alone


def test_the_sorted_difference_is_the_wasserstein_distance_of_the_projections() -> None:
    rng = torch.Generator().manual_seed(0)
    fake = torch.randn(20, 147, generator=rng) * 2 + 1
    real = torch.randn(20, 147, generator=rng)
    found = _sliced_distance(fake, real, 130, torch.Generator().manual_seed(7))  # more than a chunk of 128

    directions = torch.randn(130, 147, generator=torch.Generator().manual_seed(7)).double()
    distances = [
        wasserstein_distance(fake.double() @ (d / d.norm()), real.double() @ (d / d.norm())) for d in directions
    ]
    assert found == pytest.approx(sum(distances) / 130, rel=1e-5)


def test_the_whole_distance_against_a_computation_patch_by_patch() -> None:
    """One level of 16x16, everything written out: cut, normalise by the real patches, project, compare."""
    fake, real = smooth_images(3, seed=1, side=16), smooth_images(3, seed=2, side=16)
    rng = torch.Generator().manual_seed(9)
    corners = torch.randint(0, 10, (2, 3, 5), generator=rng).tolist()
    clouds = []
    for images in (fake.double(), real.double()):
        cut = [images[n, :, corners[0][n][p] :, corners[1][n][p] :][:, :7, :7] for n in range(3) for p in range(5)]
        clouds.append(torch.stack(cut))  # [15, 3, 7, 7]
    for channel in range(3):
        mean, deviation = clouds[1][:, channel].mean(), clouds[1][:, channel].std()
        for cloud in clouds:
            cloud[:, channel] = (cloud[:, channel] - mean) / deviation
    distances = []
    for direction in torch.randn(6, 147, generator=rng).double():
        unit = direction / direction.norm()
        distances.append(wasserstein_distance(*(cloud.reshape(15, 147) @ unit for cloud in clouds)))
    expected = 1000 * sum(distances) / 6
    assert swd_levels(fake, real, seed=9, num_patches=5, num_projections=6) == {16: pytest.approx(expected, rel=1e-4)}


def test_a_flat_channel_divides_by_no_zero() -> None:
    flat = torch.zeros(4, 3, 49)
    assert all(points.isfinite().all() for points in _normalised(flat + 1, flat))


def test_a_broken_generator_gives_nan_rather_than_a_good_number(real: torch.Tensor) -> None:
    assert math.isnan(sliced_wasserstein(torch.full_like(real, torch.nan), real))


@pytest.mark.parametrize(
    ("fake", "real", "says"),
    [
        ((1, 3, 32, 32), (5, 3, 32, 32), r"\[1, 3, 32, 32\].*\[5, 3, 32, 32\].*at least 2"),
        ((5, 3, 64, 64), (5, 3, 32, 32), r"\[5, 3, 64, 64\].*\[5, 3, 32, 32\].*same S"),
        ((5, 1, 32, 32), (5, 1, 32, 32), r"\[N, 3, S, S\]"),
        ((3, 32, 32), (3, 32, 32), r"\[N, 3, S, S\]"),
        ((5, 3, 8, 8), (5, 3, 8, 8), "at least 16x16"),
    ],
)
def test_images_that_cannot_be_compared(fake: tuple[int, ...], real: tuple[int, ...], says: str) -> None:
    with pytest.raises(DataError, match=says):
        sliced_wasserstein(torch.zeros(fake), torch.zeros(real))
