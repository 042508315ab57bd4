"""A unit's gradients and statistics, against computations written out here and nowhere else."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from ganns.config import Config, GradientStrategy, LocalStepsStrategy, ModelConfig
from ganns.training.aggregation import Accumulator
from ganns.training.dcgan import Discriminator, Generator
from ganns.training.gradient import GradientUnit
from ganns.training.networks import build
from ganns.training.plan import slice_bounds
from ganns.training.seeds import generator
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from ganns.training.unit import UnitResult

MODEL = ModelConfig(image_size=32, latent_dim=16, features_g=8, features_d=8)


def make(micro_batch: int = 8, unit_images: int = 8, seed: int = 3) -> tuple[Config, TrainingState, GradientUnit]:
    config = Config(model=MODEL, strategy=GradientStrategy(unit_images=unit_images, micro_batch=micro_batch), seed=seed)
    state = TrainingState(config)
    computer = GradientUnit(config)
    computer.load(state.weights())
    return config, state, computer


def real_images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).norm() / b.norm())


def independent(config: Config, real: torch.Tensor, latent: torch.Tensor) -> tuple[dict, dict]:
    """Each network's gradient from its own loss alone: two separate graphs, losses written as softplus."""
    gen, disc = build(config.model, config.seed)
    fake = gen(latent).detach()
    # -log sigmoid(x) = softplus(-x); -log(1 - sigmoid(x)) = softplus(x)
    d_loss = softplus(-disc(real)).mean() + softplus(disc(fake)).mean()
    d = dict(zip([n for n, _ in disc.named_parameters()], torch.autograd.grad(d_loss, disc.parameters()), strict=True))

    gen, disc = build(config.model, config.seed)
    g_loss = softplus(-disc(gen(latent))).mean()
    g = dict(zip([n for n, _ in gen.named_parameters()], torch.autograd.grad(g_loss, gen.parameters()), strict=True))
    return d, g


def test_each_network_gets_the_gradient_of_its_own_loss_only():
    config, _, computer = make()
    real = real_images(8)
    result = computer.compute(real, (3, 0, 0))
    latent = torch.randn(8, 16, generator=generator(3, 0, 0, "noise"))
    expected_d, expected_g = independent(config, real, latent)
    for role, expected in (("d", expected_d), ("g", expected_g)):
        assert result.parts[role].gradients.keys() == expected.keys()
        for name, gradient in expected.items():
            assert relative(result.parts[role].gradients[name], gradient) < 1e-4, (role, name)


def test_the_classic_mistake_would_be_noticed():
    """g_loss.backward() on a shared graph pollutes D's gradients; the comparison above is sharp enough to see it."""
    config, _, computer = make()
    real, latent = real_images(8), torch.randn(8, 16, generator=generator(3, 0, 0, "noise"))
    gen, disc = build(config.model, config.seed)
    fake = gen(latent)
    (softplus(-disc(real)).mean() + softplus(disc(fake.detach())).mean()).backward()
    softplus(-disc(fake)).mean().backward()
    ours = computer.compute(real, (3, 0, 0)).parts["d"].gradients
    assert max(relative(ours[name], p.grad) for name, p in disc.named_parameters()) > 0.1


def test_micro_batches_are_weighted_by_their_images():
    config, _, computer = make(micro_batch=4, unit_images=8)
    real = real_images(7)  # micro-batches of 4 and 3
    result = computer.compute(real, (3, 0, 0))
    rng = generator(3, 0, 0, "noise")
    total: dict[str, torch.Tensor] = {}
    for start, count in slice_bounds(7, 4):
        latent = torch.randn(count, 16, generator=rng)
        _, g = independent(config, real[start : start + count], latent)
        for name, gradient in g.items():
            total[name] = total.get(name, 0) + gradient * count / 7
    for name, gradient in total.items():
        assert relative(result.parts["g"].gradients[name], gradient) < 1e-4


def batch_inputs(network: nn.Module, *batches: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return what every BatchNorm layer sees, [num_values, C], over the given forward passes together."""
    seen: dict[str, list[torch.Tensor]] = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.register_forward_hook(
                lambda _, inputs, __, name=name: seen.setdefault(name, []).append(
                    inputs[0].detach().double().permute(0, 2, 3, 1).reshape(-1, inputs[0].shape[1])
                )
            )
    for batch in batches:
        network(batch)
    return {name: torch.cat(values) for name, values in seen.items()}


def test_batchnorm_buffers_equal_a_direct_computation_on_the_union_of_all_batches():
    config, state, computer = make(micro_batch=4)
    totals = {"g": Accumulator(), "d": Accumulator()}
    gen, disc = build(config.model, config.seed)
    latents, reals = [], []
    for unit, count in enumerate((8, 5)):
        real = real_images(count, seed=unit)
        result = computer.compute(real, (3, 0, unit))
        for role, part in result.parts.items():
            totals[role].add(part, count)
        rng = generator(3, 0, unit, "noise")
        for start, size in slice_bounds(count, 4):
            latents.append(torch.randn(size, 16, generator=rng))
            reals.append(real[start : start + size])
    with torch.no_grad():
        fakes = [gen(latent) for latent in latents]
        seen = {"g": batch_inputs(gen, *latents), "d": batch_inputs(disc, *reals, *fakes)}
    for role, layers in seen.items():
        statistics = totals[role].statistics()
        assert len(layers) == (3 if role == "g" else 2)
        for name, values in layers.items():
            torch.testing.assert_close(
                statistics[f"{name}.running_mean"].double(), values.mean(0), rtol=1e-4, atol=1e-6
            )
            torch.testing.assert_close(statistics[f"{name}.running_var"].double(), values.var(0), rtol=1e-4, atol=1e-8)
    # The mean of the batches' variances is something else: the spread between the batches is missing in it.
    name, values = next(iter(seen["d"].items()))
    assert relative(torch.stack([part.var(0) for part in values.chunk(8)]).mean(0), values.var(0)) > 1e-3
    before = {n: b.clone() for n, b in state.networks["g"].named_buffers() if "running_mean" in n}
    state.advance(totals, state.progress)
    for name, value in totals["g"].statistics().items():
        if "running_mean" in name:
            after = dict(state.networks["g"].named_buffers())[name]
            torch.testing.assert_close(after, 0.9 * before[name] + 0.1 * value)


def with_one_and_two_threads(dtype: torch.dtype) -> list[UnitResult]:
    """Compute a unit of DCGAN-64 with the paper's number of features, at version 0, with 1 and with 2 threads."""
    config = Config(model=ModelConfig(), strategy=GradientStrategy(unit_images=2, micro_batch=2), seed=3)
    threads, before = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        computer = GradientUnit(config)
        computer.load(TrainingState(config).weights())
        real = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
        results = []
        for number in (1, 2):
            torch.set_num_threads(number)
            results.append(computer.compute(real, (3, 0, 0)))
        return results
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(before)


def test_what_one_and_two_threads_agree_on():
    """Losses, BatchNorm's sums and D's last layer to 1e-5; the other layers, behind activations, to 1e-2."""
    one, two = with_one_and_two_threads(torch.float32)
    last = list(one.parts["d"].gradients)[-1]
    assert one.parts["d"].gradients[last].numel() == 512 * 16  # the last of DCGAN-64
    for name, value in one.metrics.items():
        assert abs(two.metrics[name] - value) < 1e-5 * abs(value), name
    for role, part in one.parts.items():
        for name, sums in part.sums.items():
            assert relative(two.parts[role].sums[name], sums) < 1e-5, (role, name)
        for name, gradient in part.gradients.items():
            limit = 1e-5 if (role, name) == ("d", last) else 1e-2
            assert relative(two.parts[role].gradients[name], gradient) < limit, (role, name)


def test_in_float64_one_and_two_threads_agree_on_the_whole_gradient():
    """So the difference in float32 is rounding, and no race."""
    one, two = with_one_and_two_threads(torch.float64)
    for role, part in one.parts.items():
        for name, gradient in part.gradients.items():
            assert gradient.dtype == torch.float64
            assert relative(two.parts[role].gradients[name], gradient) < 1e-12, (role, name)


def test_a_unit_is_abandoned_between_its_halves():
    _, _, computer = make()
    parts = []
    result = computer.compute(real_images(8), (3, 0, 0), lambda role, part: parts.append(role), lambda: True)
    assert result is None
    assert parts == ["d"]


def test_the_networks_have_the_papers_sizes():
    gen, disc = Generator(ModelConfig()), Discriminator(ModelConfig())
    assert sum(p.numel() for p in gen.parameters()) == 3_576_704
    assert sum(p.numel() for p in disc.parameters()) == 2_765_568
    for size in (32, 64):
        config = ModelConfig(image_size=size, features_g=4, features_d=4)
        gen, disc = build(config, seed=0)
        images = gen(torch.randn(2, 100))
        assert images.shape == (2, 3, size, size)
        assert disc(images).shape == (2,)


class Moment:
    """Tells whether it is asked for the nth time now."""

    def __init__(self, number: int) -> None:
        self.left = number

    def is_now(self) -> bool:
        self.left -= 1
        return self.left == 0

    def fail(self, logits: torch.Tensor) -> torch.Tensor:
        """A loss that fails then."""
        if self.is_now():
            raise MemoryError("out of memory")
        return softplus(-logits).mean()


STRATEGIES = [kind(unit_images=8, micro_batch=4) for kind in (GradientStrategy, LocalStepsStrategy)]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.name)
@pytest.mark.parametrize("error", [False, True], ids=["stopped", "an error"])
def test_an_interrupted_unit_leaves_nothing_to_the_next(strategy, error: bool, monkeypatch: pytest.MonkeyPatch):
    """Stopped at each look, or by an error in each loss: the next unit is bit for bit that of a fresh worker."""
    config = Config(model=MODEL, strategy=strategy, seed=3)
    state, real, other = TrainingState(config), real_images(8), real_images(8, seed=1)
    fresh, computer = build_computer(config), build_computer(config)
    for one in (fresh, computer):
        one.load(state.weights())
    expected = fresh.compute(real, (3, 0, 0))
    num_interrupted = 0
    for number in range(1, 9):
        moment, result = Moment(number), None
        if error:
            with monkeypatch.context() as patched, suppress(MemoryError):
                fail = moment.fail
                patched.setattr(computer, "loss", SimpleNamespace(real=fail, fake=fail, generator=fail))
                result = computer.compute(other, (3, 0, 1))
        else:
            result = computer.compute(other, (3, 0, 1), should_stop=moment.is_now)
        num_interrupted += result is None
        found = computer.compute(real, (3, 0, 0))
        for role, part in expected.parts.items():
            for mine, its in ((part.gradients, found.parts[role].gradients), (part.sums, found.parts[role].sums)):
                assert all(torch.equal(value, its[name]) for name, value in mine.items()), (number, role)
    assert num_interrupted >= 2
