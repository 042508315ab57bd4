"""Hydra's launcher for `ganns train -m`: it composes all points of the sweep, then trains them together.

A launcher is a Hydra plugin that runs the jobs of a sweep. Hydra's own runs one after the other; its joblib launcher
starts a process for each job: each would load PyTorch and need a signal at Ctrl-C. Ours composes all points first, so
it finds a mistake in the last point before it trains the first. Then it needs only one process: a coordinator mostly
waits, and PyTorch computes without Python's lock.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from ganns.errors import ConfigError


class Returned(JobReturn):
    """The result of a point, for Hydra's sweeper.

    Hydra's own class prints the overrides of a failed point before it raises the error.
    """

    @property  # type: ignore[misc]
    def return_value(self) -> Any:
        """Return the point's distance; raise its error."""
        if self.status is JobStatus.FAILED:
            raise self._return_value
        return self._return_value


class TogetherLauncher(Launcher):
    """Hydra's interface to `ganns.launch.sweep_together.train_points`."""

    __module__ = "hydra_plugins.ganns"  # see `register`

    def __init__(self, n_jobs: Any) -> None:
        """Keep how many runs are trained at once (conf/hydra/launcher/together.yaml)."""
        self._num_at_once = n_jobs

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra says."""
        self._context, self._config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose and train the points; `job_overrides` has one list of overrides for each.

        Returns:
            For each point its `return_value`, which is what an optimising sweeper minimises: the distance of its
            best evaluated version (FID, or else `swd`), or None without an evaluation. That of a failed point raises
            the error.

        Raises:
            ConfigError: for a setting that cannot be used, of a point or of the launcher.
        """
        num = self._num_at_once
        if not isinstance(num, int) or num < 1:
            raise ConfigError(f"hydra.launcher.n_jobs={num} is out of range: give how many runs may train at once.")
        setup_globals()
        configure_log(self._config.hydra.job_logging, self._config.hydra.verbose)
        from ganns.launch import sweep_together  # loads PyTorch, and modules that log on import

        try:
            points = [self._compose(initial_job_idx + n, overrides) for n, overrides in enumerate(job_overrides)]
            outcomes = sweep_together.train_points(points, self._num_at_once)
            return [
                Returned(
                    overrides=overrides, status=JobStatus.FAILED, _return_value=sweep_together.failure(one, outcomes)
                )
                if one.state == "failed"
                else Returned(overrides=overrides, status=JobStatus.COMPLETED, _return_value=one.distance)
                for overrides, one in zip(job_overrides, outcomes, strict=True)
            ]
        except Exception as error:
            raise Failed(error) from error

    def _compose(self, number: int, overrides: Sequence[str]) -> Any:
        """Return the point of these overrides."""
        from ganns.config import from_dict
        from ganns.launch.overrides import to_values, typed_keys
        from ganns.launch.sweep import Point

        composed = self._context.config_loader.load_sweep_config(self._config, list(overrides))
        with open_dict(composed):
            composed.hydra.job.id = composed.hydra.job.num = number
        folder = Path(str(composed.hydra.sweep.dir)) / str(composed.hydra.sweep.subdir)
        typed = composed.hydra.overrides.task
        with open_dict(composed):
            del composed["hydra"]
        return Point(number, from_dict(to_values(composed, typed)), folder, tuple(typed_keys(typed)))


def register() -> None:
    """Let Hydra find the launcher of conf/hydra/launcher/together.yaml.

    Hydra takes launchers only from a top-level package `hydra_plugins`. A folder of that name would work; this
    function makes the package's entry instead, so that all our code stays in `ganns`.
    """
    try:
        package = importlib.import_module("hydra_plugins")
    except ImportError:
        package = sys.modules["hydra_plugins"] = types.ModuleType("hydra_plugins")
        package.__path__ = []  # an empty package
    package.ganns = sys.modules["hydra_plugins.ganns"] = sys.modules[__name__]  # type: ignore[attr-defined]
    Plugins.instance().register(TogetherLauncher)


class Failed(BaseException):
    """Carries an error of the job through Hydra, which prints its own text for every `Exception`."""

    def __init__(self, error: Exception) -> None:
        """Keep the error."""
        super().__init__(error)
        self.error = error
