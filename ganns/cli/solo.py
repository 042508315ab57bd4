"""`ganns solo`: do the same training in one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganns.config import Config


def solo(argv: Sequence[str]) -> int:
    """Train the configuration that `argv` describes, without database or workers; return the exit code."""
    from ganns.launch import compose

    return compose.run(argv, action=_train_alone, command="solo")


def _train_alone(config: Config) -> None:
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from ganns.coordinator.observer import RoundReport
    from ganns.data import images_of
    from ganns.errors import ConfigError
    from ganns.observers.watch import Watch
    from ganns.training.solo import train_solo
    from ganns.training.state import TrainingState

    for key, value in (("resume", config.resume), ("start_from", config.start_from)):
        if value is not None:
            raise ConfigError(f"{key}={value}: `ganns solo` keeps no runs; `ganns train {key}=...` does.")
    folder = Path(HydraConfig.get().runtime.output_dir)
    images = images_of(config)
    state = TrainingState(config)
    with Watch(config, folder) as watch:
        watch.started(0, state)
        for metrics in train_solo(config, images, state):
            progress = state.progress
            report = RoundReport(
                0, progress.version, progress.images, progress.seconds, metrics, num_images=images.num_train
            )
            watch.round_closed(report, state)
        watch.last_grid()
        state.save(folder / "state.safetensors")
        watch.say(f"version {state.progress.version} after {state.progress.images:,} images is in {folder}")
