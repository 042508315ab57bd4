"""A sweep: its points share the workers, one that fails ends no other, and the same sweep goes on where it was."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.core.utils import JobStatus
from rich.console import Console

from ganns import paths
from ganns.config import Config, StopConfig
from ganns.coordinator import Quiet, RoundReport
from ganns.errors import Diverged, RunError
from ganns.launch import launcher, sweep_together
from ganns.launch.sweep import Point, PointResult, Sweep, point_digest, sweep_key
from ganns.store import runs, sweeps
from ganns.store.evaluations import put_evaluation
from ganns.training.state import TrainingState
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import wait_until

TWO = StopConfig(rounds=2)


class Notes(Quiet):
    """Watches a point."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.digest = ""
        self.versions: list[int] = []
        self.on_round: Callable[[int], None] = lambda version: None

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        self.versions.append(report.version)
        self.digest = state.weights_digest()
        self.on_round(report.version)

    def last_grid(self) -> None:
        pass


class Trained:
    """A sweep in a thread, with what was noted of each point."""

    def __init__(self, configs: list[Config], address, num_at_once: int = 4) -> None:
        self.notes = [Notes() for _ in configs]
        self.stop = threading.Event()
        points = [Point(number, config, Path("unused")) for number, config in enumerate(configs)]
        self.sweep = Sweep(points, address, lambda point: self.notes[point.number], self.stop)  # type: ignore[arg-type]
        self.outcomes: list[PointResult] = []
        self.thread = threading.Thread(target=lambda: self.outcomes.extend(self.sweep.run(num_at_once)), daemon=True)
        self.thread.start()

    def finish(self, worker: FakeWorker) -> list[str]:
        """Let the worker work until the sweep is over; return the points' states."""
        wait_until(lambda: worker.work() is None and not self.thread.is_alive(), 120, "the end of the sweep")
        return self.states

    @property
    def states(self) -> list[str]:
        return [one.state for one in self.outcomes]


@pytest.fixture
def sweep(database) -> Iterator[Callable[..., Trained]]:
    """Return a function that starts a sweep of these configurations."""
    started: list[Trained] = []

    def start(*configs: Config, num_at_once: int = 4) -> Trained:
        started.append(Trained(list(configs), database, num_at_once))
        return started[-1]

    yield start
    for one in started:
        one.stop.set()
        one.thread.join(60)


def test_points_share_the_workers_and_each_equals_solo(sweep, join, conn):
    configs = [tiny(seed=seed, stop=TWO) for seed in (0, 1, 2)]
    trained = sweep(*configs, num_at_once=2)
    assert trained.finish(join()) == ["finished"] * 3
    assert [one.digest for one in trained.notes] == [solo_digest(config) for config in configs]
    assert sweeps.list_sweep(conn, trained.sweep.key[:6]) == sorted(one.run_id for one in trained.outcomes)


def test_the_same_sweep_again_trains_only_what_is_new(sweep, join, conn):
    worker = join()
    first = sweep(tiny(stop=TWO), tiny(seed=1, stop=TWO))
    assert first.finish(worker) == ["finished"] * 2
    again = sweep(tiny(stop=TWO), tiny(seed=1, stop=TWO), tiny(seed=2, stop=TWO))
    assert again.finish(worker) == ["finished before", "finished before", "finished"]
    assert [one.run_id for one in again.outcomes[:2]] == [one.run_id for one in first.outcomes]
    assert again.notes[0].versions == []
    assert again.notes[0].said == [f"run {first.outcomes[0].run_id} is finished already"]
    assert len(runs.list_runs(conn)) == 3


def test_stopped_points_go_on_where_they_were(sweep, join, conn):
    """Also when the process was killed: a point is found by its configuration, its state on disk by its run's key."""
    configs, worker = [tiny(seed=seed, stop=StopConfig(rounds=4)) for seed in (0, 1, 2)], join()
    first = sweep(*configs, num_at_once=2)
    first.notes[0].on_round = lambda version: first.stop.set() if version == 2 else None
    wait_until(lambda: first.stop.is_set() or (worker.work() and False), 120, "two rounds")
    first.thread.join(60)
    assert first.states == ["stopped", "stopped", "not begun"]
    before = [list(one.versions) for one in first.notes]
    second = sweep(*configs)
    assert second.finish(worker) == ["finished"] * 3
    for config, old, new, notes in zip(configs, before, second.notes, second.notes, strict=True):
        assert old + new.versions == [1, 2, 3, 4]
        assert notes.digest == solo_digest(config)
    assert any(f"goes on from version {before[0][-1]}" in text for text in second.notes[0].said)
    assert len(runs.list_runs(conn)) == 3


def test_a_point_that_fails_ends_no_other(sweep, join, conn):
    worker = join()
    trained = sweep(tiny(stop=TWO), tiny(seed=1, stop=TWO), tiny(seed=2, stop=TWO))

    def diverge(version: int) -> None:
        raise Diverged("Run 2 diverged, as injected.")

    def stumble(version: int) -> None:
        raise ZeroDivisionError("injected")

    trained.notes[1].on_round, trained.notes[2].on_round = diverge, stumble
    assert trained.finish(worker) == ["finished", "failed", "failed"]
    assert trained.outcomes[1].reason == "Run 2 diverged, as injected."
    assert trained.outcomes[2].reason == "ZeroDivisionError: injected"


def test_a_point_returns_its_smallest_distance_also_when_it_had_ended_before(sweep, join, conn):
    worker = join()
    first = sweep(tiny(stop=TWO), tiny(seed=1, stop=TWO))
    assert first.finish(worker) == ["finished"] * 2
    assert [one.distance for one in first.outcomes] == [None, None]  # nothing was evaluated
    run, best = first.outcomes[1].run_id, {"swd": 7.5}
    put_evaluation(conn, run, 1, features="attributes", images=8, metrics=best, seconds=1.0)
    conn.execute("UPDATE ganns.runs SET best_version = 1 WHERE id = %s", (run,))
    again = sweep(tiny(stop=TWO), tiny(seed=1, stop=TWO))
    assert again.finish(worker) == ["finished before"] * 2
    assert [one.distance for one in again.outcomes] == [None, 7.5]


def test_hydra_gets_the_distance_of_each_point_and_the_error_of_a_failed_one():
    def returned(**what):
        return launcher.Returned(overrides=["seed=1"], **what)

    assert returned(status=JobStatus.COMPLETED, _return_value=7.5).return_value == 7.5
    with pytest.raises(RunError, match="as injected"):
        _ = returned(status=JobStatus.FAILED, _return_value=RunError("as injected")).return_value


def test_a_diverged_point_says_how_to_try_it_again(sweep, join, conn):
    trained = sweep(tiny(stop=TWO))
    assert trained.finish(join()) == ["finished"]
    runs.set_state(conn, trained.outcomes[0].run_id, "diverged")
    again = sweep(tiny(stop=TWO))
    again.thread.join(60)
    assert again.states == ["failed"]
    assert "`ganns runs delete" in again.outcomes[0].reason


def test_a_point_is_its_settings_and_a_sweep_its_points():
    assert point_digest(tiny(seed=1)) == point_digest(tiny(seed=1, resume="7"))
    assert point_digest(tiny(seed=1)) != point_digest(tiny(seed=2))
    points = [Point(number, tiny(seed=number), Path()) for number in range(3)]
    assert sweep_key(points) == sweep_key(points[::-1]) != sweep_key(points[:2])


def test_the_whole_command_shows_what_became_of_the_points(
    database, join, conn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """`ganns train -m`, behind Hydra: prefixed lines, a table with what differs, and the line to type for comparing."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    output, worker = io.StringIO(), join()
    monkeypatch.setattr(sweep_together, "wide_console", lambda: Console(file=output, width=160, soft_wrap=True))
    points = [Point(n, tiny(seed=n, stop=StopConfig(rounds=1)), tmp_path / str(n)) for n in range(2)]
    outcomes: list[list[PointResult]] = []

    def command() -> None:
        outcomes.append(sweep_together.train_points(points, 2))

    def run_command() -> str:
        thread = threading.Thread(target=command, daemon=True)
        thread.start()
        wait_until(lambda: worker.work() is None and not thread.is_alive(), 120, "the end of the command")
        return output.getvalue()

    shown = run_command()
    for text in ("[0] seed=0", "[1] run ", "│ finished │", "compare with `ganns compare --sweep"):
        assert text in shown
    assert [one.state for one in outcomes[-1]] == ["finished"] * 2
    runs.set_state(conn, 1, "diverged")
    shown = run_command()
    assert "finished before" in shown
    [failed] = [one for one in outcomes[-1] if one.state == "failed"]
    said = str(sweep_together.failure(failed, outcomes[-1]))
    assert said.startswith(f"1 of 2 points failed; [{failed.point.number}]: ")
    assert (paths.home() / "state").is_dir()
