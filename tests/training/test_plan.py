"""Slices: every image of every epoch in exactly one accepted unit, whatever is spare, lost or late."""

import random

import numpy as np
import pytest

from ganns.training.plan import Cursor, carry, plan_round, slice_bounds
from ganns.training.seeds import derive, permutation, permutation_digest


@pytest.mark.parametrize(("num", "size"), [(10, 4), (9, 4), (8, 4), (5, 4), (3, 4), (1, 4), (65, 64), (2, 2)])
def test_slices_cover_everything_and_none_is_a_single_image(num, size):
    bounds = slice_bounds(num, size)
    assert [p for start, count in bounds for p in range(start, start + count)] == list(range(num))
    assert all(2 <= count <= size + 1 for _, count in bounds) or num == 1


@pytest.mark.parametrize("seed", range(20))
def test_each_epoch_is_covered_exactly_once_under_random_losses(seed):
    rng = random.Random(seed)
    num_images, unit_images, epochs = rng.randint(5, 60), rng.randint(2, 9), 3
    cursor, accepted = Cursor(), []
    for _ in range(10_000):
        slices, behind = plan_round(
            cursor, rng.randint(1, 7), num_images=num_images, unit_images=unit_images, epochs=epochs
        )
        if not slices:
            break
        taken = [one for one in slices if rng.random() < 0.6]
        accepted += taken
        cursor = carry(behind, [one for one in slices if one not in taken])
        assert Cursor.from_json(cursor.to_json(), unit_images=1) == cursor
    for epoch in range(epochs):
        positions = [p for e, start, count in accepted if e == epoch for p in range(start, start + count)]
        assert sorted(positions) == list(range(num_images))
    assert max(one.epoch for one in accepted) == epochs - 1


def test_carried_slices_come_first_and_unchanged():
    slices, behind = plan_round(Cursor(), 3, num_images=100, unit_images=10)
    again, _ = plan_round(carry(behind, slices[1:2]), 2, num_images=100, unit_images=10)
    assert again[0] == slices[1]
    assert again[1].start == 30


def test_a_round_may_span_two_epochs():
    slices, behind = plan_round(Cursor(0, 10), 3, num_images=20, unit_images=10)
    assert [(one.epoch, one.start) for one in slices] == [(0, 10), (1, 0), (1, 10)]
    assert (behind.epoch, behind.start) == (2, 0)


def test_orders_differ_by_epoch_and_seed_and_are_frozen():
    first = permutation(1, 0, 50)
    assert sorted(first) == list(range(50))
    assert not np.array_equal(first, permutation(1, 1, 50))
    assert not np.array_equal(first, permutation(2, 0, 50))
    assert first.dtype == np.int64
    # Written down once: if it ever changes, old runs cannot be resumed.
    assert permutation(0, 0, 8).tolist() == [3, 6, 1, 7, 4, 0, 2, 5]
    assert permutation_digest(0, 8) != permutation_digest(1, 8)
    assert derive("a", 12) != derive("a1", 2)
