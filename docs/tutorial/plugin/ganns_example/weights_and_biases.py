"""Show a run in Weights & Biases: `ganns train observers=wandb`. Needs `pip install wandb`, and `wandb login` once."""

from __future__ import annotations

from pathlib import Path

from ganns.config import Config
from ganns.coordinator.observer import RoundReport
from ganns.export.model import public_settings
from ganns.observers.plugged import RunObserver
from ganns.training.state import TrainingState
from ganns.utils.installation import package


class WeightsAndBiases(RunObserver):
    """Sends each round's numbers, the metrics of evaluated versions and the grids of samples.

    `wandb` sends on a process of its own, so a round waits for no network.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        """Import wandb, so that a missing package is found before the run begins."""
        super().__init__(config, folder)
        with package("wandb", "observers=wandb"):
            import wandb
        self.wandb, self.run = wandb, None

    def started(self, run_id: int, state: TrainingState) -> None:
        """Begin a run there, with our run's settings but no paths of this machine."""
        name = state.config.name or (f"run {run_id}" if run_id else "alone")
        self.run = self.wandb.init(
            project="ganns-with-friends", name=name, config=public_settings(state.config), dir=str(self.folder)
        )
        # An evaluation can be some rounds late, and wandb's own steps may not go back: so the version is the x-axis.
        self.run.define_metric("version")
        self.run.define_metric("*", step_metric="version")

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Send the metrics and timings of a round."""
        timings = {f"timings/{name}": value for name, value in report.timings.items()}
        self.run.log({"version": report.version, "images": report.images, **report.metrics, **timings})

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Send the metrics of an evaluated version."""
        self.run.log({"version": version, **{f"evaluation/{name}": value for name, value in metrics.items()}})

    def samples(self, version: int, path: Path) -> None:
        """Send a grid of samples."""
        self.run.log({"version": version, "samples": self.wandb.Image(str(path))})

    def close(self) -> None:
        """Send the rest."""
        if self.run is not None:
            self.run.finish()
