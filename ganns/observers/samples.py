"""Save grids of samples during a run."""

from __future__ import annotations

from pathlib import Path

from ganns.pictures.grid import grid, save
from ganns.training.seeds import sample_noise
from ganns.training.state import TrainingState


class SampleGrids:
    """Saves grids of samples as PNG files, from the same noise at every version."""

    def __init__(self, folder: Path) -> None:
        """Save into `folder` (created with the first grid)."""
        self.folder = folder
        self.saved: list[tuple[int, Path]] = []

    def save(self, state: TrainingState) -> Path:
        """Draw the averaged generator's samples and save them; return the file."""
        version = state.progress.version
        path = self.folder / f"version-{version:06}.png"
        save(grid(state.draw(sample_noise(state.config), averaged=True)), path)
        if (version, path) not in self.saved:
            self.saved.append((version, path))
        return path
