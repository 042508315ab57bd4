"""The metrics against independent computations, and on images of which one knows what they must say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch

from ganns.config import Config, ModelConfig
from ganns.errors import BadResult
from ganns.evaluation import batches, coverage, metrics
from ganns.evaluation.features import to_bytes
from ganns.training.seeds import generator as seeded
from ganns.training.state import TrainingState

RNG = np.random.default_rng(0)


def two_sets(num: int = 400, width: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    mixing = RNG.normal(size=(width, width))
    real = RNG.normal(size=(num, width)) @ mixing
    fake = RNG.normal(size=(num + 50, width)) @ (mixing + 0.3 * RNG.normal(size=(width, width))) + 0.5
    return torch.from_numpy(fake).float(), torch.from_numpy(real).float()


def test_fid_is_what_numpy_and_scipy_compute():
    fake, real = two_sets()
    one, other = fake.double().numpy(), real.double().numpy()
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = np.sum((one.mean(0) - other.mean(0)) ** 2) + np.trace(
        covariances[0] + covariances[1] - 2 * np.real(root)
    )
    assert metrics.frechet_distance(fake, real) == pytest.approx(expected, rel=1e-6)
    assert metrics.frechet_distance(real, real) == pytest.approx(0, abs=1e-6)


def test_kid_is_the_unbiased_mean_discrepancy_of_the_cubic_kernel():
    fake, real = (features[:400] for features in two_sets())
    one, other = fake.double().numpy(), real.double().numpy()

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a):
        k, n = kernel(a, a), len(a)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    expected = within(one) + within(other) - 2 * kernel(one, other).mean()
    # Each subset is the whole set here, so their mean is exact.
    assert metrics.kernel_distance(fake, real) == pytest.approx(1e3 * expected, rel=1e-6)


def test_kid_is_the_same_each_time_and_leaves_the_global_generator_alone():
    fake, real = two_sets(num=600)
    before = torch.random.get_rng_state()
    assert metrics.kernel_distance(fake, real) == metrics.kernel_distance(fake, real)
    assert torch.equal(torch.random.get_rng_state(), before)


def pictures(num: int, seed: int) -> torch.Tensor:
    """Smooth images that differ from each other."""
    rng = torch.Generator().manual_seed(seed)
    small = torch.rand(num, 3, 4, 4, generator=rng)
    return (torch.nn.functional.interpolate(small, size=32, mode="bilinear") * 255).byte()


def test_comparing_says_good_bad_and_collapsed():
    real, good = pictures(100, 1), pictures(100, 2)
    collapsed = real[:1].expand(100, -1, -1, -1).contiguous()

    def seen(pixels):
        return pixels.float().mean(dim=(2, 3)) / 255

    found = {
        name: metrics.compare(seen(fake), fake, seen(real), real) for name, fake in [("good", good), ("one", collapsed)]
    }
    assert found["good"].keys() == {"swd", "fid", "kid", "precision", "recall", "pixel_variance", "feature_variance"}
    assert found["good"]["pixel_variance"] == pytest.approx(1, abs=0.2)
    assert found["good"]["feature_variance"] == pytest.approx(1, abs=0.5)
    assert found["one"]["pixel_variance"] == found["one"]["feature_variance"] == 0
    for key in ("swd", "fid", "kid"):
        assert found["good"][key] < found["one"][key]
    assert found["good"]["recall"] > 0.5
    assert found["one"]["recall"] < 0.05


def test_with_no_more_images_than_features_there_is_no_fid():
    pixels, features = pictures(8, 1), torch.randn(8, 64)
    few = {"swd", "pixel_variance", "feature_variance"}
    assert metrics.compare(features, pixels, features, pixels).keys() == few | {"precision", "recall"}
    assert metrics.compare(features[:3], pixels, features, pixels).keys() == few


def share_inside_by_hand(points, centres):
    """Compute Kynkäänniemi et al.'s equation 2 point by point, in numpy."""
    radii = [sorted(np.linalg.norm(other - one) for other in centres)[3] for one in centres]  # [0] is the point itself
    inside = [
        any(np.linalg.norm(point - one) <= radius for one, radius in zip(centres, radii, strict=True))
        for point in points
    ]
    return sum(inside) / len(inside)


def test_precision_and_recall_are_what_two_loops_compute(monkeypatch):
    fake, real = (points[:90] for points in two_sets(width=4))
    monkeypatch.setattr(coverage, "CHUNK", 40)  # several chunks, the last one shorter
    precision, recall = coverage.precision_and_recall(fake, real)
    one, other = fake.double().numpy(), real.double().numpy()
    assert precision == pytest.approx(share_inside_by_hand(one, other))
    assert recall == pytest.approx(share_inside_by_hand(other, one))
    assert 0 < recall < precision < 1 or 0 < precision < recall < 1


def test_recall_falls_when_kinds_are_missing_and_precision_when_images_are_wrong():
    rng = torch.Generator().manual_seed(1)
    kinds = 20 * torch.eye(5, 8)
    real = kinds.repeat(40, 1) + torch.randn(200, 8, generator=rng)
    collapsed = kinds[:1].repeat(200, 1) + torch.randn(200, 8, generator=rng)  # one kind of five
    precision, recall = coverage.precision_and_recall(collapsed, real)
    assert precision > 0.5
    assert recall < 0.25
    single = real[:1].repeat(200, 1)  # one image
    assert coverage.precision_and_recall(single, real)[1] <= 1 / 200
    assert coverage.precision_and_recall(real + 100, real) == (0, 0)


def test_features_that_do_not_fit_are_refused():
    pixels, features = pictures(8, 1), torch.randn(8, 4)
    for wrong in (torch.randn(8, 5), torch.full((8, 4), float("nan"))):
        with pytest.raises(BadResult, match="cannot be compared"):
            metrics.compare(wrong, pixels, features, pixels)


def test_parts_make_the_images_that_one_would_draw():
    config = Config(model=ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4))
    state = TrainingState(config)
    network = batches.build_generator(config, batches.averaged_generator(config, state.tensors()))
    for name, value in state.generator(averaged=True).state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    assert [start for start, _ in batches.parts(150)] == [0, 64, 128]
    assert sum(count for _, count in batches.parts(150)) == 150
    look = torch.nn.Flatten()
    seen = [
        batches.decode(batches.encode(batches.extract(batches.draw(config, network, *part), look, part[0])))
        for part in batches.parts(600)
    ]
    features, pixels = batches.join(seen)
    assert features.shape == (600, 3 * 32 * 32)
    assert pixels.shape == (batches.NUM_COMPARED, 3, 32, 32)
    assert torch.equal(batches.draw(config, network, 64, 64), pixels[64:128])


def test_a_conditional_model_is_judged_with_the_labels_of_real_images():
    config = Config(
        model=ModelConfig(
            image_size=32, latent_dim=8, features_g=4, features_d=4, conditional=True, attributes="Smiling,Bald"
        )
    )
    state, labels = TrainingState(config), torch.tensor([[0.0, 1], [1, 0], [1, 1]])
    sent = batches.averaged_generator(config, state.tensors(), labels)
    network = batches.build_generator(config, sent)
    assert torch.equal(sent[batches.LABELS], labels)
    drawn = batches.draw(config, network, 64, 4, sent[batches.LABELS])
    latent = torch.randn(4, 8, generator=seeded(config.seed, "evaluation", 64))
    wanted = state.draw(latent, averaged=True, labels=labels[[1, 2, 0, 1]])  # image 64 has label 64 % 3
    assert torch.equal(drawn, to_bytes(wanted))
