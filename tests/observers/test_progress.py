"""The live line of a run."""

from __future__ import annotations

import io

from rich.console import Console

from ganns.config import StopConfig
from ganns.coordinator.observer import RoundReport
from ganns.observers.progress import TerminalProgress
from ganns.training.state import TrainingState
from tests.support.fakes import tiny


def test_a_resumed_run_is_measured_by_its_own_end() -> None:
    """`ganns train resume=latest` composes another configuration than the one that the run has."""
    config = tiny(stop=StopConfig(rounds=100))
    out = io.StringIO()
    progress = TerminalProgress(StopConfig(rounds=1), Console(file=out, width=200))
    state = TrainingState(config)
    progress.started(7, state)
    report = RoundReport(run_id=7, version=10, images=160, seconds=20.0, metrics={}, num_images=40)
    progress.round_closed(report, state)
    assert "3:00 left" in out.getvalue()
