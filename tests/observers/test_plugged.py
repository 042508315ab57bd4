"""Observers of other packages: what they are told, what they may not do, and that a run goes on without them."""

from __future__ import annotations

import io
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.config import Config, from_dict, to_dict
from ganns.coordinator.observer import RoundReport
from ganns.errors import ConfigError, MissingExtra, PluginError
from ganns.launch.compose import compose
from ganns.observers import checking
from ganns.observers.checking import check_observer
from ganns.observers.plugged import RunObserver
from ganns.observers.watch import Watch
from ganns.training.state import TrainingState
from ganns.utils.checks import PROBLEM
from tests.support.fakes import tiny
from tests.support.plugin import announce, announce_example, importable

MODULE = "noting_plugin"
NOTING = """
from ganns.observers.plugged import RunObserver

class Noting(RunObserver):
    calls = []
    def __init__(self, config, folder):
        super().__init__(config, folder)
        self.calls.append(("made", config.seed))
    def started(self, run_id, state):
        self.calls.append(("started", run_id))
    def round_closed(self, report, state):
        self.calls.append(("round", report.version))
    def evaluated(self, version, metrics):
        self.calls.append(("evaluated", version, metrics))
    def samples(self, version, path):
        self.calls.append(("samples", version, path.is_file()))
    def close(self):
        self.calls.append(("closed",))

class Failing(Noting):
    def round_closed(self, report, state):
        raise ValueError("no disk")
"""


class FakeRun:
    """What `wandb.init` returns."""

    def __init__(self) -> None:
        self.logged: list[dict[str, Any]] = []
        self.finished = 0

    def define_metric(self, name: str, step_metric: str | None = None) -> None:
        pass

    def log(self, values: dict[str, Any]) -> None:
        assert not self.finished
        self.logged.append(values)

    def finish(self) -> None:
        self.finished += 1


class Wandb(types.ModuleType):
    """What we use of wandb."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: list[FakeRun] = []
        self.asked: dict[str, Any] = {}

    def init(self, **settings: Any) -> FakeRun:
        self.asked = settings
        self.runs.append(FakeRun())
        return self.runs[-1]

    def Image(self, path: str) -> str:
        assert Path(path).is_file()
        return f"image {Path(path).name}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, with the example and a module of the test's own."""
    folder = importable(tmp_path, monkeypatch)
    announce_example(folder)
    (folder / f"{MODULE}.py").write_text(NOTING)
    points = {
        "ganns.observer": {"noting": f"{MODULE}:Noting", "failing": f"{MODULE}:Failing", "odd": f"{MODULE}:NOTHING"}
    }
    announce(folder, "noting", "1.0", points)
    return folder


@pytest.fixture
def wandb(site: Path, monkeypatch: pytest.MonkeyPatch) -> Wandb:
    module = Wandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def watched(config: Config, folder: Path, opened: Config | None = None) -> str:
    """Watch two rounds of the run `opened`, and return what the terminal showed."""
    shown = io.StringIO()
    state = TrainingState(opened or config)
    with Watch(config, folder, Console(file=shown, soft_wrap=True)) as watch:
        watch.started(7, state)
        for version in (1, 2):
            watch.round_closed(RoundReport(7, version, 16 * version, 1.0, {"d_loss": 1.5}, {"wait": 0.25}), state)
        watch.evaluated(1, {"swd": 40.0})
    return shown.getvalue()


def calls() -> list[tuple[Any, ...]]:
    return sys.modules[MODULE].Noting.calls


def test_an_observer_is_told_everything_in_order(site: Path, tmp_path: Path) -> None:
    watched(tiny(observers="noting", sample_every=2), tmp_path)
    assert calls() == [
        ("made", 0), ("started", 7), ("samples", 0, True), ("round", 1), ("round", 2), ("samples", 0, True),
        ("evaluated", 1, {"swd": 40.0}), ("closed",),
    ]  # fmt: skip


def test_one_that_fails_is_left_out_and_the_others_go_on(site: Path, tmp_path: Path) -> None:
    shown = watched(tiny(observers="failing, noting"), tmp_path)
    assert shown.count("the observer failing failed and is left out from now on (ValueError: no disk)") == 1
    assert [one for one in calls() if one[0] in ("round", "closed")] == [("round", 1), ("round", 2), ("closed",)]


def test_a_resumed_run_has_its_own_observers(site: Path, tmp_path: Path) -> None:
    watched(tiny(), tmp_path, opened=tiny(observers="noting", seed=5))
    assert calls()[:2] == [("made", 5), ("started", 7)]


def test_names_that_cannot_be_used_are_found_before_a_run_begins(site: Path, tmp_path: Path) -> None:
    assert compose(["observers=wandb,noting"]).observers == "wandb,noting"
    with pytest.raises(ConfigError, match=r"^observers=wandbb is not known: .* did you mean wandb\?$"):
        compose(["observers=noting,wandbb"])
    with pytest.raises(ConfigError, match=r"did you mean observers\?$"):
        compose(["observer=wandb"])
    with pytest.raises(PluginError, match=r"^observers=odd: .*has no attribute 'NOTHING'"):
        Watch(tiny(observers="odd"), tmp_path)


def test_a_worker_needs_no_observer(site: Path) -> None:
    from ganns import plugins

    config = tiny(observers="noting")
    assert plugins.packages(config) == {}
    assert from_dict(to_dict(config)) == config


def test_weights_and_biases_gets_numbers_and_grids_but_no_paths(wandb: Wandb, tmp_path: Path) -> None:
    config = tiny(observers="wandb", sample_every=2)
    watched(config, tmp_path)
    [run] = wandb.runs
    assert (wandb.asked["name"], wandb.asked["config"]["seed"]) == ("test", 0)
    assert "path" not in wandb.asked["config"]["data"]
    assert run.finished == 1
    assert {"version": 1, "images": 16, "d_loss": 1.5, "timings/wait": 0.25} in run.logged
    assert {"version": 1, "evaluation/swd": 40.0} in run.logged
    assert {"version": 0, "samples": "image version-000000.png"} in run.logged


def test_without_wandb_a_sentence_says_what_to_install(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"^observers=wandb needs .*: pip install wandb$"):
        Watch(tiny(observers="wandb"), tmp_path)


def test_without_observers_nothing_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganns.plugins.entry_points", None)
    watched(tiny(), tmp_path)


# ------------------------------------------------------------------------------------------- is it right?


def test_the_example_is_right(wandb: Wandb) -> None:
    done = CliRunner().invoke(app, ["plugin", "check", "wandb"])
    assert done.exit_code == 0, done.output
    assert "ok    no round waits for it" in done.output
    assert wandb.runs[0].finished == 1


class Unmade(RunObserver):
    def __init__(self, config: Config, folder: Path) -> None:
        raise OSError("no account")


class NeedsLosses(RunObserver):
    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        assert report.metrics["d_loss"] > 0


class Changing(RunObserver):
    def started(self, run_id: int, state: TrainingState) -> None:
        for value in state.networks["g"].parameters():
            value.data.zero_()


class Slow(RunObserver):
    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        clock[0] += 3.0


clock = [0.0]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Unmade, "it is made from the settings and a folder: OSError: no account"),
        (NeedsLosses, "it takes a round without losses, in which the run went back: KeyError: 'd_loss'"),
        (Changing, "it does not change the run: the weights are others than before"),
        (Slow, "no round waits for it: round_closed took 3.0 s: send on a thread"),
    ],
)
def test_a_wrong_one_is_found_out(kind: type[RunObserver], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "time", types.SimpleNamespace(monotonic=lambda: clock[0]))
    problems = [f"{one.subject}: {one.said}" for one in check_observer(kind, tiny()) if one.state == PROBLEM]
    assert len(problems) == 1
    assert problems[0].startswith(found)
