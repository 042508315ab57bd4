"""The loss options and spectral normalisation, each against its formula written out here."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ganns.config import AUGMENTATIONS as NAMES
from ganns.config import (
    Config,
    GradientStrategy,
    HingeLoss,
    ModelConfig,
    NonSaturatingLoss,
    validate,
)
from ganns.errors import ConfigError
from ganns.training.augment import AUGMENTATIONS, augment
from ganns.training.dcgan import Discriminator, SpectralConv2d
from ganns.training.gradient import GradientUnit
from ganns.training.losses import build_loss, r1_penalty
from ganns.training.networks import build
from ganns.training.seeds import generator
from ganns.training.state import TrainingState

MODEL = ModelConfig(image_size=32, latent_dim=16, features_g=8, features_d=8)
LOGITS = torch.tensor([-3.0, -0.5, 0.0, 0.5, 3.0])


def images(count: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_non_saturating_losses_are_cross_entropies():
    config = NonSaturatingLoss()
    probability = torch.sigmoid(LOGITS)
    assert torch.allclose(build_loss(config).real(LOGITS), -probability.log().mean())
    assert torch.allclose(build_loss(config).fake(LOGITS), -(1 - probability).log().mean(), atol=1e-6)
    assert torch.allclose(build_loss(config).generator(LOGITS), -probability.log().mean())


def test_label_smoothing_is_one_sided():
    config, probability = NonSaturatingLoss(label_smoothing=0.1), torch.sigmoid(LOGITS)
    expected = -(0.9 * probability.log() + 0.1 * (1 - probability).log()).mean()
    assert torch.allclose(build_loss(config).real(LOGITS), expected, atol=1e-6)
    assert torch.equal(build_loss(config).fake(LOGITS), build_loss(NonSaturatingLoss()).fake(LOGITS))


def test_the_hinge_has_no_gradient_beyond_its_margin():
    config = HingeLoss()
    assert build_loss(config).real(LOGITS).item() == pytest.approx((4 + 1.5 + 1 + 0.5 + 0) / 5)
    assert build_loss(config).fake(LOGITS).item() == pytest.approx((0 + 0.5 + 1 + 1.5 + 4) / 5)
    assert build_loss(config).generator(LOGITS).item() == pytest.approx(0.0)
    logits = LOGITS.clone().requires_grad_()
    build_loss(config).real(logits).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([-0.2, -0.2, -0.2, -0.2, 0.0])


def test_r1_is_half_the_squared_slope_at_real_images():
    weight = torch.linspace(-1, 1, 3 * 32 * 32).view(3, 32, 32)
    real = images().requires_grad_()
    assert r1_penalty(real, (real * weight).sum(dim=(1, 2, 3))).item() == pytest.approx(
        0.5 * weight.square().sum().item(), rel=1e-5
    )


def test_a_unit_with_r1_has_its_gradient_and_g_has_none_of_it():
    """Compared with finite differences of D's whole loss, in float64, along a random direction."""
    plain = Config(model=MODEL, strategy=GradientStrategy(unit_images=6, micro_batch=6), seed=3)
    with_r1 = replace(plain, loss=NonSaturatingLoss(r1=2.0))
    results = []
    for config in (plain, with_r1):
        computer = GradientUnit(config)
        computer.load(TrainingState(config).weights())
        results.append(computer.compute(images(), (3, 0, 0)))
    for name, gradient in results[0].parts["g"].gradients.items():
        assert torch.equal(gradient, results[1].parts["g"].gradients[name])
    assert results[0].metrics["d_loss"] == pytest.approx(results[1].metrics["d_loss"])  # shown without the penalty

    gen, disc = (network.double() for network in build(MODEL, 3))
    latent = torch.randn(6, 16, generator=generator(3, 0, 0, "noise")).double()
    fake, real = gen(latent).detach(), images().double()

    def whole(shift: float) -> float:
        moved = Discriminator(MODEL).double()
        moved.load_state_dict(disc.state_dict())
        with torch.no_grad():
            for name, parameter in moved.named_parameters():
                parameter += shift * directions[name]
        x = real.clone().requires_grad_()
        logits = moved(x)
        (slope,) = torch.autograd.grad(logits.sum(), x)
        cross = -torch.sigmoid(logits).log().mean() - (1 - torch.sigmoid(moved(fake))).log().mean()
        return float((cross + 2.0 * 0.5 * slope.square().sum() / len(x)).detach())

    rng = torch.Generator().manual_seed(1)
    directions = {n: 0.1 * torch.randn(p.shape, generator=rng, dtype=torch.float64) for n, p in disc.named_parameters()}
    # So small that no activation crosses the kink of its ReLU, where the slope jumps.
    expected = (whole(1e-8) - whole(-1e-8)) / 2e-8
    found = sum(float((results[1].parts["d"].gradients[n].double() * d).sum()) for n, d in directions.items())
    assert found == pytest.approx(expected, rel=1e-3)


def test_spectral_normalisation_divides_by_the_largest_singular_value():
    torch.manual_seed(0)
    layer = SpectralConv2d(8, 16, 4, 2, 1, bias=False)
    with torch.no_grad():  # as after some training: one direction stands out
        layer.weight[0] += 0.3
    largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
    x = torch.randn(2, 8, 8, 8)
    expected = nn.functional.conv2d(x, layer.weight / largest, stride=2, padding=1)
    assert torch.allclose(layer(x), expected, rtol=0.01, atol=1e-3)
    assert torch.equal(layer(x), layer(x))  # nothing is remembered from one pass to the next


def test_with_spectral_normalisation_d_has_no_batchnorm_and_trains():
    config = Config(model=replace(MODEL, spectral_norm=True), strategy=GradientStrategy(unit_images=6, micro_batch=6))
    computer = GradientUnit(config)
    computer.load(TrainingState(config).weights())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in computer.networks["d"].modules())
    result = computer.compute(images(), (0, 0, 0))
    assert result.parts["d"].sums == {}
    assert all(bool(gradient.abs().sum() > 0) for gradient in result.parts["d"].gradients.values())


def test_the_configuration_knows_the_augmentations():
    assert tuple(AUGMENTATIONS) == NAMES


@pytest.mark.parametrize("policy", ["", "color", "translation", "cutout", "color,translation,cutout"])
def test_augmentation_is_reproducible_differentiable_and_keeps_the_shape(policy):
    x = images().requires_grad_()
    first, again = (augment(x, policy, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.shape == x.shape
    assert torch.equal(first, x) == (policy == "")
    (gradient,) = torch.autograd.grad(first.square().sum(), x)
    assert gradient.abs().sum() > 0


def test_translation_moves_and_cutout_blanks():
    x = torch.ones(200, 3, 32, 32)
    moved = augment(x, "translation", torch.Generator().manual_seed(0))
    rows = (moved[:, 0].sum(2) > 0).sum(1)
    assert set(rows.tolist()) == {28, 29, 30, 31, 32}  # up to 4 of 32 rows are gone
    blank = augment(x, "cutout", torch.Generator().manual_seed(0))
    holes = (blank[:, 0] == 0).sum((1, 2))
    assert holes.max() == 16 * 16
    assert holes.min() >= 8 * 8


def test_an_augmentation_that_is_not_known_is_refused():
    config = Config(loss=NonSaturatingLoss(augment="colour"))
    config.stop.rounds = 1
    with pytest.raises(ConfigError, match=r"^loss\.augment=colour names 'colour'"):
        validate(config)
