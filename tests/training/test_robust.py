"""Robust rules against their definitions in plain numpy, and clipping."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ganns.config import OPTIONS, AggregateConfig, QuorumConfig, StopConfig, from_dict, least_results, to_dict
from ganns.data import images_of
from ganns.errors import ConfigError
from ganns.testing import check_aggregate
from ganns.training.aggregation import Accumulator, Mean, build_rule, build_totals
from ganns.training.clipping import LEAST_NORMS, NUM_NORMS, clipped, largest_norm, rounded_norm
from ganns.training.robust import ITERATIONS, MultiKrum
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from ganns.training.unit import Part
from ganns.utils.checks import OK
from tests.support.fakes import tiny

ROBUST = ["median", "trimmed_mean", "centered_clipping", "multi_krum"]


def some_results(num: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    rng = torch.Generator().manual_seed(seed)
    return [{"w": 1 + torch.randn(3, 4, generator=rng), "b": torch.randn(5, generator=rng)} for _ in range(num)]


def combined(name: str, results: list[dict[str, torch.Tensor]]) -> np.ndarray:
    rule = build_rule(OPTIONS["aggregate"][name]())
    for one in results:
        rule.add(one, 8)
    return flat(rule.combine())


def flat(result: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([result[name].double().numpy().ravel() for name in ("w", "b")])


def matrix(results: list[dict[str, torch.Tensor]]) -> np.ndarray:
    return np.stack([flat(one) for one in results])


@pytest.mark.parametrize("num", [1, 2, 3, 5, 10, 11])
def test_the_trimmed_mean(num):
    results = some_results(num)
    cut = min(math.ceil(0.2 * num), (num - 1) // 2)
    expected = np.sort(matrix(results), axis=0)[cut : num - cut].mean(axis=0)
    np.testing.assert_allclose(combined("trimmed_mean", results), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num", [1, 2, 3, 5, 10, 11])
def test_multi_krum(num):
    results = some_results(num)
    points = matrix(results)
    hostile = max(0, min(math.ceil(0.2 * num), (num - 3) // 2))
    keep = num - hostile - 2 if num >= 3 else num
    scores = []
    for point in points:
        squares = sorted(((points - point) ** 2).sum(axis=1))
        scores.append(sum(squares[1 : num - hostile - 1]))
    chosen = sorted(np.argsort(scores, kind="stable")[:keep])
    np.testing.assert_allclose(combined("multi_krum", results), points[chosen].mean(axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num", [1, 2, 5, 10])
def test_centered_clipping(num):
    results = some_results(num)
    points = matrix(results)
    centre = np.median(points, axis=0)
    radius = np.sort(np.linalg.norm(points - centre, axis=1))[(num - 1) // 2]
    for _ in range(ITERATIONS):
        away = np.linalg.norm(points - centre, axis=1)
        shares = np.minimum(1, radius / np.maximum(away, 1e-30))
        centre = centre + (shares[:, None] * (points - centre)).mean(axis=0)
    np.testing.assert_allclose(combined("centered_clipping", results), centre, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ROBUST)
def test_two_of_ten_do_not_decide(name):
    results = some_results(10)
    honest = matrix(results[:8]).mean(axis=0)
    results[8:] = [{key: -1000 * value for key, value in one.items()} for one in results[8:]]
    assert np.linalg.norm(combined(name, results) - honest) < np.linalg.norm(honest)
    assert np.linalg.norm(combined("mean", results) - honest) > 100 * np.linalg.norm(honest)


def test_multi_krum_leaves_out_those_that_are_far_away():
    rule = MultiKrum(OPTIONS["aggregate"]["multi_krum"]())
    for number, one in enumerate(some_results(10)):
        rule.add({key: value + (50 if number in (2, 6) else 0) for key, value in one.items()}, 8)
    assert len(rule.chosen()) == 6
    assert not {2, 6} & set(rule.chosen())


@pytest.mark.parametrize("name", ROBUST)
def test_a_rule_holds_what_every_rule_must_hold(name):
    config = OPTIONS["aggregate"][name]()
    findings = check_aggregate(type(build_rule(config)), config)
    assert [one for one in findings if one.state not in (OK, "note")] == []


@pytest.mark.parametrize(("name", "units"), [("multi_krum", 4), ("multi_krum", 6), ("trimmed_mean", 2)])
def test_a_rule_with_too_few_results_is_refused_with_the_settings(name, units):
    config = tiny(aggregate=OPTIONS["aggregate"][name](), quorum=QuorumConfig(units=units))
    with pytest.raises(ConfigError, match=rf"aggregate={name} needs \d results a round .* quorum.units={units}"):
        from_dict(to_dict(config))
    enough = replace(config, quorum=QuorumConfig(units=least_results(name, 2)))
    assert from_dict(to_dict(enough)).aggregate == config.aggregate


@pytest.mark.parametrize("strategy", ["gradient", "local_steps"])
@pytest.mark.parametrize("name", ROBUST)
def test_a_run_with_a_robust_rule_learns_and_goes_on_bit_for_bit(name, strategy):
    options = OPTIONS["strategy"][strategy](unit_images=8, micro_batch=4)
    config = tiny(aggregate=OPTIONS["aggregate"][name](), strategy=options, quorum=QuorumConfig(units=5))
    digests = []
    for rounds in ((2,), (1, 2)):
        state = TrainingState(config)
        for number in rounds:
            config.stop = StopConfig(rounds=number)
            list(train_solo(config, images_of(config), state))
            state = TrainingState.from_bytes(config, saved(state))
        digests.append(state.weights_digest())
    assert digests[0] == digests[1]
    assert state.weights_digest() != TrainingState(config).weights_digest()


def saved(state: TrainingState) -> bytes:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        state.save(Path(folder) / "state")
        return (Path(folder) / "state").read_bytes()


# ------------------------------------------------------------------------------------------------------ clipping


def test_a_result_is_clipped_to_a_multiple_of_the_median_norm():
    norms = {"d": [2.0] * LEAST_NORMS, "g": [2.0] * (LEAST_NORMS - 1)}
    totals = build_totals(AggregateConfig(clip=10.0), norms)
    assert totals["d"].largest == 20.0
    assert totals["g"].largest == math.inf  # too few
    for role in ("d", "g"):
        totals[role].add(Part({"w": torch.tensor([300.0, 400.0])}, {}), 4)
    assert totals["d"].combine()["w"].tolist() == pytest.approx([12.0, 16.0])
    assert totals["g"].combine()["w"].tolist() == [300.0, 400.0]
    assert totals["d"].norms == [500.0]  # as it came
    assert build_totals(AggregateConfig(clip=None), norms)["d"].largest == math.inf


def test_below_the_limit_nothing_changes():
    gradients = {"w": torch.tensor([3.0, 4.0])}
    assert clipped(gradients, rounded_norm(gradients), 5.0) is gradients
    total = Accumulator(Mean(AggregateConfig()), largest=5.0)
    total.add(Part(gradients, {}), 2)
    assert total.combine()["w"].tolist() == [3.0, 4.0]


def test_the_norm_is_the_same_in_any_order_in_memory():
    value = torch.randn(64, 32, 4, 4, generator=torch.Generator().manual_seed(0))
    assert rounded_norm({"w": value}) == rounded_norm({"w": value.to(memory_format=torch.channels_last)})
    assert rounded_norm({"w": value}) == pytest.approx(float(value.double().norm()), rel=1e-2)


def test_hostile_norms_do_not_move_the_median_far():
    honest = [1.0 + 0.01 * number for number in range(40)]
    assert largest_norm(10.0, [*honest, *[1e6] * 24]) <= 10.0 * max(honest)


def test_the_state_remembers_the_norms_of_the_last_results():
    config = tiny(stop=StopConfig(rounds=2))
    state = TrainingState(config)
    list(train_solo(config, images_of(config), state))
    assert {role: len(norms) for role, norms in state.norms.items()} == {"g": 4, "d": 4}
    again = TrainingState.from_bytes(config, saved(state))
    assert again.norms == state.norms
    config.stop = StopConfig(rounds=NUM_NORMS)
    list(train_solo(config, images_of(config), state))
    assert {len(norms) for norms in state.norms.values()} == {NUM_NORMS}
