"""The rule of `strategy.per_class`: it follows the class, does not flap, and is off without the key."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ganns.config import LocalStepsStrategy, OptimizerConfig, QuorumConfig, StopConfig
from ganns.data import open_images
from ganns.training.per_class import TABLE, choose, is_per_class, num_units
from ganns.training.plan import Cursor, carry, plan_round
from ganns.training.round_settings import RecordedRound, RoundSettings, from_columns, in_round, to_columns
from ganns.training.solo import train_recorded, train_solo
from ganns.training.state import TrainingState
from tests.support.fakes import solo_digest, tiny

LOCAL = LocalStepsStrategy(unit_images=12, micro_batch=4)
RULE = replace(LOCAL, per_class=True)


def test_it_is_off_without_the_key_and_for_gradients():
    assert [is_per_class(tiny(strategy=one)) for one in (tiny().strategy, LOCAL, RULE)] == [False, False, True]


def test_each_row_is_for_classes_up_to_the_next_row():
    config = tiny(strategy=RULE)
    assert [row.size for row in TABLE] == [1, 2, 4, 8, 16]
    sizes = [choose(config, present).class_size for present in (1, 2, 3, 4, 7, 8, 15, 16, 1000)]
    assert sizes == [1, 2, 2, 4, 4, 8, 8, 16, 16]
    for row in TABLE:
        found = choose(config, row.size)
        assert found.unit_images == row.steps * found.micro_batch == row.steps * row.micro_batch
        assert found.lr_g == row.rate * config.optimizer.lr_g


def test_before_anybody_came_it_expects_the_quorum():
    config = tiny(strategy=RULE, quorum=QuorumConfig(units=4))
    assert choose(config, 0) == choose(config, 4)
    assert (num_units(config, 0), num_units(config, 3)) == (4, 3)


def test_the_settings_do_not_flap_as_workers_come_and_go():
    config, rng = tiny(strategy=RULE), random.Random(0)
    before, changes = choose(config, 8), 0
    for _ in range(1000):
        found = choose(config, rng.choice((6, 7, 8, 9)), before)  # one or two laptops sleep now and then
        changes += found != before
        before = found
    assert changes == 0
    assert choose(config, 5, before).class_size == 4
    assert choose(config, 16, before).class_size == 16


def test_a_rounds_configuration_differs_in_its_settings_alone():
    config = tiny(strategy=RULE)
    assert in_round(config, None, 7) is config
    found = in_round(config, RoundSettings(2, 24, 8, 1e-3, 2e-3), 7)
    assert (found.strategy.unit_images, found.strategy.micro_batch) == (24, 8)
    assert (found.optimizer.lr_g, found.optimizer.lr_d) == (1e-3, 2e-3)
    assert replace(found, strategy=config.strategy, optimizer=config.optimizer) == config


@pytest.mark.parametrize("settings", [None, RoundSettings(2, 24, 8, 2e-4, 4e-4)])
def test_rates_that_fall(settings):
    config = tiny(strategy=RULE, optimizer=OptimizerConfig(lr_g=2e-4, lr_d=4e-4, decay_rounds=10))
    found = [in_round(config, settings, number).optimizer for number in (0, 10, 30)]
    assert [one.lr_g for one in found] == pytest.approx([2e-4, 1e-4, 0.5e-4], rel=1e-12)
    assert [one.lr_d for one in found] == pytest.approx([4e-4, 2e-4, 1e-4], rel=1e-12)


@pytest.mark.parametrize("settings", [None, RoundSettings(4, 32, 4, 0.1 + 0.2, 1e-300)])
def test_columns_keep_the_settings(settings):
    assert from_columns(to_columns(settings)) == settings


def test_units_of_changing_sizes_cover_each_epoch_once():
    rng, num_images, cursor, seen = random.Random(1), 101, Cursor(), []
    while cursor.epoch < 4 or cursor.carried:
        slices, behind = plan_round(
            cursor, rng.randint(1, 5), num_images=num_images, unit_images=rng.choice((2, 7, 32, 200)), epochs=4
        )
        assert all(one.num_images >= 2 for one in slices)
        kept = [one for one in slices if rng.random() < 0.7]
        seen += [(one.epoch, one.start + n) for one in kept for n in range(one.num_images)]
        cursor = carry(behind, [one for one in slices if one not in kept])
    assert sorted(seen) == [(epoch, n) for epoch in range(4) for n in range(num_images)]


def test_a_cursor_of_an_older_program_counted_slices():
    old = {"epoch": 2, "position": 3, "carried": [[1, 0, 8]]}
    assert Cursor.from_json(old, 8) == Cursor(2, 24, carried=((1, 0, 8),))
    assert Cursor.from_json(Cursor(2, 24).to_json(), 999) == Cursor(2, 24)


def test_the_recorded_rounds_of_a_run_give_its_weights_again():
    config = tiny(strategy=LOCAL, optimizer=OptimizerConfig(lr_g=1e-3), stop=StopConfig(rounds=4))
    images, schedule, cursor = open_images(config.data, 32), [], Cursor()
    for _ in range(4):
        slices, cursor = plan_round(cursor, config.quorum.units, num_images=40, unit_images=12)
        schedule.append(RecordedRound(None, dict(enumerate(slices))))
    state = TrainingState(config)
    assert [row["round"] for row in train_recorded(config, images, state, schedule)] == [1, 2, 3, 4]
    assert state.weights_digest() == solo_digest(config)
    other = TrainingState(config)
    of_one = RecordedRound(RoundSettings(1, 12, 4, 2e-3, 2e-4), schedule[0].slices)
    list(train_recorded(config, images, other, [of_one, *schedule[1:]]))
    assert other.weights_digest() != state.weights_digest()


def test_alone_the_rule_takes_a_class_of_the_quorums_size():
    config = tiny(strategy=RULE, quorum=QuorumConfig(units=2), stop=StopConfig(rounds=2))
    state, settings = TrainingState(config), choose(config, 2)
    assert [row["round"] for row in train_solo(config, open_images(config.data, 32), state)] == [1, 2]
    by_hand = tiny(
        strategy=replace(LOCAL, unit_images=settings.unit_images, micro_batch=settings.micro_batch),
        optimizer=OptimizerConfig(lr_g=settings.lr_g, lr_d=settings.lr_d),
        stop=StopConfig(rounds=2),
    )
    assert state.weights_digest() == solo_digest(by_hand)
