"""A class whose workers are simulated in one process, and its clock; for `benchmarks.friends`.

The training is the program's own: each worker's unit is computed, one after the other, and the changes are averaged.
Only the clock is simulated. A round takes as long as its slowest unit's steps and the round itself:

    seconds = steps * seconds a step (batch, threads) + rounds * (seconds a round + transfers)

All workers are equally fast here. What a step and a round cost is measured once, and is an input: a machine that is
busy with other work during the study does not change the clock. A step's time is the thread's CPU time, the smallest
of several measurements; with two threads it is the time of a clock, and needs a quiet machine. The transfers are those
of a worker's own link: it fetches a version and sends a result in each round, and the coordinator's link is no
bottleneck.

The plain loop, to which all is compared, is a single worker that keeps Adam's moments and has no rounds.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.cluster import Stopwatch, cluster
from benchmarks.variants import small
from ganns.config import (
    EvaluateConfig,
    LocalStepsStrategy,
    NonSaturatingLoss,
    OptimizerConfig,
    QuorumConfig,
    StopConfig,
)
from ganns.coordinator import train_run
from ganns.data import open_images
from ganns.evaluation.features import attribute_network, features_of, load_network, to_bytes
from ganns.evaluation.metrics import frechet_distance
from ganns.evaluation.swd import sliced_wasserstein
from ganns.training.aggregation import build_totals
from ganns.training.compression import get_codec
from ganns.training.local_steps import LocalStepsUnit
from ganns.training.networks import sample
from ganns.training.parts import encode_part
from ganns.training.plan import plan_round
from ganns.training.seeds import latent_vectors, permutation
from ganns.training.serialization import pack
from ganns.training.state import Progress, TrainingState
from ganns.training.strategies import build_computer

NUM_JUDGED = 1000
BATCHES = (4, 8, 16, 32, 64)
PLAIN_STEPS = 16  # between two looks at the clock; the averaged generator moves as often


@dataclass(frozen=True)
class Way:
    """A way to train: by `workers` friends, or with 0 workers the plain loop."""

    workers: int
    batch: int
    steps: int  # of a unit
    rate: float  # of both networks
    beta2: float = 0.999
    r1: float = 0.0

    @property
    def name(self) -> str:
        """The way in words."""
        who = f"{self.workers} workers, units of {self.steps} steps" if self.workers else "plain loop"
        extra = "".join(
            f", {key} {getattr(self, key):g}" for key in ("beta2", "r1") if getattr(self, key) != DEFAULT[key]
        )
        return f"{who}, batch {self.batch}, rate {self.rate:g}{extra}"


DEFAULT = {"beta2": Way.beta2, "r1": Way.r1}
Curve = list[tuple[int, int, float, float]]
"""(steps of a worker, rounds, FID, SWD) at each evaluation."""


def config_of(way: Way, seed: int) -> Any:
    """Return the configuration of a way: 32x32 faces, networks with 16 features."""
    strategy = LocalStepsStrategy(unit_images=way.steps * way.batch, micro_batch=way.batch)
    return replace(
        small(seed, 0),
        strategy=strategy,
        loss=NonSaturatingLoss(r1=way.r1),
        optimizer=OptimizerConfig(lr_g=way.rate, lr_d=way.rate, beta2=way.beta2),
        quorum=QuorumConfig(units=max(1, way.workers)),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=10**9),
        sample_every=0,
    )


class _Plain(LocalStepsUnit):
    """Keeps Adam's moments from unit to unit, as one process does."""

    def begin(self) -> None:
        if not hasattr(self, "optimizers"):
            super().begin()


def train(way: Way, seed: int, *, every: int, max_steps: int, good_enough: tuple[float, float]) -> Curve:
    """Train until both distances are good enough, and evaluate the averaged generator each `every` steps.

    Args:
        way: what is trained.
        seed: of the run.
        every: steps of a worker between two evaluations.
        max_steps: of a worker; the end in any case.
        good_enough: (FID, SWD) at which it ends.
    """
    config, judge = config_of(way, seed), Judge()
    images = open_images(config.data, config.model.image_size)
    state, computer = TrainingState(config), (LocalStepsUnit if way.workers else _Plain)(config)
    cursor, steps, seen, curve, orders = Progress().cursor, 0, 0, [], {}
    while steps < max_steps:
        slices, cursor = plan_round(
            cursor, config.quorum.units, num_images=images.num_train, unit_images=config.strategy.unit_images
        )
        totals = build_totals(config.aggregate)
        for unit, one in enumerate(slices):
            orders = {e: o for e, o in orders.items() if e >= one.epoch - 1}
            order = orders.setdefault(one.epoch, permutation(seed, one.epoch, images.num_train))
            computer.load(state.weights())
            batch = images.train(order[one.start : one.start + one.num_images])
            result = computer.compute(batch, (seed, state.progress.version, unit))
            assert result is not None
            for role, part in result.parts.items():
                totals[role].add(part, one.num_images)
            seen += one.num_images
        state.advance(totals, Progress(0, seen, 0.0, cursor))
        before, steps = steps, steps + way.steps
        if not all(bool(value.isfinite().all()) for value in state.weights().values()):
            return curve  # it diverged
        if steps // every > before // every:
            curve.append((steps, state.progress.version, *judge.distances(state)))
            if curve[-1][2] <= good_enough[0] and curve[-1][3] <= good_enough[1]:
                break
    return curve


class Judge:
    """Measures a version's distances from held-out faces."""

    def __init__(self) -> None:
        """Load the feature network and the faces."""
        self.real = open_images(small(0, 0).data, 32).holdout(NUM_JUDGED)
        self.network = load_network(32, attribute_network(32)[0])
        self.features = features_of(self.network, to_bytes(self.real))

    def distances(self, state: TrainingState) -> tuple[float, float]:
        """Return (FID, SWD) of the averaged generator; SWD by fewer patches and directions than usual, for speed."""
        images = sample(state.generator(averaged=True), latent_vectors(NUM_JUDGED, 100, state.config.seed, "judge"))
        fid = frechet_distance(features_of(self.network, to_bytes(images)), self.features)
        return fid, sliced_wasserstein(images, self.real, num_patches=8, num_projections=128)


# ------------------------------------------------------------------------------------------------------ the clock


def seconds(way: Way, costs: dict[str, Any], steps: float, rounds: float, mbit_s: float | None, threads: int) -> float:
    """Return the clock after these steps and rounds; `mbit_s` is the speed of a worker's link, None: infinite."""
    by_batch = costs["step_ms" if threads == 1 else "step_ms_2_threads"]
    found = steps * by_batch[f"{way.batch}" + (" r1" if way.r1 else "")] / 1000
    if way.workers:
        found += rounds * costs["round_ms"] / 1000
        found += rounds * 8e-6 * costs["bytes_a_round"] / mbit_s if mbit_s else 0.0
    return found


def time_to(way: Way, curve: Curve, level: float, column: int, clock: Any) -> float | None:
    """Return the seconds until a distance falls to `level`, linear between two evaluations; None: it never did."""
    before: tuple[float, float, float] | None = None
    for point in curve:
        steps, rounds, distance = point[0], point[1], point[column]
        if distance <= level:
            share = 1.0 if before is None else (before[2] - level) / max(before[2] - distance, 1e-9)
            old = before or (steps, rounds, distance)
            return float(clock(way, old[0] + share * (steps - old[0]), old[1] + share * (rounds - old[1])))
        before = (steps, rounds, distance)
    return None


def measure_steps(threads: int, repeats: int = 5) -> dict[str, float]:
    """Return the milliseconds of a step for each batch: the smallest of `repeats`."""
    torch.set_num_threads(threads)
    now = time.thread_time if threads == 1 else time.perf_counter
    found = {}
    for r1 in (0.0, 1.0):
        for batch in BATCHES:
            computer = build_computer(config_of(Way(1, batch, 16, 2e-4, r1=r1), 0))
            images = torch.zeros(16 * batch, 3, 32, 32).uniform_(-1, 1)
            computer.compute(images[: 4 * batch], (0, 0, 0))
            times = []
            for number in range(repeats):
                begun = now()
                computer.compute(images, (0, 0, number))
                times.append(now() - begun)
            found[f"{batch}" + (" r1" if r1 else "")] = round(1000 * min(times) / 16, 2)
    return found


def measure_round(way: Way, rounds: int) -> dict[str, float]:
    """Train with the real system and two workers; return the medians of a round and of its slowest unit, in ms."""
    config = config_of(replace(way, workers=2), 0)
    config.stop = StopConfig(rounds=rounds)
    open_images(config.data, 32)
    watch = Stopwatch()
    with cluster(num_workers=2) as address:
        open_images(config.data, 32)  # below the cluster's own home
        train_run(config, address, watch)
    whole = 1000 * statistics.median(watch.seconds(rounds // 5))
    compute = 1000 * statistics.median(report.timings["compute"] for report in watch.reports[rounds // 5 :])
    return {"real_ms": round(whole, 1), "compute_ms": round(compute, 1), "fixed_ms": round(whole - compute, 1)}


def bytes_a_round(way: Way) -> tuple[int, int]:
    """Return the bytes that a worker fetches and sends in a round: the weights, and its result."""
    config = config_of(replace(way, steps=1), 0)
    state, computer = TrainingState(config), build_computer(config)
    result = computer.compute(torch.zeros(way.batch, 3, 32, 32), (0, 0, 0))
    assert result is not None
    codec = get_codec(config.codec.up)
    return len(pack(state.weights())), sum(
        len(pack(encode_part(part, codec, (0, 0, 0)))) for part in result.parts.values()
    )
