"""Checks of an observer that is a plug-in: `ganns plugin check NAME`."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from ganns.config import Config
from ganns.coordinator.observer import RoundReport
from ganns.observers.plugged import RunObserver
from ganns.pictures.grid import save_grid
from ganns.training.state import TrainingState
from ganns.utils.checks import PROBLEM, Finding, run

SOON_S = 1.0
"""No round should wait longer for an observer."""
METRICS = {"d_loss": 1.3, "g_loss": 0.7, "d_real": 0.5, "d_fake": 0.5}


def check_observer(kind: type[RunObserver], config: Config) -> list[Finding]:
    """Make an observer of a run that trains nothing, and call it as a run does."""
    with tempfile.TemporaryDirectory(prefix="ganns-observer-") as folder:
        made: list[RunObserver] = []

        def make() -> None:
            made.append(kind(config, Path(folder)))

        found = run([("it is made from the settings and a folder", make)])
        return found if found[0].state == PROBLEM else found + _calls(made[0], config, Path(folder))


def _calls(observer: RunObserver, config: Config, folder: Path) -> list[Finding]:
    state = TrainingState(config)
    digest = state.weights_digest()
    seconds: dict[str, float] = {}
    grid = save_grid(torch.zeros(4, 3, 32, 32), folder / "version-000001.png")

    def timed(method: str, *arguments: object) -> None:
        begun = time.monotonic()
        getattr(observer, method)(*arguments)
        seconds[method] = max(seconds.get(method, 0.0), time.monotonic() - begun)

    def watch() -> None:
        timed("started", 1, state)
        timed("round_closed", RoundReport(1, 1, 64, 1.5, METRICS, {"wait": 0.2}, num_results=2, num_alive=2), state)
        timed("samples", 1, grid)

    def without_losses() -> None:
        timed("round_closed", RoundReport(1, 2, 64, 2.5, {}), state)

    def evaluate() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(timed, "evaluated", 1, {"swd": 40.0}).result()

    def unchanged() -> str | None:
        return None if state.weights_digest() == digest else "the weights are others than before"

    def soon() -> str | None:
        slow = [f"{method} took {took:.1f} s" for method, took in seconds.items() if took > SOON_S]
        return f"{', '.join(slow)}: send on a thread" if slow else None

    return run(
        [
            ("it watches a run begin, a round and a grid of samples", watch),
            ("it takes a round without losses, in which the run went back", without_losses),
            ("it takes an evaluation of an older version, on another thread", evaluate),
            ("it does not change the run", unchanged),
            ("no round waits for it", soon),
            ("it can be closed", observer.close),
        ]
    )
