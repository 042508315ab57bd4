"""Conditional networks: the projection discriminator against its formula, and exactness with labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, leaky_relu

from ganns.config import ModelConfig, SyntheticData
from ganns.data import images_of
from ganns.errors import DatasetMismatch
from ganns.training.dcgan import LABEL_WIDTH, Discriminator
from ganns.training.networks import build, sample
from ganns.training.seeds import sample_labels
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from tests.support.fakes import solo_digest, tiny

MODEL = ModelConfig(
    image_size=32,
    latent_dim=8,
    features_g=4,
    features_d=4,
    conditional=True,
    attributes="Eyeglasses,Smiling,Bangs",
)
CONFIG = tiny(model=MODEL)


def batch(num=6):
    rng = torch.Generator().manual_seed(0)
    return torch.rand(num, 3, 32, 32, generator=rng) * 2 - 1, torch.randint(0, 2, (num, 3), generator=rng).float()


def by_hand(disc: Discriminator, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute psi(phi(x)) + y^T V phi(x) of Miyato & Koyama, image by image, with sums written out."""
    convs = [layer.weight for layer in disc.layers if isinstance(layer, torch.nn.Conv2d)]
    norms = [layer for layer in disc.layers if isinstance(layer, torch.nn.BatchNorm2d)]
    features = leaky_relu(conv2d(images, convs[0], stride=2, padding=1), 0.2)
    for conv, norm in zip(convs[1:-1], norms, strict=True):
        features = conv2d(features, conv, stride=2, padding=1)
        mean = features.mean((0, 2, 3), keepdim=True)
        variance = ((features - mean) ** 2).mean((0, 2, 3), keepdim=True)
        features = (features - mean) / torch.sqrt(variance + norm.eps)
        features = leaky_relu(features * norm.weight[:, None, None] + norm.bias[:, None, None], 0.2)
    logits = []
    for one, label in zip(features, labels, strict=True):
        phi = torch.stack([channel.sum() for channel in one])
        signs = [1.0 if value == 1 else -1.0 for value in label]
        projected = sum(sign * (column @ phi) for sign, column in zip(signs, disc.projection.weight.T, strict=True))
        logits.append((one * convs[-1][0]).sum() + projected)
    return torch.stack(logits)


def test_the_projection_and_its_gradients_are_those_of_the_paper():
    disc = build(MODEL, 0)[1].double()
    images, labels = (one.double() for one in batch())
    images.requires_grad_()
    parameters = [images, *disc.parameters()]
    weights = torch.linspace(-1, 2, len(images), dtype=torch.float64)  # another weight for each logit
    ours, theirs = disc(images, labels), by_hand(disc, images, labels)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(
        torch.autograd.grad((weights * ours).sum(), parameters),
        torch.autograd.grad((weights * theirs).sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_a_label_changes_the_logit_by_twice_its_projection():
    disc = build(MODEL, 0)[1]
    images, labels = batch()
    labels[:, 1] = 0
    without = disc(images, labels)
    labels[:, 1] = 1
    assert not torch.allclose(disc(images, labels), without)
    disc.projection.weight.data.zero_()
    assert torch.equal(disc(images, labels), disc(images))


def test_with_spectral_norm_the_projection_is_normalised_too():
    model = replace(MODEL, spectral_norm=True)
    disc = build(model, 0)[1]
    images, labels = batch()
    before = disc(images, labels)
    disc.projection.weight.data.mul_(50)
    torch.testing.assert_close(disc(images, labels), before)


def test_the_generator_gets_the_labels_beside_the_noise():
    gen = build(MODEL, 0)[0]
    assert gen.layers[0].in_channels == MODEL.latent_dim + LABEL_WIDTH
    latent, labels = torch.zeros(2, 8), torch.tensor([[0.0, 0, 0], [0, 1, 0]])
    one, other = sample(gen, latent, labels)
    assert not torch.equal(one, other)
    # By variance an embedded label is like the noise.
    spread = build(replace(MODEL, attributes=",".join("abcdefgh")), 0)[0].embedding
    assert 0.7 < float(spread(torch.eye(8) * 2 - 1).detach().std()) < 1.4


def test_without_labels_dcgan_is_what_it_was():
    plain = replace(MODEL, conditional=False)
    gen, disc = build(plain, 0)
    assert not hasattr(gen, "embedding")
    assert not hasattr(disc, "projection")
    assert {name for name, _ in disc.named_parameters()} < {name for name, _ in build(MODEL, 0)[1].named_parameters()}


@pytest.mark.parametrize("strategy", ["gradient", "local_steps"])
def test_a_unit_is_a_function_of_its_images_labels_and_seed(strategy):
    from ganns.config import GradientStrategy, LocalStepsStrategy

    kinds = {"gradient": GradientStrategy, "local_steps": LocalStepsStrategy}
    config = tiny(model=MODEL, strategy=kinds[strategy](unit_images=8, micro_batch=4))
    images, labels = batch(8)
    found = []
    for given in (labels, labels, 1 - labels):
        computer = build_computer(config)
        computer.load(TrainingState(config).weights())
        found.append(computer.compute(images, (0, 0, 0), labels=given))
    for role in ("g", "d"):
        one, again, other = (result.parts[role].gradients for result in found)
        assert all(torch.equal(one[name], again[name]) for name in one)
        assert not all(torch.equal(one[name], other[name]) for name in one)


def test_the_unit_s_gradients_are_those_of_the_conditional_losses():
    config = tiny(model=MODEL)
    state = TrainingState(config)
    computer = build_computer(config)
    computer.load(state.weights())
    images, labels = batch(8)
    result = computer.compute(images, (0, 0, 0), labels=labels)

    from ganns.training.seeds import generator

    gen, disc = state.networks["g"], state.networks["d"]
    latent = torch.randn(8, 8, generator=generator(0, 0, 0, "noise"))
    fake = gen(latent, labels)
    d_loss = -(torch.sigmoid(disc(images, labels)).log() + (1 - torch.sigmoid(disc(fake, labels))).log()).mean()
    g_loss = -torch.sigmoid(disc(fake, labels)).log().mean()
    for role, loss, network in (("d", d_loss, disc), ("g", g_loss, gen)):
        wanted = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
        for (name, _), gradient in zip(network.named_parameters(), wanted, strict=True):
            torch.testing.assert_close(result.parts[role].gradients[name], gradient, rtol=1e-3, atol=1e-5)


def test_a_run_learns_from_the_images_own_labels():
    assert solo_digest(CONFIG) == solo_digest(CONFIG)
    other = tiny(model=replace(MODEL, attributes="Eyeglasses,Smiling,Bald"))
    assert solo_digest(other) != solo_digest(CONFIG)
    images, state = images_of(CONFIG), TrainingState(CONFIG)
    list(train_solo(CONFIG, images, state))
    assert state.draw(torch.zeros(4, 8), averaged=True).shape == (4, 3, 32, 32)


def test_the_fingerprint_is_of_images_and_labels():
    images, other = images_of(CONFIG), images_of(tiny(model=replace(MODEL, attributes="Smiling,Eyeglasses,Bangs")))
    plain = images_of(tiny())
    assert len({images.fingerprint, other.fingerprint, plain.fingerprint}) == 3
    with pytest.raises(DatasetMismatch, match="not the same images, or have other attributes"):
        images.check(other.fingerprint)
    assert plain.labels(np.arange(2)) is None


def test_labels_are_what_the_faces_show():
    from ganns.data.sources.faces import draw_face

    images = images_of(CONFIG)
    data = CONFIG.data
    assert isinstance(data, SyntheticData)
    shown = [draw_face(data.seed, number)[1] for number in range(data.count + data.holdout)]
    wanted = torch.tensor([[float(one.get(name, False)) for name in MODEL.labels] for one in shown])
    chosen = np.array([5, 0, 39])
    assert torch.equal(images.labels(chosen), wanted[chosen])
    assert torch.equal(images.holdout_labels(3), wanted[40:43])


def test_a_grid_shows_one_attribute_in_each_row():
    labels = sample_labels(MODEL)
    assert labels.shape == (64, 3)
    assert labels[::8].tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]] * 2
    assert sample_labels(replace(MODEL, conditional=False)) is None
