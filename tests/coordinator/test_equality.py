"""Real workers, real processes: the weights are those of `ganns solo`, bit for bit."""

from __future__ import annotations

import pytest

from ganns.config import (
    Fp16Codec,
    GradientStrategy,
    HomeCodec,
    Int8Codec,
    LocalStepsStrategy,
    ModelConfig,
    QuorumConfig,
    StopConfig,
)
from ganns.store.results import worker_totals
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import workers


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_twenty_rounds_equal_solo_bit_for_bit(coordinate, database, conn, tmp_path, num_workers):
    config = tiny(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=20))
    with workers(database, num_workers, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.done
    assert coordinator.reports[-1].version == 20
    assert coordinator.digest == solo_digest(config)
    totals = worker_totals(conn, coordinator.run_id)
    assert sum(row["units"] for row in totals) == 60
    assert sum(row["images"] for row in totals) == coordinator.reports[-1].images


def test_fp16_and_micro_batches_equal_solo_too(coordinate, database, tmp_path):
    config = tiny(codec=Fp16Codec(), strategy=GradientStrategy(unit_images=8, micro_batch=4))
    with workers(database, 2, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.digest == solo_digest(config)


@pytest.mark.parametrize("codec", [HomeCodec(), Int8Codec(up="int4")], ids=lambda one: one.up)
def test_what_a_codec_draws_at_random_is_the_same_on_every_worker(coordinate, database, tmp_path, codec):
    """The pipeline, where the seed's round and the version that a unit computes at are two numbers."""
    strategy = GradientStrategy(unit_images=8, micro_batch=4, pipeline=True)
    config = tiny(codec=codec, strategy=strategy, stop=StopConfig(rounds=5))
    with workers(database, 2, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.digest == solo_digest(config)
    assert coordinator.digest != solo_digest(tiny(strategy=strategy, stop=StopConfig(rounds=5)))


def test_local_steps_equal_solo_too(coordinate, database, tmp_path):
    """Whichever worker computes a unit, and whatever it did before: with Nesterov's momentum in the state."""
    strategy = LocalStepsStrategy(unit_images=12, micro_batch=4, outer_lr=0.7, outer_momentum=0.5)
    config = tiny(codec=HomeCodec(), strategy=strategy, quorum=QuorumConfig(units=3), stop=StopConfig(rounds=5))
    with workers(database, 2, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.done
    assert coordinator.digest == solo_digest(config)


def test_a_conditional_run_equals_solo_too(coordinate, database, tmp_path):
    """The labels come from each worker's own copy of the data."""
    model = ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4, conditional=True)
    config = tiny(model=model, quorum=QuorumConfig(units=3), stop=StopConfig(rounds=5))
    with workers(database, 2, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.done
    assert coordinator.digest == solo_digest(config)
