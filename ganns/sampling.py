"""Sample grids while a run goes on: the same noise at every version, so that one sees the faces appear."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from ganns.config import Config
from ganns.coordinator.observer import Quiet, RoundReport
from ganns.pictures import grid, save
from ganns.progress import TerminalProgress
from ganns.seeds import generator
from ganns.state import TrainingState

NUM_SAMPLES = 64


def sample_noise(config: Config, count: int = NUM_SAMPLES) -> torch.Tensor:
    """Return the run's fixed latent vectors, float32 [count, latent_dim]."""
    return torch.randn(count, config.model.latent_dim, generator=generator(config.seed, "samples"))


class Watch(TerminalProgress):
    """What `ganns train` and `ganns demo` watch a run with: the terminal's progress, and sample grids."""

    def __init__(self, config: Config, folder: Path, console: Console | None = None) -> None:
        """Show progress on `console` and save grids into `folder`."""
        super().__init__(config.stop, console=console)
        self.config = config
        self.grids = SampleGrids(config, folder)
        self.state: TrainingState | None = None  # the last one seen

    def started(self, run_id: int, state: TrainingState) -> None:
        """Show and save the beginning."""
        super().started(run_id, state)
        self.grids.started(run_id, state)
        self.state = state

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Show a round, and save its samples when it is time."""
        super().round_closed(report, state)
        self.grids.round_closed(report, state)
        self.state = state

    def last_grid(self) -> None:
        """Save the last version's samples, if grids are wanted at all."""
        if self.state is not None and self.config.sample_every:
            self.grids.save(self.state)


class SampleGrids(Quiet):
    """An observer that saves a grid of samples at version 0 and every `config.sample_every` rounds."""

    def __init__(self, config: Config, folder: Path) -> None:
        """Save into `folder` (created with the first grid)."""
        self.folder, self._every = folder, config.sample_every
        self._latent = sample_noise(config)
        self.saved: list[tuple[int, Path]] = []

    def started(self, run_id: int, state: TrainingState) -> None:
        """Save the grid of the version that the run starts from."""
        if self._every:
            self.save(state)

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Save a grid when it is time."""
        if self._every and report.version % self._every == 0:
            self.save(state)

    def save(self, state: TrainingState) -> Path:
        """Draw the averaged generator's samples and save them; return the file."""
        version = state.progress.version
        path = self.folder / f"version-{version:06}.png"
        save(grid(state.draw(self._latent, averaged=True)), path)
        if (version, path) not in self.saved:
            self.saved.append((version, path))
        return path
