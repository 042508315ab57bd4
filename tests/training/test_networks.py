"""Networks of another package: they train like DCGAN, or are refused by name before a run uses them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from ganns.config import LocalStepsStrategy, ModelConfig, choice, number
from ganns.errors import ConfigError, PluginError
from ganns.testing import check_networks, report
from ganns.training import bounds
from ganns.training.bounds import expected_counts, measure
from ganns.training.compression import CODECS
from ganns.training.networks import DCGAN, NETWORKS, Networks, build, make, sample, statistics_of
from ganns.training.parts import encode_part, largest_part_bytes
from ganns.training.probe import examine
from ganns.training.serialization import pack
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from ganns.utils.checks import PROBLEM
from tests.support.fakes import solo_digest, tiny

MODEL = ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4)


class Generator(nn.Module):
    """One linear layer, with what a test puts behind its first numbers: [N, 16]."""

    def __init__(self, middle: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 3 * 32 * 32)
        self.middle = middle if middle is not None else nn.Identity()

    def forward(self, latent):
        return torch.tanh(self.last(self.middle(self.first(latent)))).reshape(-1, 3, 32, 32)


class Discriminator(nn.Module):
    def __init__(self, middle: nn.Module | None = None) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 4, 4), nn.Linear(4 * 64, 1)
        self.middle = middle if middle is not None else nn.Identity()

    def forward(self, images):
        return self.last(self.middle(self.first(images)).flatten(1)).flatten()


class Plain(Networks):
    def generator(self):
        return Generator()

    def discriminator(self):
        return Discriminator()


def networks(middle_g=None, middle_d=None):
    """Return a class whose networks have these in their middle; each is a function that makes a module."""

    class Made(Networks):
        def generator(self):
            return Generator(middle_g and middle_g())

        def discriminator(self):
            return Discriminator(middle_d and middle_d())

    return Made


@pytest.fixture
def use(monkeypatch):
    """Install networks under a name, and return a tiny run's configuration with them."""

    def install(kind, **changes):
        monkeypatch.setitem(NETWORKS, "mine", kind)
        return tiny(model=replace(MODEL, name="mine"), **changes)

    return install


def unit_of(config, num_images=8):
    state, computer = TrainingState(config), build_computer(config)
    computer.load(state.weights())
    images = torch.rand(num_images, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    result = computer.compute(images, (0, 0, 0))
    assert result is not None
    return state, result


class Scaled(nn.Module):
    """Multiplies by a constant buffer, as a fixed filter would be."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.rand(16) + 0.5)
        self.register_buffer("known_by_heart", torch.arange(3), persistent=False)

    def forward(self, values):
        return values * self.scale


WORKING = {
    "no normalisation": networks(),
    "GroupNorm": networks(lambda: nn.GroupNorm(2, 16), lambda: nn.GroupNorm(2, 4)),
    "BatchNorm1d and 2d": networks(lambda: nn.BatchNorm1d(16), lambda: nn.BatchNorm2d(4)),
    "one BatchNorm twice": networks(lambda: nn.Sequential(*[nn.BatchNorm1d(16)] * 2)),
    "buffers that stay": networks(Scaled),
    "tied weights": networks(lambda: nn.Sequential(*[nn.Linear(16, 16)] * 2)),
}


@pytest.mark.parametrize("kind", list(WORKING))
def test_networks_of_all_kinds_train_and_are_checked(use, kind):
    report(check_networks(WORKING[kind], MODEL))
    for strategy in (tiny().strategy, LocalStepsStrategy(unit_images=8, micro_batch=4)):
        config = use(WORKING[kind], strategy=strategy)
        state, result = unit_of(config)
        for role, part in result.parts.items():
            network = state.networks[role]
            measure(part, role, network, config, 8)
            for codec in CODECS.values():
                assert len(pack(encode_part(part, codec, ()))) <= largest_part_bytes(network)
        assert solo_digest(config) == solo_digest(config)


def test_constant_buffers_are_the_same_everywhere_and_part_of_a_state(use, tmp_path):
    config = use(networks(Scaled))
    one, other = (statistics_of(make(config.model, "g")) for _ in range(2))
    assert torch.equal(one["middle.scale"], other["middle.scale"])
    state = TrainingState(config)
    state.networks["g"].middle.scale.fill_(7.0)
    state.save(tmp_path / "state")
    again = TrainingState.from_bytes(config, (tmp_path / "state").read_bytes())
    assert torch.equal(statistics_of(again.networks["g"])["middle.scale"], torch.full((16,), 7.0))
    assert again.weights_digest() == state.weights_digest()


def test_without_initialise_the_weights_come_from_the_seed(use):
    config = use(networks())
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    one = build(config.model, 3)[0].first.weight
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(6)
    assert torch.equal(build(config.model, 3)[0].first.weight, one)
    assert not torch.equal(build(config.model, 4)[0].first.weight, one)


def test_the_counts_follow_the_networks_and_not_dcgan(use):
    config = use(networks(lambda: nn.BatchNorm1d(16), lambda: nn.BatchNorm2d(4)))
    assert expected_counts("g", config, 8) == {"middle": 8}
    assert expected_counts("d", config, 8) == {"middle": 2 * 8 * 8 * 8}
    assert expected_counts("g", use(networks(lambda: nn.Sequential(*[nn.BatchNorm1d(16)] * 2))), 8) == {"middle.0": 16}
    dcgan = tiny(model=replace(MODEL, image_size=128))
    assert list(expected_counts("g", dcgan, 1).values()) == [16, 64, 256, 1024, 4096]
    assert list(expected_counts("d", dcgan, 1).values()) == [2048, 512, 128, 32]


def test_the_limits_use_each_network_s_own_rate(use):
    config = use(networks(), strategy=LocalStepsStrategy(unit_images=8, micro_batch=4))
    config.optimizer.lr_d = 10 * config.optimizer.lr_g
    network = make(config.model, "g")
    assert bounds.largest_change("d", config, network) > 5 * bounds.largest_change("g", config, network)


class Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(16))

    def forward(self, values):
        self.seen += values.detach().mean(0)
        return values + 0.01 * self.seen


class Unseeded(nn.Module):
    made = 0

    def __init__(self):
        super().__init__()
        Unseeded.made += 1
        self.register_buffer("number", torch.tensor(float(Unseeded.made)))

    def forward(self, values):
        return values * self.number


class Unused(nn.Identity):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))


def frozen():
    layer = nn.Linear(16, 16)
    layer.bias.requires_grad_(False)
    return layer


class Raising(Plain):
    def generator(self):
        raise RuntimeError("no memory for it")


class NoModule(Plain):
    def discriminator(self):
        return "none"


REFUSED = [
    (networks(Remembering), r"the generator changes its buffer middle\.seen in a pass"),
    (
        networks(None, lambda: nn.utils.spectral_norm(nn.Conv2d(4, 4, 1))),
        r"the discriminator changes its buffer middle\.weight_u in a pass",
    ),
    (networks(None, lambda: nn.Dropout(0.5)), "the discriminator draws random numbers in a pass: use no dropout"),
    (
        networks(None, lambda: nn.InstanceNorm2d(4, track_running_stats=True)),
        r"the discriminator changes its buffer middle\.running_mean",
    ),
    (
        networks(lambda: nn.BatchNorm1d(16, track_running_stats=False)),
        "the generator has BatchNorm without running statistics, middle: samples",
    ),
    (networks(Unseeded), r"the generator has another middle\.number each time it is made"),
    (networks(Unused), r"the generator does not use middle\.weight: leave it out"),
    (networks(frozen), r"the generator has middle\.bias, which requires no gradient"),
    (networks(lambda: nn.LazyLinear(16)), r"the generator has no shape for middle\.weight before its first pass"),
    (networks(lambda: nn.Linear(16, 16).double()), r"the generator has middle\.weight as torch\.float64"),
    (networks(lambda: nn.Linear(16, 9)), r"the generator cannot be applied to noise \(RuntimeError"),
    (networks(None, lambda: nn.Upsample(scale_factor=2)), r"the discriminator cannot be applied to images"),
    (Raising, r"they cannot be made \(RuntimeError: no memory for it\)"),
    (NoModule, r"the discriminator is str, and no torch\.nn\.Module"),
]


@pytest.mark.parametrize(("kind", "reason"), REFUSED)
def test_networks_that_break_a_promise_are_refused_by_name(use, kind, reason):
    config = use(kind)
    with pytest.raises(PluginError, match=rf"^model\.name=mine: {reason}.*`ganns plugin check mine`"):
        TrainingState(config)
    with pytest.raises(PluginError, match=reason):
        build_computer(config)
    assert any(one.state == PROBLEM for one in check_networks(kind, MODEL))


def test_a_generator_whose_images_depend_on_each_other_is_refused(use):
    class Mixing(nn.Module):
        def forward(self, values):
            return values - values.mean(0)

    with pytest.raises(PluginError, match="draws another image when others are in its batch"):
        examine(use(networks(Mixing)).model)


class Configured(Plain):
    @dataclass
    class Options:
        blocks: int = number(1, 1, 4)
        norm: str = choice("group", ("group", "none"))
        bias: bool = True
        slope: float = 0.2


def test_keys_of_their_own(use):
    config = use(Configured)
    assert Configured(config.model).options == Configured.Options(1, "group", True, 0.2)
    config.model.options = "blocks=3, norm=none,bias=false,slope=0.1"
    assert Configured(config.model).options == Configured.Options(3, "none", False, 0.1)
    for wrong, reason in (
        (
            "blocksize=2",
            r"blocksize is no key of model\.name=mine, which has blocks, norm, bias, slope; did you mean blocks\?",
        ),
        ("blocks=9", r"model\.options: blocks=9 is out of range: give a value from 1 to 4"),
        ("blocks=two", r"model\.options: blocks=two is no int"),
        ("norm=batch", "choose group or none"),
        ("bias=maybe", "is no bool"),
    ):
        config.model.options = wrong
        with pytest.raises(ConfigError, match=reason):
            TrainingState(config)
    config = use(Plain)
    config.model.options = "a=1"
    with pytest.raises(ConfigError, match=r"model\.name=mine has no keys of its own"):
        TrainingState(config)


@pytest.mark.parametrize("conditional", [False, True])
def test_dcgan_holds_its_own_promises(conditional):
    report(check_networks(DCGAN, replace(MODEL, conditional=conditional)))


def test_dcgan128_has_one_layer_more():
    small, large = (make(replace(MODEL, image_size=size), "g") for size in (64, 128))
    assert len(large.layers) == len(small.layers) + 3
    images = sample(large, torch.zeros(2, 8))
    assert images.shape == (2, 3, 128, 128)
    assert build(replace(MODEL, image_size=128), 0)[1](images).shape == (2,)
