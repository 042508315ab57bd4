"""Weighted means in unit order, the checks on results, codecs, and payloads."""

import pytest
import torch

from ganns.config import ModelConfig
from ganns.errors import BadResult, ConfigError, PayloadError
from ganns.training.aggregation import Accumulator, weighted_metrics
from ganns.training.compression import get_codec
from ganns.training.dcgan import Discriminator
from ganns.training.parts import check_part, decode_part, encode_part
from ganns.training.serialization import digest, metadata, pack, split, unpack, write_file
from ganns.training.unit import Part

CONFIG = ModelConfig(image_size=32, features_d=4)


def part_for(network: torch.nn.Module, seed: int = 0) -> Part:
    rng = torch.Generator().manual_seed(seed)
    gradients = {n: torch.randn(p.shape, generator=rng) for n, p in network.named_parameters()}
    sums = {
        n: torch.cat([torch.zeros(m.num_features), torch.ones(m.num_features) * 10, torch.tensor([10.0])]).double()
        for n, m in network.named_modules()
        if isinstance(m, torch.nn.BatchNorm2d)
    }
    return Part(gradients, sums)


def test_the_mean_weighs_each_result_by_its_images():
    total = Accumulator()
    total.add(Part({"w": torch.tensor([1.0])}, {}), 30)
    total.add(Part({"w": torch.tensor([5.0])}, {}), 10)
    assert total.combine()["w"].item() == pytest.approx((30 * 1 + 10 * 5) / 40)
    assert weighted_metrics([(30, {"loss": 1.0}), (10, {"loss": 5.0})]) == {"loss": pytest.approx(2.0)}


def test_a_sum_depends_on_the_order_so_the_order_is_fixed():
    parts = [Part({"w": torch.tensor([x])}, {}) for x in (1e8, 1.0, -1e8)]
    sums = []
    for order in ((0, 1, 2), (0, 2, 1)):
        total = Accumulator()
        for number in order:
            total.add(parts[number], 1)
        sums.append(total.combine()["w"].item())
    assert sums[0] != sums[1]  # why Collector adds in unit order, whatever arrived first


def test_adding_does_not_change_what_was_added():
    part = Part({"w": torch.tensor([1.0])}, {"bn": torch.tensor([1.0, 1.0, 2.0])})
    total = Accumulator()
    total.add(part, 2)
    total.add(part, 2)
    assert part.gradients["w"].item() == 1.0
    assert part.sums["bn"].tolist() == [1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "fault", ["missing", "shape", "dtype", "nan", "inf", "norm", "sums", "sums shape", "sums dtype"]
)
def test_bad_results_are_refused(fault):
    network = Discriminator(CONFIG)
    part = part_for(network)
    check_part(part, network, max_norm=None)
    name, gradient = next(iter(part.gradients.items()))
    layer, sums = next(iter(part.sums.items()))
    limit = None
    match fault:
        case "missing":
            del part.gradients[name]
        case "shape":
            part.gradients[name] = gradient.flatten()
        case "dtype":
            part.gradients[name] = gradient.long()
        case "sums shape":
            part.sums[layer] = sums[:, None]
        case "sums dtype":
            part.sums[layer] = sums.float()
        case "nan":
            gradient[0] = float("nan")
        case "inf":
            gradient[0] = float("inf")
        case "norm":
            limit = 1e-3
        case "sums":
            del part.sums[layer]
    with pytest.raises(BadResult):
        check_part(part, network, max_norm=limit)


@pytest.mark.parametrize("scale", [torch.ones(100, 1), torch.ones(()).double(), torch.ones(1), None])
def test_a_scale_that_is_not_one_number_is_refused_before_it_is_used(scale):
    """A tensor of 300 numbers times a scale of 100 rows would have 30,000."""
    tensors = {"gradient.w": torch.zeros(1, 300).half()} | ({} if scale is None else {"gradient.w.scale": scale})
    with pytest.raises(PayloadError, match=r"needs torch\.float16 and one torch\.float32"):
        decode_part(tensors, get_codec("fp16"), {}, ())
    with pytest.raises(PayloadError):
        decode_part({"gradient.w": torch.zeros(3), "gradient.w.scale": torch.ones(())}, get_codec("fp16"), {}, ())


def test_codecs_keep_names_and_sums_and_fp16_halves_the_bytes():
    part = part_for(Discriminator(CONFIG))
    tiny = next(iter(part.gradients))
    part.gradients[tiny] *= 1e-9  # far below what fp16 can hold unscaled
    sizes = {}
    for name in ("fp32", "fp16"):
        codec = get_codec(name)
        data = pack(encode_part(part, codec, ()))
        sizes[name] = len(data)
        back = decode_part(unpack(data, digest(data)), codec, {}, ())
        assert back.sums.keys() == part.sums.keys()
        assert all(torch.equal(back.sums[n], part.sums[n]) for n in part.sums)
        for n, gradient in part.gradients.items():
            error = (back.gradients[n] - gradient).norm() / gradient.norm()
            assert error == 0 if name == "fp32" else error < 1e-3
    assert sizes["fp16"] < 0.6 * sizes["fp32"]
    with pytest.raises(ConfigError, match="fp32"):
        get_codec("fp31")


def test_an_all_zero_gradient_survives_fp16():
    codec = get_codec("fp16")
    zero = {"w": torch.zeros(3)}
    assert torch.equal(codec.decode(codec.encode(zero, ()), {}, ())["w"], zero["w"])


def test_payloads_notice_what_happened_to_them_on_the_way(tmp_path):
    data = pack({"a": torch.arange(6.0).reshape(2, 3)})
    assert torch.equal(unpack(data, digest(data))["a"], torch.arange(6.0).reshape(2, 3))
    for broken in (data[:-1], data[:20], b"", b"\x80\x04}q\x00."):
        with pytest.raises(PayloadError):
            unpack(broken)
    with pytest.raises(PayloadError, match="digest"):
        unpack(data[:-1] + b"x", digest(data))
    with pytest.raises(PayloadError):
        metadata(b"no header at all")


def test_our_writer_makes_what_the_library_reads(tmp_path):
    path = tmp_path / "state"
    path.write_bytes(b"x" * 10_000)  # longer than what is written over it
    tensors = {"a": torch.randn(3, 2).t(), "step": torch.tensor(4.0), "d": torch.ones(2, dtype=torch.float64)}
    write_file(path, tensors, {"ganns": "1"})
    back = unpack(path.read_bytes())
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())
    assert metadata(path.read_bytes()) == {"ganns": "1"}


@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 100])
def test_splitting_loses_nothing(size):
    data = bytes(range(size))
    chunks = split(data, 3)
    assert len(chunks) == max(1, -(-size // 3))
    assert all(len(chunk) == 3 for chunk in chunks[:-1])
    assert b"".join(chunks) == data
