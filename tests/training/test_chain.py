"""A chain of small changes: everyone computes the same sums, nothing is lost, and what leads elsewhere is refused."""

from __future__ import annotations

import pytest
import torch

from ganns.config import GradientStrategy, HomeCodec, LocalStepsStrategy, ModelConfig, StopConfig
from ganns.data import images_of
from ganns.errors import PayloadError
from ganns.training.chain import LONGEST, Published, digest_of, follow, next_link, path
from ganns.training.networks import make, parameters_of
from ganns.training.serialization import pack
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from tests.support.fakes import tiny

PIPELINE = GradientStrategy(unit_images=8, micro_batch=8, pipeline=True)
LOCAL = LocalStepsStrategy(unit_images=8, micro_batch=4, outer_momentum=0.5)


def some_weights(seed: int, size: float = 1.0) -> dict[str, torch.Tensor]:
    """Two tensors, of which one does not fill its last block, and a vector."""
    rng = torch.Generator().manual_seed(seed)
    shapes = {"g.b": (3, 4, 7), "g.a": (16, 20), "d.bias": (5,)}
    return {name: size * torch.randn(shape, generator=rng) for name, shape in shapes.items()}


def test_whoever_has_the_weights_gets_the_next_ones_bit_for_bit():
    """The order of the tensors, and their layout in memory, are those of each program."""
    before, exact = some_weights(0), some_weights(1)
    link, after = next_link(before, exact)
    assert link.start == digest_of(before)
    theirs = {name: before[name] for name in sorted(before)}
    found = follow(theirs, bytes(pack(link.change)), digest_of(after))
    assert all(torch.equal(found[name], after[name]) for name in after)
    assert digest_of(found) == digest_of(after)
    permuted = exact | {"g.b": exact["g.b"].transpose(0, 2).contiguous().transpose(0, 2)}
    assert digest_of(next_link(before, permuted)[1]) == digest_of(after)


def test_vectors_are_exact_and_belong_to_the_published_weights():
    before, exact = some_weights(0), some_weights(1)
    _, after = next_link(before, exact)
    assert torch.equal(after["d.bias"], exact["d.bias"])
    expected = exact["d.bias"].clone()
    exact["d.bias"].zero_()  # as the next step does, in its place
    assert torch.equal(after["d.bias"], expected)


def test_the_published_weights_follow_the_exact_ones():
    """A fifteenth of the largest change is the largest error, and it does not grow: each link sends what was left."""
    exact = some_weights(0)
    published, step = exact, 0.01
    for seed in range(40):
        exact = {name: value + step * some_weights(seed)[name].clamp(-2, 2) for name, value in exact.items()}
        _, published = next_link(published, exact)
        apart = max(float((exact[name] - published[name]).abs().max()) for name in exact)
        assert apart <= 2 * step / 14 * 1.001  # e <= (e + 2 steps) / 15
    _, settled = next_link(published, exact)
    assert max(float((exact[name] - settled[name]).abs().max()) for name in exact) < apart / 10


def test_weights_that_do_not_change_stay_as_they_are():
    weights = some_weights(0)
    _, after = next_link(weights, weights)
    assert all(torch.equal(after[name], weights[name]) for name in weights)


@pytest.mark.parametrize("damage", ["other weights", "another change", "cut off", "other shapes", "another end"])
def test_a_link_that_leads_elsewhere_is_refused(damage):
    before = some_weights(0)
    link, after = next_link(before, some_weights(1))
    data, end = bytes(pack(link.change)), digest_of(after)
    if damage == "other weights":
        before = before | {"g.a": before["g.a"] * 1.0001}
    elif damage == "another change":
        data = data[:-1] + bytes([data[-1] ^ 1])
    elif damage == "cut off":
        data = data[:-1]
    elif damage == "other shapes":
        before = before | {"g.a": before["g.a"][:, :-1]}
    else:
        end = digest_of(before)
    with pytest.raises(PayloadError):
        follow(before, data, end)


def version(number: int, start: str | None, link_bytes: int = 3, size: int = 25) -> Published:
    return Published(number, f"w{number}", size, start, None if start is None else link_bytes)


CHAIN = [version(number, f"w{number - 1}") for number in range(3, 10)]


@pytest.mark.parametrize(
    ("held", "versions", "found"),
    [
        ("w9", CHAIN, []),
        ("w8", CHAIN, [9]),
        ("w4", CHAIN, [5, 6, 7, 8, 9]),
        ("w2", CHAIN, [3, 4, 5, 6, 7, 8, 9]),
        (None, CHAIN, None),
        ("w1", CHAIN, None),  # too far behind
        ("another w8", CHAIN, None),  # of a history that was undone
        ("w10", CHAIN, None),
        ("w4", [*CHAIN[:3], version(6, None), *CHAIN[4:]], None),  # a new chain begins at 6
        ("w6", [*CHAIN[:3], version(6, None), *CHAIN[4:]], [7, 8, 9]),
        ("w4", [*CHAIN[:3], *CHAIN[4:]], None),  # a row is missing
        ("w4", [*CHAIN[:6], version(9, "w8", size=15)], None),  # a whole version is as few bytes
        ("w5", [*CHAIN[:6], version(9, "w8", size=15)], [6, 7, 8, 9]),
        ("w0", [], None),
    ],
)
def test_the_way_to_a_version(held, versions, found):
    links = path(held, versions)
    assert links == found or [one.version for one in links] == found


def test_the_bytes_of_a_link():
    """DCGAN-64: 3.4 MB in place of 25.4; `LONGEST` of them are fewer bytes than a whole version, one more is not."""
    weights = {
        f"{role}.{name}": torch.zeros_like(value, device="cpu")
        for role in ("g", "d")
        for name, value in parameters_of(on_meta(role)).items()
    }
    link, _ = next_link(weights, {name: value + 1 for name, value in weights.items()})
    size, whole = len(pack(link.change)), len(pack(weights))
    assert (size, whole) == (3_385_896, 25_371_184)  # docs/explain/compression.md
    assert size < 3.5e6
    assert LONGEST * size < whole < (LONGEST + 1) * size


def on_meta(role: str) -> torch.nn.Module:
    with torch.device("meta"):
        return make(ModelConfig(), role)


@pytest.mark.parametrize("strategy", [tiny().strategy, PIPELINE, LOCAL], ids=["gradient", "pipeline", "local_steps"])
def test_a_state_goes_on_bit_for_bit_in_the_middle_of_a_chain(strategy, tmp_path):
    config = tiny(codec=HomeCodec(), strategy=strategy, stop=StopConfig(rounds=2))
    state = TrainingState(config)
    list(train_solo(config, images_of(config), state))
    assert any(not torch.equal(value, state.published[name]) for name, value in state.weights().items())
    assert state.link is not None
    state.save(tmp_path / "state")
    again = TrainingState.from_bytes(config, (tmp_path / "state").read_bytes())
    assert again.weights_digest() == state.weights_digest()
    assert digest_of(again.published) == digest_of(state.published)
    assert again.base_version == state.base_version == (1 if strategy is PIPELINE else 2)
    for one in (state, again):
        one.config.stop.rounds = 4
        list(train_solo(one.config, images_of(config), one))
    assert again.weights_digest() == state.weights_digest()


def test_a_chain_begins_with_the_exact_weights(tmp_path):
    """At version 0, after a going back, and with the state of a run that had no chain."""
    config = tiny(codec=HomeCodec(), stop=StopConfig(rounds=2))

    def begins(state: TrainingState) -> bool:
        return state.link is None and all(state.published[n].equal(value) for n, value in state.weights().items())

    state, other = TrainingState(config), TrainingState(config)
    assert begins(state)
    list(train_solo(config, images_of(config), state))
    assert not begins(state)
    list(train_solo(config, images_of(config), other))
    state.take_over(other, state.progress)
    assert begins(state)
    plain = TrainingState(tiny())
    assert plain.published == {}
    plain.save(tmp_path / "state")
    assert begins(TrainingState.from_bytes(config, (tmp_path / "state").read_bytes()))
