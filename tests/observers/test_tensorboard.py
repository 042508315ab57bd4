"""TensorBoard's files, read back by TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ganns.config import Config
from ganns.coordinator.observer import RoundReport
from ganns.errors import MissingExtra
from ganns.observers.tensorboard import TensorBoardLog
from ganns.observers.watch import Watch
from ganns.pictures.grid import save


def report(version: int, images: int, seconds: float, **metrics: float) -> RoundReport:
    return RoundReport(1, version, images, seconds, metrics, {"wait": 0.25}, num_alive=3)


def test_numbers_and_samples_can_be_read_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TensorBoardLog(tmp_path / "tensorboard")
    log.samples(0, save(Image.new("RGB", (30, 20), (255, 0, 0)), tmp_path / "grid.png"))
    log.round_closed(report(1, 64, 2.0, d_loss=1.5, g_loss=0.5))
    log.round_closed(report(2, 192, 4.0, d_loss=1.25, g_loss=0.75))
    log.evaluated(1, {"swd": 40.0})
    log.close()

    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    values = {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert values == {
        "metrics/d_loss": [(1, 1.5), (2, 1.25)],
        "metrics/g_loss": [(1, 0.5), (2, 0.75)],
        "evaluation/swd": [(1, 40.0)],
        "timings/wait": [(1, 0.25), (2, 0.25)],
        "run/images": [(1, 64.0), (2, 192.0)],
        "run/images_per_s": [(2, 64.0)],
        "run/workers": [(1, 3.0), (2, 3.0)],
    }
    [grid] = read.Images("samples")
    assert (grid.step, grid.width, grid.height) == (0, 30, 20)


def test_the_package_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"^tensorboard=true needs .* pip install .*\[tensorboard\]'"):
        TensorBoardLog(tmp_path)
    with pytest.raises(MissingExtra):  # before a run is opened
        Watch(Config(tensorboard=True), tmp_path)
