"""Watch a run: progress on the terminal, sample grids, TensorBoard, and observers of other packages."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from rich.console import Console

from ganns.config import Config
from ganns.coordinator.observer import RoundReport
from ganns.db.address import Address
from ganns.observers.plugged import PluggedObservers
from ganns.observers.progress import TerminalProgress
from ganns.observers.samples import SampleGrids, SampleUploader
from ganns.observers.tensorboard import TensorBoardLog, require_tensorboard
from ganns.training.state import TrainingState


class Watch(TerminalProgress):
    """The observer of `ganns train`, `solo` and `demo`.

    It shows progress on the terminal, saves sample grids in `<folder>/samples` and in the database, and writes
    TensorBoard's files in `<folder>/tensorboard` if the run's settings say so. It hands each call on to the observers
    of other packages that the settings name. These are the settings of the open run, which can differ from the typed
    ones when a run is resumed.
    """

    def __init__(
        self, config: Config, folder: Path, console: Console | None = None, *, address: Address | None = None
    ) -> None:
        """Show progress on `console` and save into `folder`; without an `address` there is no database.

        Raises:
            MissingExtra: TensorBoard, or an observer, needs a package that is not installed.
            PluginError: an observer is not installed, or cannot be used.
        """
        if config.tensorboard:
            require_tensorboard()
        super().__init__(config.stop, console=console)
        self.grids = SampleGrids(folder / "samples")
        self.state: TrainingState | None = None  # the last one seen
        self._uploader = SampleUploader(address) if address is not None else None
        self._log: TensorBoardLog | None = None
        self._folder = folder
        self._plugged = PluggedObservers(config, folder, self.say)
        self._run_id = 0

    def started(self, run_id: int, state: TrainingState) -> None:
        """Show the run, and save its first samples."""
        super().started(run_id, state)
        self._run_id, self.state = run_id, state
        if state.config.tensorboard and self._log is None:
            self._log = TensorBoardLog(self._folder / "tensorboard")
        if state.config.observers != self._plugged.setting:
            self._plugged = PluggedObservers(state.config, self._folder, self.say)
        self._plugged.call("started", run_id, state)
        if state.config.sample_every:
            self._sample(state)

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Show a round, and save samples every `sample_every` rounds."""
        super().round_closed(report, state)
        self.state = state
        if self._log is not None:
            self._log.round_closed(report)
        self._plugged.call("round_closed", report, state)
        every = state.config.sample_every
        if every and report.version % every == 0:
            self._sample(state)

    def evaluated(self, version: int, metrics: dict[str, float]) -> None:
        """Hand on the metrics of an evaluated version."""
        if self._log is not None:
            self._log.evaluated(version, metrics)
        self._plugged.call("evaluated", version, metrics)

    def last_grid(self) -> None:
        """Save the last version's samples, if the run has sample grids."""
        if self.state is not None and self.state.config.sample_every:
            self._sample(self.state)

    def _sample(self, state: TrainingState) -> None:
        version, path = state.progress.version, self.grids.save(state)
        if self._uploader is not None:
            self._uploader.upload(self._run_id, version, path)
        if self._log is not None:
            self._log.samples(version, path)
        self._plugged.call("samples", version, path)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Store the grids that are left, and remove the live line."""
        if self._uploader is not None:
            self._uploader.close()
        if self._log is not None:
            self._log.close()
        self._plugged.call("close")
        super().__exit__(kind, error, traceback)
