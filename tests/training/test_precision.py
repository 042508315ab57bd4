"""Mixed precision is tried, and only where the run allows it."""

import pytest
import torch

from ganns.config import (
    Config,
    GradientStrategy,
    LocalStepsStrategy,
    ModelConfig,
)
from ganns.training import precision
from ganns.training.gradient import GradientUnit
from ganns.training.local_steps import LocalStepsUnit
from ganns.training.precision import choose_autocast
from ganns.training.state import TrainingState

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only the work moves, so that the test needs no GPU and no luck."""
    now = [0.0]
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    return now


@pytest.mark.parametrize(("mixed_s", "expected"), [(0.5, True), (0.97, False), (20.0, False)])
def test_it_is_chosen_only_if_it_was_clearly_faster(clock, mixed_s, expected):
    def compute(autocast: bool) -> None:
        clock[0] += mixed_s if autocast else 1.0

    assert choose_autocast(CUDA, True, compute) is expected


def test_the_first_call_does_not_count(clock):
    calls = []

    def compute(autocast: bool) -> None:
        calls.append(autocast)
        clock[0] += 100.0 if calls.count(autocast) == 1 else (0.1 if autocast else 1.0)

    assert choose_autocast(CUDA, True, compute)


@pytest.mark.parametrize(("device", "allowed"), [(CPU, True), (CUDA, False)])
def test_it_is_not_even_tried_where_it_makes_no_sense(device, allowed):
    def compute(autocast: bool) -> None:
        raise AssertionError("tried")

    assert choose_autocast(device, allowed, compute) is False


@pytest.mark.parametrize("kind", [GradientUnit, LocalStepsUnit])
def test_a_result_in_bfloat16_is_close_and_in_float32(kind):
    model = ModelConfig(image_size=32, latent_dim=16, features_g=8, features_d=8)
    strategy = LocalStepsStrategy if kind is LocalStepsUnit else GradientStrategy
    config = Config(model=model, strategy=strategy(unit_images=8, micro_batch=8))
    images = torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    results = []
    for autocast in (False, True):
        computer = kind(config)
        computer.load(TrainingState(config).weights())
        computer.choose_precision()
        assert computer.autocast is False  # a CPU
        computer.autocast = autocast
        results.append(computer.compute(images, (0, 0, 0)))
    for role in ("g", "d"):
        for name, exact in results[0].parts[role].gradients.items():
            mixed = results[1].parts[role].gradients[name]
            assert mixed.dtype == torch.float32
            if kind is GradientUnit:  # Adam's first step is the gradient's sign, whatever its size
                assert not torch.equal(mixed, exact)
                assert float((mixed - exact).norm() / exact.norm()) < 0.2
    assert results[0].metrics["d_loss"] == pytest.approx(results[1].metrics["d_loss"], rel=0.05)


def test_compiling_changes_the_way_and_not_the_names(monkeypatch):
    """Compiled for real, gradients differ by 2e-6; that takes minutes, so here the compiler is a stand-in."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: compiled.append(type(network).__name__))
    computer = GradientUnit(Config(model=ModelConfig(image_size=32, latent_dim=16, features_g=8, features_d=8)))
    names = {role: list(dict(network.named_parameters())) for role, network in computer.networks.items()}
    computer.compile()
    assert sorted(compiled) == ["Discriminator", "Generator"]
    assert names == {role: list(dict(network.named_parameters())) for role, network in computer.networks.items()}
