"""A coordinator in a process of its own, for tests that kill it. Prints the digest of its final weights."""

from __future__ import annotations

import json
import sys

import torch

from ganns.config import from_dict
from ganns.coordinator import Quiet, train_run
from ganns.coordinator.observer import RoundReport
from ganns.db.address import require
from ganns.training.state import TrainingState


class Report(Quiet):
    """Prints each version as it is made, and on stderr all that the coordinator says."""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def started(self, run_id: int, state: TrainingState) -> None:
        print(json.dumps({"run": run_id, "version": state.progress.version}), flush=True)

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        print(json.dumps({"version": report.version, "digest": state.weights_digest()}), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_run(from_dict(json.loads(sys.argv[1])), require(), Report())
