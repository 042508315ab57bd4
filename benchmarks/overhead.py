"""The time of a round with almost nothing to compute, and whether the database grows with the rounds.

    python -m benchmarks.overhead

500 rounds of 2 workers on a model of about 100 kB, two images a unit. The last line is one JSON object: the
median milliseconds of a round, the same without the workers' computing time, and the database's size in bytes
after every 100 rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics

from benchmarks.cluster import Stopwatch, cluster
from ganns.config import Config, EvaluateConfig, GradientStrategy, ModelConfig, QuorumConfig, StopConfig, SyntheticData
from ganns.coordinator import RoundReport, train_run
from ganns.db.connect import connect
from ganns.db.queries import execute
from ganns.training.state import TrainingState

EVERY = 100


def main() -> None:
    """Run the rounds and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=500)
    arguments = parser.parse_args()
    config = Config(
        name="overhead",
        model=ModelConfig(image_size=32, latent_dim=32, features_g=6, features_d=6),
        data=SyntheticData(count=2000, holdout=2),
        strategy=GradientStrategy(unit_images=2, micro_batch=2),
        quorum=QuorumConfig(units=2),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=arguments.rounds),
        sample_every=0,
    )
    sizes: dict[int, int] = {}

    with cluster(num_workers=2) as address, connect(address) as conn:

        class Watch(Stopwatch):
            def round_closed(self, report: RoundReport, state: TrainingState) -> None:
                super().round_closed(report, state)
                if report.version % EVERY == 0:
                    row = execute(conn, "database_facts").fetchone()
                    sizes[report.version] = row["size_bytes"] if row else 0

        watch = Watch()
        train_run(config, address, watch)
        weights = sum(t.numel() * t.element_size() for t in TrainingState(config).weights().values())
    milliseconds = statistics.median(watch.seconds(EVERY // 5)) * 1000
    compute = statistics.median(report.timings["compute"] for report in watch.reports) * 1000
    parts = {
        name: round(statistics.median(report.timings[name] for report in watch.reports) * 1000, 2)
        for name in watch.reports[-1].timings
    }
    figures = {
        "round_ms": round(milliseconds, 2),
        "fixed_ms": round(milliseconds - compute, 2),
        "parts_ms": parts,
        "model_bytes": weights,
        "database_bytes": sizes,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
