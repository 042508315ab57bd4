"""A simulated lesson, written directly into a database: a class, a run of many rounds, and further rounds.

Nothing is computed: it lets you test the dashboard without training a run first. The numbers follow the shape of a real
run's. `python -m benchmarks.lesson` measures nothing; benchmarks.dashboard and the dashboard's tests use this module.
"""

from __future__ import annotations

import io
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image
from psycopg.types.json import Jsonb

from ganns.config import Config, GradientStrategy, ModelConfig, QuorumConfig, StopConfig, to_dict
from ganns.db.connect import Connection

NAMES = (
    "anna",
    "ben",
    "chloe",
    "deniz",
    "emil",
    "farah",
    "goran",
    "hana",
    "ivo",
    "jun",
    "kaya",
    "lena",
    "mats",
    "nour",
)
DEVICES = (
    {"device": "cuda", "gpu": "NVIDIA T4", "threads": 2},
    {"device": "cpu", "threads": 8},
    {"device": "mps", "threads": 10},
)
UNIT_IMAGES = 64
INFLUENCE = "0.55 + 0.25 * sin(unit * 3 + 1), 0.35 + 0.3 * cos(unit * 5), (1 + 0.3 * sin(unit)) / %s, 1.0 / %s"
"""Directions and shares of a unit, made up."""


@dataclass
class Lesson:
    """A simulated class that works on one run."""

    conn: Connection
    num_workers: int = 6
    units: int = 8
    spares: int = 2
    seed: int = 0
    name: str = "lesson"
    run: int = 0
    round: int = 0  # the open one
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Register the workers and begin the run."""
        self.random = np.random.RandomState(self.seed)
        self.config = Config(
            name=self.name,
            seed=self.seed,
            model=ModelConfig(image_size=32),
            strategy=GradientStrategy(unit_images=UNIT_IMAGES),
            quorum=QuorumConfig(units=self.units, spares=self.spares),
            stop=StopConfig(rounds=5000),
        )
        for key, value in self.changes.items():
            group, _, setting = key.rpartition(".")
            setattr(getattr(self.config, group) if group else self.config, setting, value)
        self.workers = [self._join(number) for number in range(self.num_workers)]
        row = self.conn.execute(
            "INSERT INTO ganns.runs (name, config, fingerprint, num_images, permutation_digest, lease_holder,"
            " lease_until) VALUES (%s, %s, 'lesson', 20000, 'lesson', 'teacher@desk (process 1)',"
            " now() + interval '1 day') RETURNING id",
            (self.name, Jsonb(to_dict(self.config))),
        ).fetchone()
        assert row is not None
        self.run = row[0]
        self._version(0)

    def _join(self, number: int) -> int:
        name = NAMES[number % len(NAMES)] + (f"-{number // len(NAMES) + 1}" if number >= len(NAMES) else "")
        found = self.conn.execute(
            "SELECT w.id FROM ganns.workers w JOIN procrastinate.procrastinate_workers p USING (id) WHERE name = %s",
            (name,),
        ).fetchone()
        if found is not None:
            return int(found[0])
        row = self.conn.execute("SELECT worker_id FROM procrastinate.procrastinate_register_worker_v1()").fetchone()
        assert row is not None
        info = {"memory_mb": 16000, "system": "Linux", "torch": "2.14.1", "ganns": "0.1.0", "host": f"{name}s-laptop"}
        self.conn.execute(
            "INSERT INTO ganns.workers (id, name, info) VALUES (%s, %s, %s)",
            (row[0], name, Jsonb(info | DEVICES[number % len(DEVICES)])),
        )
        return int(row[0])

    def _version(self, version: int) -> None:
        self.conn.execute(
            "INSERT INTO ganns.versions (run_id, version, generation, num_chunks, size_bytes, digest)"
            " VALUES (%s, %s, 1, 1, 3000000, 'lesson')",
            (self.run, version),
        )

    # ------------------------------------------------------------------------------------------ a round, step by step

    def open(self) -> None:
        """Open the next round."""
        self.conn.execute(
            "INSERT INTO ganns.rounds (run_id, round, weights_version, quorum) VALUES (%s, %s, %s, %s)",
            (self.run, self.round, self.round, self.units),
        )
        base = uuid.uuid4().int >> 70  # numbers of jobs that do not exist
        num = self.units + self.spares
        self.conn.execute(
            "INSERT INTO ganns.units (run_id, round, unit, epoch, start, count, job_id)"
            " SELECT %s, %s, u, 0, u * %s, %s, %s + u FROM generate_series(0, %s) AS u",
            (self.run, self.round, UNIT_IMAGES, UNIT_IMAGES, base, num - 1),
        )

    def claim(self, unit: int, worker: int | None = None) -> None:
        """Let a worker claim a unit."""
        worker = self.workers[unit % len(self.workers)] if worker is None else worker
        self.conn.execute(
            "UPDATE ganns.units SET attempt = 1, claimed_at = now(), claimed_by = %s"
            " WHERE run_id = %s AND round = %s AND unit = %s",
            (worker, self.run, self.round, unit),
        )

    def submit(self, unit: int) -> None:
        """Let the worker that holds a unit submit its result."""
        self.conn.execute(
            "INSERT INTO ganns.results (run_id, round, unit, job_id, attempt, worker_id, d_loss, g_loss, d_real,"
            " d_fake, fetch_s, load_s, compute_s, upload_s)"
            " SELECT run_id, round, unit, job_id, attempt, claimed_by, 1, 1, 0.5, 0.5, 0.02, 0.01, 0.4, 0.03"
            " FROM ganns.units WHERE run_id = %s AND round = %s AND unit = %s",
            (self.run, self.round, unit),
        )

    def close(self) -> None:
        """Close the open round and store all its data in one transaction; the next round follows."""
        accepted = list(range(self.units))
        with self.conn.transaction():
            self.conn.execute(
                "INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images,"
                " seconds, network_s, accepted, claimed_at, submitted_at, cosine_d, cosine_g, share_d, share_g)"
                " SELECT r.run_id, r.round, unit, r.job_id, r.attempt, worker_id, 0, 0, %s, 0.4, 0.05, unit = ANY(%s),"
                " claimed_at, submitted_at, i.* FROM ganns.results r JOIN ganns.units u USING (run_id, round, unit)"
                f" LEFT JOIN LATERAL (SELECT {INFLUENCE}) i ON unit = ANY(%s)"
                " WHERE r.run_id = %s AND r.round = %s",
                (UNIT_IMAGES, accepted, self.units, self.units, accepted, self.run, self.round),
            )
            self._metrics(self.round)
            self.conn.execute(
                "UPDATE ganns.rounds SET closed_at = now() WHERE run_id = %s AND round = %s", (self.run, self.round)
            )
            self.round += 1
            self._version(self.round)
            self._progress()

    def play(self) -> None:
        """Simulate a whole round."""
        self.open()
        for unit in range(self.units):
            self.claim(unit)
            self.submit(unit)
        self.close()

    # --------------------------------------------------------------------------------------------------- earlier rounds

    def past(self, rounds: int, samples: int = 10, evaluate_every: int = 50) -> None:
        """Write `rounds` closed rounds at once, with samples and evaluations."""
        first, last = self.round, self.round + rounds
        span = (self.run, first, last - 1)
        self.conn.execute(
            "INSERT INTO ganns.rounds (run_id, round, weights_version, quorum, opened_at, closed_at)"
            " SELECT %s, r, r, %s, now() - make_interval(secs => %s - r), now() - make_interval(secs => %s - r - 0.9)"
            " FROM generate_series(%s::int, %s) r",
            (self.run, self.units, last, last, first, last - 1),
        )
        self.conn.execute(
            "INSERT INTO ganns.versions (run_id, version, generation, num_chunks, size_bytes, digest)"
            " SELECT %s, r + 1, 1, 1, 3000000, 'lesson' FROM generate_series(%s::int, %s) r",
            span,
        )
        self.conn.execute(
            "INSERT INTO ganns.ledger (run_id, round, unit, job_id, attempt, worker_id, epoch, start, images, seconds,"
            " network_s, accepted, at, claimed_at, submitted_at, cosine_d, cosine_g, share_d, share_g)"
            " SELECT %s, r, unit, r * 1000 + unit, 1,"
            " (%s::bigint[])[1 + (r * 7 + unit) %% %s], 0, 0, %s, 0.3 + 0.1 * (unit %% 4), 0.05, unit < %s,"
            " t, t - interval '0.5 s', t - interval '0.1 s', i.*"
            " FROM generate_series(%s::int, %s) r CROSS JOIN generate_series(0, %s) unit"
            " CROSS JOIN LATERAL (SELECT now() - make_interval(secs => %s - r) AS t) time"
            f" LEFT JOIN LATERAL (SELECT {INFLUENCE}) i ON unit < %s"
            " WHERE unit < %s OR r %% 9 = 0",
            (
                *(
                    self.run,
                    self.workers,
                    len(self.workers),
                    UNIT_IMAGES,
                    self.units,
                    first,
                    last - 1,
                    self.units,
                    last,
                ),
                *(self.units, self.units, self.units, self.units),
            ),
        )
        with self.conn.cursor().copy(
            "COPY ganns.metrics (run_id, round, images, seconds, metrics, timings, bytes_up, bytes_down) FROM STDIN"
        ) as copy:
            for number in range(first, last):
                copy.write_row(self._metrics_row(number))
        self.round = last
        self._progress()
        for number in sorted({round(one) for one in np.linspace(0, last, samples)}) if samples else []:
            self.draw(number)
        for number in range(evaluate_every, last + 1, evaluate_every):
            self.evaluate(number)

    def draw(self, version: int) -> None:
        """Store a grid of a version: coloured noise that becomes weaker."""
        noise = np.random.RandomState(version).rand(8, 8, 3) * 255
        amount = 1 / (1 + version / 100)
        y, x = np.mgrid[0:8, 0:8]
        calm = np.stack([120 + 14 * x, 90 + 10 * y, 180 - 8 * x], -1)
        picture = Image.fromarray((amount * noise + (1 - amount) * calm).astype(np.uint8)).resize(
            (272, 272), Image.Resampling.NEAREST
        )
        data = io.BytesIO()
        picture.save(data, "WEBP")
        self.conn.execute(
            "INSERT INTO ganns.samples (run_id, version, picture) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (self.run, version, data.getvalue()),
        )

    def evaluate(self, version: int) -> None:
        """Store an evaluation of a version; the newest is the best one."""
        swd = 80 + 600 * np.exp(-version / 150) + 10 * self.random.rand()
        metrics = {"swd": round(swd, 2), "fid": round(swd / 3, 2), "pixel_variance": 0.9, "feature_variance": 0.8}
        self.conn.execute(
            "INSERT INTO ganns.evaluations (run_id, version, features, images, metrics, seconds)"
            " VALUES (%s, %s, 'attributes', 2000, %s, 1.0) ON CONFLICT DO NOTHING",
            (self.run, version, Jsonb(metrics)),
        )
        self.conn.execute("UPDATE ganns.runs SET best_version = %s WHERE id = %s", (version, self.run))

    def end(self, state: str = "finished") -> None:
        """End the run."""
        self.conn.execute(
            "UPDATE ganns.runs SET state = %s, finished_at = now(), lease_until = NULL, lease_holder = NULL"
            " WHERE id = %s",
            (state, self.run),
        )

    def beat(self) -> None:
        """Send a heartbeat of every worker."""
        self.conn.execute(
            "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() WHERE id = ANY(%s)", (self.workers,)
        )

    def _progress(self) -> None:
        self.conn.execute(
            "UPDATE ganns.runs SET version = %s, images = %s WHERE id = %s",
            (self.round, self.round * self.units * UNIT_IMAGES, self.run),
        )

    def _metrics(self, number: int) -> None:
        self.conn.execute(
            "INSERT INTO ganns.metrics (run_id, round, images, seconds, metrics, timings, bytes_up, bytes_down)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            self._metrics_row(number),
        )

    def _metrics_row(self, number: int) -> tuple[Any, ...]:
        wobble = 0.1 * self.random.randn(4)
        won = 0.25 * (1 - np.exp(-number / 300))
        metrics = {
            "d_loss": round(1.3 - 2 * won + wobble[0], 4),
            "g_loss": round(0.8 + 4 * won + wobble[1], 4),
            "d_real": round(float(np.clip(0.55 + won + 0.3 * wobble[2], 0, 1)), 4),
            "d_fake": round(float(np.clip(0.45 - won + 0.3 * wobble[3], 0, 1)), 4),
        }
        timings = {
            "fetch": 0.03,
            "load": 0.01,
            "compute": 0.42,
            "upload": 0.04,
            "wait": 0.2,
            "aggregate": 0.05,
            "publish": 0.06,
        }
        images = (number + 1) * self.units * UNIT_IMAGES
        return (
            *(self.run, number, images, (number + 1) * 0.9, json.dumps(metrics), json.dumps(timings)),
            *(self.units * 735_000, min(self.units, self.num_workers) * 3_000_000),
        )


if __name__ == "__main__":
    print(
        json.dumps({"benchmark": "lesson", "note": "a tool of benchmarks.dashboard and of tests; it measures nothing"})
    )
