"""Codecs: their errors on a real change, the same bytes everywhere, and what a decoder accepts."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from ganns.config import HomeCodec, LocalStepsStrategy, ModelConfig
from ganns.data import images_of
from ganns.errors import ImplausibleResult, PayloadError
from ganns.training.compression import CODECS, get_codec
from ganns.training.networks import make
from ganns.training.parts import check_part, decode_part, encode_part, largest_part_bytes, shapes_of, through_codec
from ganns.training.published import as_published
from ganns.training.quantization import Int4, Int8
from ganns.training.rotation import Rot2, block_width, fixed_sum, hadamard
from ganns.training.serialization import digest, pack, unpack
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from ganns.training.unit import Part
from tests.support.fakes import tiny

QUANTIZED = {"int8": Int8(), "int4": Int4(), "rot2": Rot2()}
SEED = (0, 0, 0, "g")


@cache
def recorded() -> Part:
    """The change of a generator's weights in four steps of Adam, as `local_steps` sends it."""
    model = ModelConfig(image_size=32, latent_dim=32, features_g=16, features_d=8)
    config = tiny(model=model, strategy=LocalStepsStrategy(unit_images=32, micro_batch=8))
    computer = build_computer(config)
    computer.load(TrainingState(config).weights())
    images = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    result = computer.compute(images, (0, 0, 0))
    assert result is not None
    return result.parts["g"]


def flat(part: Part) -> torch.Tensor:
    return torch.cat([part.gradients[name].reshape(-1) for name in sorted(part.gradients)])


def decoded(part: Part, name: str, seed: tuple[int | str, ...] = SEED) -> Part:
    shapes = {key: tuple(value.shape) for key, value in part.gradients.items()}
    return decode_part(unpack(pack(encode_part(part, get_codec(name), seed))), get_codec(name), shapes, seed)


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(
    ("name", "most"), [("fp32", 0.0), ("fp16", 5e-4), ("int8", 0.01), ("int4", 0.15), ("rot2", 0.38)]
)
def test_the_error_on_a_recorded_change(name, most):
    part = recorded()
    found = decoded(part, name)
    assert relative_error(flat(found), flat(part)) <= most
    assert found.gradients.keys() == part.gradients.keys()
    assert all(found.gradients[key].shape == value.shape for key, value in part.gradients.items())
    assert all(torch.equal(found.sums[key], value) for key, value in part.sums.items())
    if name in QUANTIZED:  # vectors stay exact
        vectors = [key for key, value in part.gradients.items() if value.dim() < 2]
        assert vectors
        assert all(torch.equal(found.gradients[key], part.gradients[key]) for key in vectors)


def test_the_mean_of_eight_units_has_less_error_since_each_has_a_rotation_of_its_own():
    part = recorded()
    means = {}
    for what in ("units", "one"):
        seeds = [(0, 0, unit if what == "units" else 0, "g") for unit in range(8)]
        means[what] = torch.stack([flat(decoded(part, "rot2", seed)) for seed in seeds]).mean(0)
    assert relative_error(means["units"], flat(part)) <= 0.14
    assert relative_error(means["one"], flat(part)) > 0.3


@pytest.mark.parametrize("name", QUANTIZED)
def test_the_same_seed_sends_the_same_bytes_for_any_number_of_threads(name):
    part, codec, before = recorded(), get_codec(name), torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            encoded = pack(encode_part(part, codec, SEED))
            found.append((digest(encoded), flat(decoded(part, name))))
    finally:
        torch.set_num_threads(before)
    assert len({one for one, _ in found}) == 1
    assert all(torch.equal(one, found[0][1]) for _, one in found)
    other = digest(pack(encode_part(part, codec, (0, 0, 1, "g"))))
    assert (other != found[0][0]) == (name != "int8")  # which draws nothing at random


EVERYWHERE = {
    "int8": "d7c9b8a8c3a87d6520b0d621e82939c4",
    "int4": "eedb58c57e042e2504df98cf4ea2f358",
    "rot2": "22d014b18075dd968f537fe6200d1824",
}


def numbers() -> dict[str, torch.Tensor]:
    """Numbers that every machine has: from whole ones, without a function that a library may compute otherwise."""
    words = np.random.Philox(key=7).random_raw(3 * 5000).astype("<u8", copy=False).view("<i2").reshape(-1, 4)
    values = words[:, 0].astype(np.float32) * words[:, 1].astype(np.float32) / np.float32(2**40)
    return {"w": torch.from_numpy(values).view(3, 5000), "b": torch.arange(5.0)}


@pytest.mark.parametrize("name", QUANTIZED)
def test_the_arithmetic_is_the_same_on_every_machine(name):
    """The digests were made on another machine; a sum in another order would change them."""
    tensors, codec = numbers(), get_codec(name)
    encoded = codec.encode(tensors, SEED)
    found = codec.decode(encoded, {key: tuple(value.shape) for key, value in tensors.items()}, SEED)
    assert digest(pack(encoded | {f"decoded.{key}": value for key, value in found.items()})) == EVERYWHERE[name]


@pytest.mark.parametrize("width", [16, 32, 256, 4096])
def test_the_fast_transform_is_the_hadamard_matrix(width):
    matrix = torch.ones(1, 1)
    while len(matrix) < width:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    blocks = torch.randint(-9, 9, (3, width)).float()  # whole numbers, so that sums are exact
    before = blocks.clone()
    assert torch.equal(hadamard(blocks), blocks @ matrix)
    assert torch.equal(hadamard(hadamard(blocks)), blocks * width)
    assert torch.equal(blocks, before)
    assert torch.equal(fixed_sum(blocks), blocks.sum(1))


@pytest.mark.parametrize("name", QUANTIZED)
@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 5), (16, 16), (257, 1), (4097, 1), (3, 64, 4, 4)])
def test_every_shape_comes_back(name, shape):
    values = torch.from_numpy(np.random.RandomState(0).randn(*shape)).float()
    codec = get_codec(name)
    encoded = codec.encode({"w": values}, SEED)
    assert {key.removeprefix("w"): (one.dtype, tuple(one.shape)) for key, one in encoded.items()} == QUANTIZED[
        name
    ].layout(math.prod(shape))
    found = codec.decode(encoded, {"w": shape}, SEED)["w"]
    assert found.shape == values.shape
    assert relative_error(found, values) < {"int8": 0.02, "int4": 0.5, "rot2": 0.7}[name]


@pytest.mark.parametrize("name", QUANTIZED)
def test_zeros_small_numbers_and_numbers_that_are_not_finite(name):
    codec, shapes = get_codec(name), {"w": (40, 40)}
    zeros = torch.zeros(40, 40)
    assert torch.equal(codec.decode(codec.encode({"w": zeros}, SEED), shapes, SEED)["w"], zeros)
    small = zeros + 1e-9
    assert relative_error(codec.decode(codec.encode({"w": small}, SEED), shapes, SEED)["w"], small) < 0.4
    for bad in (math.nan, math.inf, -math.inf):
        broken = torch.ones(40, 40)
        broken[3, 3] = bad
        found = codec.decode(codec.encode({"w": broken}, SEED), shapes, SEED)["w"]
        assert not found.isfinite().all()  # the coordinator must see it


def test_int4_is_right_on_average():
    values = torch.linspace(-1, 1, 640).view(10, 64)
    found = [decoded(Part({"w": values}, {}), "int4", (0, 0, unit, "g")).gradients["w"] for unit in range(400)]
    assert float((torch.stack(found).mean(0) - values).abs().max()) < 0.05  # a step is 0.14


def test_a_norm_above_the_limit_is_seen_through_the_codec():
    network = make(ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4), "d")
    part = Part({name: torch.ones(shape) * 1e3 for name, shape in shapes_of(network).items()}, recorded_sums(network))
    with pytest.raises(ImplausibleResult, match="norm"):
        check_part(decoded(part, "rot2"), network, max_norm=1.0)


def recorded_sums(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    layers = {name: one for name, one in network.named_modules() if isinstance(one, torch.nn.BatchNorm2d)}
    return {name: torch.ones(2 * one.num_features + 1, dtype=torch.float64) for name, one in layers.items()}


def changes(encoded: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """Every way to send other tensors than the codec does."""
    first = next(iter(encoded))
    value = encoded[first]
    return {
        "missing": {name: one for name, one in encoded.items() if name != first},
        "one too many": encoded | {"gradient.more": value},
        "shorter": encoded | {first: value[:-1]},
        "another shape": encoded | {first: value[None]},
        "another dtype": encoded | {first: value.half() if value.dtype != torch.float16 else value.float()},
        "empty": {},
        "with 10^12 rows of nothing": encoded | {first: torch.empty(10**12, 0, dtype=value.dtype)},
    }


@pytest.mark.parametrize("change", list(changes({"a": torch.zeros(2)})))
@pytest.mark.parametrize("name", QUANTIZED)
def test_only_what_the_network_has_is_decoded(name, change, monkeypatch):
    """The shapes are the model's, and are compared before anything is made of what was sent."""
    part = recorded()
    encoded = {key: one for key, one in encode_part(part, get_codec(name), SEED).items() if key.startswith("gradient")}
    for quantizer in (Int8, Int4, Rot2):
        monkeypatch.setattr(quantizer, "decode", lambda *args: pytest.fail("it was decoded"))
    shapes = {key: tuple(value.shape) for key, value in part.gradients.items()}
    with pytest.raises(PayloadError, match="this run's codec and network need"):
        decode_part(changes(encoded)[change], get_codec(name), shapes, SEED)


def test_the_bytes_of_a_unit_at_home():
    """DCGAN-64: what a unit sends up with `codec=home`, against 25.4 MB; and no coding is longer than fp32."""
    with torch.device("meta"):
        networks = {role: make(ModelConfig(), role) for role in ("d", "g")}
    sizes = dict.fromkeys(CODECS, 0)
    for network in networks.values():
        sums = {name: value.to("meta") for name, value in recorded_sums(network).items()}
        for name, quantizer in QUANTIZED.items():
            for shape in shapes_of(network).values():
                layout = quantizer.layout(math.prod(shape)) if len(shape) > 1 else {"": (torch.float32, shape)}
                sizes[name] += sum(dtype.itemsize * math.prod(one) for dtype, one in layout.values())
            sizes[name] += sum(8 * one.numel() for one in sums.values()) + 2000  # names
        sizes["fp32"] += largest_part_bytes(network)
    assert sizes["rot2"] < 1.70e6 < sizes["int4"] < 3.6e6 < sizes["int8"] < 6.6e6 < 25e6 < sizes["fp32"]
    assert block_width(4096) == block_width(10**6) == 4096


def test_published_weights_are_close_to_the_exact_ones_and_vectors_are_equal():
    weights = TrainingState(tiny()).weights()
    assert all(torch.equal(one, weights[name]) for name, one in as_published(weights, "fp32").items())
    found = as_published(weights, "int8")
    assert found.keys() == weights.keys()
    for name, exact in weights.items():
        assert torch.equal(found[name], exact) if exact.dim() < 2 else 0 < relative_error(found[name], exact) < 0.01


def test_what_the_rounding_takes_from_the_weights_is_not_lost():
    """Steps far below the rounding: the exact weights add them up, and workers get their sum."""
    exact = {"w": torch.linspace(-1, 1, 256).view(16, 16)}
    before = as_published(exact, "int8")["w"].clone()
    for _ in range(1000):
        exact["w"][0, 1:9] += 2e-5  # a step of the code is 8e-3
    found = as_published(exact, "int8")["w"]
    assert float((found - before)[0, 1:9].mean()) == pytest.approx(0.02, abs=0.008)
    assert torch.equal(found[1:], before[1:])


def test_solo_goes_through_the_codec():
    config = tiny(codec=HomeCodec())
    computer = build_computer(config)
    state = TrainingState(config)
    computer.load(state.weights())
    result = computer.compute(images_of(config).train(np.arange(8)), (0, 0, 0))
    sent = through_codec(result, get_codec("rot2"), (0, 0, 0))
    for role, part in result.parts.items():
        seed = (0, 0, 0, role)
        encoded = pack(encode_part(part, get_codec("rot2"), seed))
        found = decode_part(unpack(encoded), get_codec("rot2"), shapes_of(state.networks[role]), seed)
        assert torch.equal(flat(found), flat(sent.parts[role]))
