"""`ganns solo`: do the same training in one process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganns.config import Config
    from ganns.training.round_settings import RecordedRound

SCHEDULE = "--schedule"


def solo(argv: Sequence[str]) -> int:
    """Train the configuration that `argv` describes, without database or workers; return the exit code.

    With `--schedule RUN` it is a run's own configuration, and its rounds are repeated as the database recorded them.
    """
    from ganns.launch import compose

    rest, run = without_schedule(argv)
    if run is None:
        return compose.run(argv, action=_train_alone, command="solo")
    return compose.run(rest, action=lambda _: _repeat(run), command="solo")


def without_schedule(argv: Sequence[str]) -> tuple[list[str], str | None]:
    """Return the other arguments, and the run that `--schedule` names, or None.

    Raises:
        ConfigError: no run is named, or there are settings beside it.
    """
    from ganns.errors import ConfigError

    at = next((n for n, word in enumerate(argv) if word.partition("=")[0] == SCHEDULE), None)
    if at is None:
        return list(argv), None
    _, equals, run = argv[at].partition("=")
    following = at + 1 if equals else at + 2
    run, rest = run or "".join(argv[at + 1 : following]), [*argv[:at], *argv[following:]]
    if not run:
        raise ConfigError(f"{SCHEDULE} needs a run: `ganns solo {SCHEDULE} 3`, or latest.")
    if settings := [word for word in rest if "=" in word and not word.startswith("hydra.")]:
        raise ConfigError(f"{settings[0]} cannot be set with {SCHEDULE}: the settings are those of run {run}.")
    return rest, run


def _train_alone(config: Config) -> None:
    from ganns.errors import ConfigError

    for key, value in (("resume", config.resume), ("start_from", config.start_from)):
        if value is not None:
            raise ConfigError(f"{key}={value}: `ganns solo` keeps no runs; `ganns train {key}=...` does.")
    _train(config)


def _repeat(run: str) -> None:
    from ganns.config import from_dict
    from ganns.db.choose import coordinator_connection
    from ganns.errors import RunError
    from ganns.store import rounds, runs

    with coordinator_connection("ganns solo") as conn:
        row = runs.find_run(conn, run)
        schedule = rounds.recorded_schedule(conn, row.id)
    config = from_dict(row.config)
    if config.start_from is not None:
        raise RunError(f"Run {row.id} began with the weights of {config.start_from}; `ganns solo` begins anew.")
    _train(config, schedule)


def _train(config: Config, schedule: Iterable[RecordedRound] | None = None) -> None:
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from ganns.coordinator.observer import RoundReport
    from ganns.data import images_of
    from ganns.observers.watch import Watch
    from ganns.training.solo import train_recorded, train_solo
    from ganns.training.state import TrainingState
    from ganns.utils.atomic import replacing

    folder = Path(HydraConfig.get().runtime.output_dir)
    images = images_of(config)
    state = TrainingState(config)
    trained = train_solo(config, images, state) if schedule is None else train_recorded(config, images, state, schedule)
    with Watch(config, folder) as watch:
        watch.started(0, state)
        for metrics in trained:
            progress = state.progress
            report = RoundReport(
                0, progress.version, progress.images, progress.seconds, metrics, num_images=images.num_train
            )
            watch.round_closed(report, state)
        watch.last_grid()
        with replacing(folder / "state.safetensors") as part:
            state.save(part)
        watch.say(f"version {state.progress.version} after {state.progress.images:,} images is in {folder}")
