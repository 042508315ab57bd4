"""A worker without a process: it does by hand, step by step, what procrastinate and the gradient task do.

So a test can stop between any two steps, and let two workers meet in whatever order it likes.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import torch

from ganns.config import (
    Config,
    EvaluateConfig,
    GradientStrategy,
    ModelConfig,
    QuorumConfig,
    StopConfig,
    SyntheticData,
    from_dict,
)
from ganns.data import ImageSet, images_of
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.pieces import LinkSpeed
from ganns.errors import WeightsMissing
from ganns.store import results, weights, worker_api
from ganns.store.worker_api import Claim
from ganns.training.chain import CHAIN, Tensors
from ganns.training.compression import get_codec
from ganns.training.parts import encode_part
from ganns.training.published import decode_weights
from ganns.training.round_settings import in_round
from ganns.training.seeds import permutation
from ganns.training.serialization import digest, pack, unpack
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from ganns.training.unit import UnitComputer, UnitResult
from tasks.weights_cache import WeightsCache


def tiny(**changes: Any) -> Config:
    """Return a configuration that a round takes milliseconds with: 40 images in units of 8, 2 units a round."""
    settings: dict[str, Any] = {
        "name": "test",
        "model": ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4),
        "data": SyntheticData(count=40, holdout=8),
        "strategy": GradientStrategy(unit_images=8, micro_batch=8),
        "quorum": QuorumConfig(units=2),
        "evaluate": EvaluateConfig(every=0),
        "stop": StopConfig(rounds=3),
        "sample_every": 0,
    }
    return Config(**settings | changes)


@cache
def computer_of(config: str) -> tuple[Config, UnitComputer]:
    """Return a stored configuration and its computer, made once, as a worker keeps them for its units."""
    known = from_dict(json.loads(config))
    return known, build_computer(known)


def solo_digest(config: Config) -> str:
    """Return what a run's weights must be: those of `ganns solo`."""
    state = TrainingState(config)
    for _ in train_solo(config, images_of(config), state):
        pass
    return state.weights_digest()


def publish_state(conn: Connection, run_id: int, version: int, data: bytes) -> None:
    """Make `data` the state of a run's version, as a coordinator does that publishes it, without weights."""
    weights.insert_version(
        conn, run_id, version, 0, num_chunks=1, size=0, digest=digest(b""), state_digest=digest(data)
    )


def publish_weights(conn: Connection, run_id: int, version: int, generation: int, data: bytes) -> None:
    """Make `data` the weights of a run's version, as a coordinator does."""
    with ThreadPoolExecutor(1) as pool:
        num = weights.upload_weights([conn], pool, run_id, version, generation, data)
    weights.insert_version(
        conn, run_id, version, generation, num_chunks=num, size=len(data), digest=digest(data), state_digest=digest(b"")
    )


@dataclass
class Job:
    """A fetched job."""

    id: int
    attempt: int
    args: dict[str, Any]


@dataclass
class FakeWorker:
    """One worker on one connection."""

    address: Address
    name: str = "fake"
    id: int = 0
    images: ImageSet | None = None
    submitted: list[tuple[Claim, str]] = field(default_factory=list)
    chains: dict[int, WeightsCache] = field(default_factory=dict)  # by run

    def __post_init__(self) -> None:
        """Connect and register, as a starting worker does."""
        self.conn = connect(self.address, application=self.name)
        self.id = self.one("SELECT worker_id FROM procrastinate_register_worker_v1()")["worker_id"]
        worker_api.register(self.conn, self.id, self.name, {})

    def one(self, statement: str, *values: Any) -> dict[str, Any]:
        """Run a statement and return its row as a dictionary (empty if there is none)."""
        cursor = self.conn.execute(statement, values)  # type: ignore[arg-type]
        row = cursor.fetchone()
        assert cursor.description is not None
        return dict(zip([column.name for column in cursor.description], row or [], strict=False))

    def fetch(self) -> Job | None:
        """Take the next job, as procrastinate does; a worker that does so is alive, however slow the machine is."""
        self.beat()
        row = self.one("SELECT id, attempts, args FROM procrastinate_fetch_job_v2(NULL, %s)", self.id)
        return Job(row["id"], row["attempts"], row["args"]) if row.get("id") else None

    def claim(self, job: Job) -> Claim | None:
        """Take up the job's unit."""
        return worker_api.claim(self.conn, job.id, job.attempt, self.id)

    def compute(self, claim: Claim) -> tuple[Config, UnitResult]:
        """Compute a unit for real."""
        config, computer = computer_of(json.dumps(worker_api.get_run_info(self.conn, claim.run_id).config))
        computer.config = in_round(config, claim.settings, claim.round)
        self.images = self.images or images_of(config)
        found = self.fetch_weights(claim, config)
        computer.load(decode_weights(found, config.codec.down, computer.weight_shapes()))
        epoch, start, count = claim.slice
        order = permutation(config.seed, epoch, self.images.num_train)
        chosen = order[start : start + count]
        seed_parts = (config.seed, claim.round, claim.unit)
        result = computer.compute(self.images.train(chosen), seed_parts, labels=self.images.labels(chosen))
        assert result is not None
        return config, result

    def fetch_weights(self, claim: Claim, config: Config) -> Tensors:
        """Return the published weights to compute at; with a chain, by its links if there are any."""
        if config.codec.down != CHAIN:
            return unpack(*worker_api.fetch_weights(self.conn, claim.run_id, claim.weights_version))
        chain = self.chains.setdefault(claim.run_id, WeightsCache(claim.run_id))
        chain.fetch(lambda: nullcontext(self.conn), claim.weights_version, LinkSpeed())
        return chain.weights

    def submit(self, job: Job, config: Config, result: UnitResult) -> str:
        """Upload the parts and submit; return the server's answer."""
        codec, seed = get_codec(config.codec.up), (config.seed, job.args["round"], job.args["unit"])
        for role, part in result.parts.items():
            results.put_part(self.conn, job.id, job.attempt, role, pack(encode_part(part, codec, (*seed, role))))
        timings = dict.fromkeys(results.TIMINGS, 0.001)
        return results.submit(self.conn, job.id, job.attempt, self.id, result.metrics, timings)

    def finish(self, job: Job, status: str = "succeeded") -> None:
        """Finish the job, as procrastinate does for any holder."""
        self.one("SELECT procrastinate_finish_job_v1(%s, %s::procrastinate_job_status, false)", job.id, status)

    def fail(self, job: Job, reason: str = "ValueError: no image can be like this") -> None:
        """Claim the job's unit, report an error that may be the unit's, and hand the job back."""
        assert self.claim(job) is not None
        worker_api.fail_unit(self.conn, job.id, job.attempt, self.id, reason)
        self.one("SELECT ganns_api.task_retry(%s, %s, 0, NULL, false, NULL, NULL, NULL, NULL)", job.id, job.attempt)

    def work(self, job: Job | None = None) -> str | None:
        """Do one job from fetching to finishing; return the server's answer, None without a job or unit."""
        job = job or self.fetch()
        if job is None:
            return None
        claim, answer = self.claim(job), None
        if claim is not None:
            try:
                computed = self.compute(claim)
            except WeightsMissing:
                assert self.claim(job) is None, "the weights of an open round are not there"
            else:
                answer = self.submit(job, *computed)
                self.submitted.append((claim, answer))
        self.finish(job)
        return answer

    def weights_there(self) -> bool:
        """Tell whether workers can fetch the weights of every open round (after a crash they are uploaded again)."""
        return bool(
            self.one(
                "SELECT bool_and(EXISTS (SELECT FROM ganns_api.weights(run_id, weights_version))) AS there "
                "FROM ganns.rounds WHERE closed_at IS NULL"
            )["there"]
        )

    def beat(self) -> None:
        """Say that this worker is alive."""
        self.conn.execute("SELECT ganns_api.task_beat(%s)", (self.id,))

    def fall_silent(self) -> None:
        """Make the last heartbeat a minute old, as after a kill or with a closed lid."""
        self.one(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute' WHERE id = %s RETURNING id",
            self.id,
        )


def break_step(monkeypatch: pytest.MonkeyPatch, version: int) -> list[int]:
    """Let the coordinator's step to a version break the generator, once; return a list that then has the version."""
    advance, broken = TrainingState.advance, []

    def break_once(self: TrainingState, *arguments: Any) -> None:
        advance(self, *arguments)
        if self.progress.version == version and not broken:
            broken.append(self.progress.version)
            with torch.no_grad():
                next(self.networks["g"].parameters())[0] = float("nan")

    monkeypatch.setattr(TrainingState, "advance", break_once)
    return broken
