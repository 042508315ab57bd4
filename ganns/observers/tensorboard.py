"""Write a run's numbers and samples for TensorBoard: `tensorboard --logdir outputs`. Needs the extra `tensorboard`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ganns.coordinator.observer import RoundReport
from ganns.utils.installation import extra


def require_tensorboard() -> None:
    """Import TensorBoard, before a run waits for it: the import takes seconds, and fails if the extra is missing.

    Raises:
        MissingExtra: without the extra `tensorboard`.
    """
    with extra("tensorboard", "tensorboard=true"):
        import torch.utils.tensorboard  # noqa: F401


class TensorBoardLog:
    """An event file. A step is a version: if a resumed run trains a version again, both are at the same step."""

    def __init__(self, folder: Path) -> None:
        """Begin a file in `folder`.

        Raises:
            MissingExtra: without the extra `tensorboard`.
        """
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        self._before: tuple[float, int] | None = None

    def round_closed(self, report: RoundReport) -> None:
        """Write every number of a round: metrics, timings in seconds, images/s, images so far and workers."""
        numbers: dict[str, float] = {f"metrics/{name}": value for name, value in report.metrics.items()}
        numbers |= {f"timings/{name}": value for name, value in report.timings.items()}
        numbers["run/images"] = report.images
        if self._before is not None and report.seconds > self._before[0]:
            numbers["run/images_per_s"] = (report.images - self._before[1]) / (report.seconds - self._before[0])
        if report.num_alive is not None:
            numbers["run/workers"] = report.num_alive
        self._before = (report.seconds, report.images)
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, report.version)

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Write the metrics of an evaluated version; this may be called on another thread."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"evaluation/{name}", value, version)

    def samples(self, version: int, path: Path) -> None:
        """Write the grid of samples in a file."""
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))  # [height, width, 3]
        self._writer.add_image("samples", pixels, version, dataformats="HWC")

    def close(self) -> None:
        """Write the rest and close the file."""
        self._writer.close()
