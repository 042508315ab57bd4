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
    OptimizerConfig,
    QuorumConfig,
    StopConfig,
)
from ganns.store.results import worker_totals
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import workers

FALLING = OptimizerConfig(lr_g=1e-3, lr_d=1e-3, decay_rounds=2)
PIPELINE = GradientStrategy(unit_images=8, micro_batch=4, pipeline=True)
RUNS = {
    # The coordinator's rates fall, and below the workers' own.
    "fp16 and micro-batches": tiny(
        codec=Fp16Codec(), strategy=GradientStrategy(unit_images=8, micro_batch=4), optimizer=FALLING
    ),
    # With Nesterov's momentum in the state; a unit of local steps depends on nothing that its worker did before.
    "local steps": tiny(
        codec=HomeCodec(),
        strategy=LocalStepsStrategy(unit_images=12, micro_batch=4, outer_lr=0.7, outer_momentum=0.5),
        optimizer=FALLING,
        quorum=QuorumConfig(units=3),
        stop=StopConfig(rounds=5),
    ),
    # The labels come from each worker's own copy of the data.
    "conditional": tiny(
        model=ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4, conditional=True),
        quorum=QuorumConfig(units=3),
        stop=StopConfig(rounds=5),
    ),
    # What a codec draws at random is the same on every worker; in the pipeline, the seed's round and the version that
    # a unit computes at are two numbers.
    "rot2 in the pipeline": tiny(codec=HomeCodec(), strategy=PIPELINE, stop=StopConfig(rounds=5)),
    "int4 in the pipeline": tiny(codec=Int8Codec(up="int4"), strategy=PIPELINE, stop=StopConfig(rounds=5)),
}


@pytest.mark.parametrize("num_workers", [1, pytest.param(3, marks=pytest.mark.slow)])
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


def test_each_kind_of_run_equals_solo_bit_for_bit(coordinate, database, tmp_path):
    """One class of two computes one run after the other."""
    digests = {}
    with workers(database, 2, tmp_path):
        for name, config in RUNS.items():
            coordinator = coordinate(config).join(120)
            assert coordinator.done, name
            digests[name] = coordinator.digest
    assert digests == {name: solo_digest(config) for name, config in RUNS.items()}
    assert len(set(digests.values())) == len(RUNS)
    plain = solo_digest(tiny(strategy=PIPELINE, stop=StopConfig(rounds=5)))
    assert plain not in digests.values()  # the codecs did something
