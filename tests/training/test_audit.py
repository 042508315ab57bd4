"""The pure part of audits: comparing two results, the probability of an audit, and trust."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.hostile_workers import ATTACKS, Scene
from ganns.config import AuditConfig, GradientStrategy, LocalStepsStrategy, ModelConfig, SyntheticData
from ganns.data import images_of
from ganns.training.audit import (
    MOST,
    AuditResult,
    Case,
    Difference,
    are_alike,
    audit,
    compare,
    from_tensors,
    recompute,
    to_tensors,
)
from ganns.training.plan import Slice
from ganns.training.round_settings import RoundSettings
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from ganns.training.trust import FLOOR, Trust, is_auditor_suspect, is_chosen, is_out, probability
from ganns.training.unit import UnitResult
from tests.support.fakes import tiny

AUDIT = AuditConfig()
STRATEGIES = {
    "gradient": GradientStrategy(unit_images=8, micro_batch=4),
    "local_steps": LocalStepsStrategy(unit_images=16, micro_batch=4),
}


def case_of(config, unit: int = 0) -> Case:
    """Return a case with an honest result."""
    weights = TrainingState(config).weights()
    start = unit * config.strategy.unit_images
    empty = Case(0, unit, Slice(0, start, config.strategy.unit_images), None, weights, {}, {})
    result = recompute(build_computer(config), images_of(config), config, empty)
    assert result is not None
    return replace(empty, parts=result.parts, metrics=result.metrics)


@pytest.fixture(scope="module", params=STRATEGIES)
def honest(request):
    """Return a configuration and three honest results."""
    config = tiny(strategy=STRATEGIES[request.param])
    return config, [case_of(config, unit) for unit in range(2)]


def test_an_honest_result_is_the_same_bit_for_bit(honest):
    config, (case, _) = honest
    own = recompute(build_computer(config), images_of(config), config, case)
    assert compare(case, own) == Difference(True, 0.0, 0.0, 0.0)
    assert audited(config, case) == AuditResult(Difference(True, 0.0, 0.0, 0.0), True, True)


MACHINE = {"device": "cpu", "threads": 1, "torch": "2", "processor": "x", "compiled": False, "ganns": "1"}
OTHER = MACHINE | {"processor": "y"}


def audited(config, case, machine=MACHINE, auditor=MACHINE):
    """Let a machine audit a result of another one."""
    return audit(build_computer(config), images_of(config), config, replace(case, machine=machine), auditor)


@pytest.mark.slow
def test_a_unit_of_dcgan_64_with_two_threads_is_accepted_and_a_bias_is_not():
    """At the real size rounding turns the sign of some activations; unlike machines may differ by that."""
    config = tiny(model=ModelConfig(), data=SyntheticData(count=16, holdout=8))
    assert (config.model.image_size, config.model.features_g, config.model.features_d) == (64, 64, 64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        case = case_of(config)
        torch.set_num_threads(1)
        honest = audited(config, case, MACHINE | {"threads": 2})
        assert not honest.found.same  # the threads did change the result
        assert (honest.alike, honest.agreed) == (False, True), honest
        parts = {
            role: replace(part, gradients={name: value * 3 for name, value in part.gradients.items()})
            for role, part in case.parts.items()
        }
        biased = audited(config, replace(case, parts=parts), MACHINE | {"threads": 2})
        assert biased.found.distance > MOST["distance"]
        assert not biased.agreed, biased
    finally:
        torch.set_num_threads(before)


LIES = sorted(set(ATTACKS) - {"small_bias", "stale", "turncoat"})


@pytest.mark.parametrize("name", LIES)
def test_every_attack_is_found(honest, name):
    config, cases = honest
    case = cases[0]
    results = [UnitResult(8, one.parts, one.metrics) for one in cases]
    own = results[0]
    sent = ATTACKS[name](Scene(0, 3, 5, results), own)
    lie = replace(case, parts=sent.parts, metrics=sent.metrics)
    finding = audited(config, lie, OTHER)
    assert (finding.alike, finding.agreed) == (False, False), finding


def test_the_result_of_another_unit_is_found(honest):
    config, (case, other) = honest
    stale = replace(case, parts=other.parts, metrics=other.metrics)
    assert not audited(config, stale, OTHER).agreed
    assert not audited(config, stale, OTHER | {"device": "cuda"}).agreed  # what it says of itself does not help it


def test_rounding_is_no_lie_but_for_a_machine_of_the_same_kind(honest):
    config, (case, _) = honest
    own = UnitResult(8, case.parts, case.metrics)
    parts = {
        role: replace(part, gradients={name: value * (1 + 1e-5) for name, value in part.gradients.items()})
        for role, part in case.parts.items()
    }
    found = compare(replace(case, parts=parts), own)
    assert 0 < found.distance < 1e-4
    assert audited(config, replace(case, parts=parts), OTHER).agreed
    same_kind = audited(config, replace(case, parts=parts))
    assert (same_kind.alike, same_kind.agreed) == (True, False)


def test_a_unit_that_amplifies_rounding_is_given_more_room(honest):
    found = Difference(False, 0.5, 0.2, 0.2)
    assert found.exceeds()
    assert not found.exceeds(Difference(False, 0.3, 0.1, 0.1))
    assert found.exceeds(Difference(False, 0.3, 0.01, 0.1))
    assert Difference(False, 1.41, 0.0, 0.0).exceeds(Difference(False, 10.0, 10.0, 10.0))  # unrelated
    assert Difference(False, math.nan, 0.0, 0.0).exceeds()


def test_a_machine_that_does_not_agree_with_itself_blames_nobody(honest, monkeypatch):
    config, (case, other) = honest
    computed = []

    def unsteady(computer, images, config, case, should_stop, noise=0.0):
        computed.append(noise)
        one = (case, other)[len(computed) % 2]
        return UnitResult(8, one.parts, one.metrics)

    monkeypatch.setattr("ganns.training.audit.recompute", unsteady)
    assert audited(config, case) is None
    assert computed == [0.0, 0.0]


def test_a_false_loss_is_found(honest):
    config, (case, _) = honest
    for lie in ({"d_real": 1.0}, {"d_loss": math.nan}):
        assert not audited(config, replace(case, metrics=case.metrics | lie), OTHER).agreed


@pytest.mark.parametrize("of_round", [None, RoundSettings(4, 16, 4, 1e-3, 2e-3)])
def test_a_case_survives_the_way_to_a_trusted_worker(honest, of_round):
    case = replace(honest[1][1], settings=of_round, machine={"threads": 1, "gpu": "ü"})
    there = from_tensors({name: value.clone() for name, value in to_tensors(case).items()})
    for name in ("round", "unit", "slice", "settings", "metrics", "machine"):
        assert getattr(there, name) == getattr(case, name), name
    assert compare(there, UnitResult(8, case.parts, case.metrics)).same
    assert all(torch.equal(there.weights[name], value) for name, value in case.weights.items())


def test_which_machines_are_alike():
    machine = MACHINE
    assert are_alike(machine, dict(machine))
    for key, value in {"device": "cuda", "threads": 2, "torch": "3", "processor": "y", "compiled": True}.items():
        assert not are_alike(machine, machine | {key: value}), key
    for both in ({"threads": 2}, {"device": "cuda"}, {"processor": ""}):
        assert not are_alike(machine | both, machine | both), both
    assert not are_alike({}, {})


# -------------------------------------------------------------------------------------------------------- trust

configs = st.builds(
    AuditConfig,
    of=st.just("students"),
    first=st.integers(0, 50),
    share=st.floats(0, 1),
    failures=st.integers(1, 5),
)


@settings(max_examples=100, deadline=None)
@given(configs, st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_probability_falls_with_trust(config, some, more):
    few, many = sorted((some, more))
    before, after = (probability(Trust(agreed=agreed), config) for agreed in (few, many))
    assert after <= before
    assert (before == 1.0) if few < config.first else (FLOOR * config.share <= before <= max(config.share, 0))


@settings(max_examples=25, deadline=None)
@given(configs, st.randoms(use_true_random=False), st.integers(1, 2000))
def test_audits_of_an_honest_login_cost_the_first_units_and_the_share(config, random, num):
    trust, audits = Trust(), 0
    for _ in range(num):
        chosen = is_chosen(trust, config, random.random())
        trust = trust.counted(config, chosen)
        if chosen:
            audits += 1
            trust = trust.after(agreed=True)
    assert audits <= config.first + config.share * num + 2
    assert not is_out(trust, config)


def units_until_out(trust: Trust, random) -> tuple[int, int]:
    """Return (units, audited units) until a login that sends only wrong results is out."""
    units = audits = 0
    while not is_out(trust, AUDIT):
        units += 1
        chosen = is_chosen(trust, AUDIT, random.random())
        trust = trust.counted(AUDIT, chosen)
        if chosen:
            audits += 1
            trust = trust.after(agreed=False)
    return units, audits


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 10**5))
def test_a_liar_is_out_after_three_audited_units(random, agreed):
    units, audits = units_until_out(Trust(agreed=agreed, results=10 * agreed, audits=agreed), random)
    assert audits == AUDIT.failures
    if agreed < AUDIT.first:
        assert units == AUDIT.failures


def test_a_wrong_result_ends_the_trust():
    trust = Trust(agreed=1000).after(agreed=False)
    assert (trust.agreed, trust.failed, probability(trust, AUDIT)) == (0, 1, 1.0)
    assert trust.after(agreed=True).failed == 1  # it is not made up for


def test_an_auditor_that_disagrees_with_most_is_suspect_itself():
    good, bad = Trust(agreed=5), Trust(failed=3)
    assert not is_auditor_suspect({})
    assert not is_auditor_suspect({"a": bad})
    assert not is_auditor_suspect({"a": bad, "b": bad, "c": good, "d": good})
    assert is_auditor_suspect({"a": bad, "b": bad, "c": good})
    assert is_auditor_suspect({"a": bad, "b": bad, "c": Trust()})
