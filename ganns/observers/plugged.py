"""Observers of other packages: `observers=wandb` shows a run in Weights & Biases.

An observer only watches. If it fails, the run goes on without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from ganns import plugins
from ganns.config import Config
from ganns.coordinator.observer import Quiet


class RunObserver(Quiet):
    """The base class of an observer that is a plug-in; override the calls that it needs.

    Each call should return soon: the coordinator waits for it between two rounds. One thread at a time calls. Messages
    for the user (`say`) are only for the terminal.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        """Keep the run's settings, and the folder of its files; begin nothing that has to be closed."""
        self.config, self.folder = config, folder

    def samples(self, version: int, path: Path) -> None:
        """Take note of a grid of samples, saved as a PNG file."""

    def close(self) -> None:
        """End: the run has stopped, or failed. Called once."""


def observer_class(name: str) -> type[RunObserver]:
    """Return the class of the plug-in `name`.

    Raises:
        PluginError: if there is none, or it is no `RunObserver`.
    """
    found: type[RunObserver] = plugins.subclass(plugins.OBSERVER, name, RunObserver)
    return found


class PluggedObservers:
    """The observers that a run's settings name. One that raises an error gets no more calls."""

    def __init__(self, config: Config, folder: Path, say: Callable[[str], None]) -> None:
        """Make them; `say` tells the user when one fails.

        Raises:
            PluginError: if one is not installed, or is none.
            MissingExtra: if one needs a package that is not installed.
        """
        self.setting = config.observers
        names = plugins.names_in(config, plugins.OBSERVER)
        self._observers = {name: observer_class(name)(config, folder) for name in names}
        self._say = say
        self._lock = threading.Lock()  # an evaluation is told on a thread of its own

    def call(self, method: str, *arguments: object) -> None:
        """Call a method of each observer."""
        with self._lock:
            for name, observer in list(self._observers.items()):
                try:
                    getattr(observer, method)(*arguments)
                except Exception as error:
                    del self._observers[name]
                    self._say(
                        f"the observer {name} failed and is left out from now on ({type(error).__name__}: {error}); "
                        "the training goes on"
                    )
