"""The study's clock: computed here by hand, and by `benchmarks.friends` from recorded curves."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import benchmarks.simulated_class as simulated
from benchmarks.friends import CLASSES, PLAIN, finalists, mean, plot, summary, times
from benchmarks.simulated_class import Way, seconds, time_to, train
from ganns.data import open_images
from ganns.training.solo import train_solo
from ganns.training.state import TrainingState
from tests.support.fakes import tiny

R1 = ("8 r1", "16 r1", "32 r1", "64 r1")
COSTS = {
    "step_ms": {"8": 20.0, "16": 30.0, "32": 50.0, "64": 80.0} | dict.fromkeys(R1, 100.0),
    "step_ms_2_threads": {"8": 25.0, "16": 25.0, "32": 30.0, "64": 50.0} | dict.fromkeys(R1, 100.0),
    "round_ms": 40.0,
    "bytes_a_round": 1e6,
}
FOUR = Way(4, 8, 4, 8e-3)


def clock(way, steps, rounds):
    return seconds(way, COSTS, steps, rounds, None, 1)


def test_a_round_costs_its_steps_itself_and_its_transfers():
    assert seconds(FOUR, COSTS, 100, 25, None, 1) == 100 * 0.02 + 25 * 0.04
    assert abs(seconds(FOUR, COSTS, 100, 25, 10.0, 1) - (3 + 25 * 0.8)) < 1e-9
    plain = Way(0, 8, 16, 4e-3)
    assert (seconds(plain, COSTS, 100, 7, 10.0, 1), seconds(plain, COSTS, 100, 7, 10.0, 2)) == (2.0, 2.5)


def test_the_time_to_a_level_lies_between_two_evaluations():
    curve = [(50, 0, 100.0, 500.0), (100, 0, 60.0, 300.0), (150, 0, 20.0, 100.0)]
    plain = Way(0, 8, 16, 4e-3)
    assert time_to(plain, curve, 40, 2, clock) == 125 * 0.02
    assert time_to(plain, curve, 200, 2, clock) == 50 * 0.02  # at the first evaluation it is below already
    assert time_to(plain, curve, 10, 2, clock) is None


def test_a_speed_is_that_of_the_best_plain_loop_over_the_classs():
    slow, fast = [(400, 0, 30.0, 90.0), (800, 0, 10.0, 50.0)], [(100, 25, 30.0, 90.0), (200, 50, 10.0, 50.0)]
    results = {(way.name, 0): slow for way in PLAIN} | {(way.name, 0): fast for way in CLASSES[4]}
    assert finalists(results, COSTS) == PLAIN[:1]
    found = summary(results, COSTS, [4], 1)
    assert found["best_solo_s"]["fid 30"] == 400 * 0.02
    assert found["speedup"]["4 workers, no transfers"]["fid 30"] == round(8 / clock(CLASSES[4][0], 100, 25), 2)
    assert found["speedup"]["4 workers, 10 Mbit/s"]["fid 30"] < found["speedup"]["4 workers, 50 Mbit/s"]["fid 30"]
    assert mean([1.0, None]) is None
    assert times(results, COSTS, CLASSES[2][0], 1, None, 1)["fid"][30] == []


def test_the_plot_shows_the_fastest_way_of_each_class(monkeypatch, tmp_path):
    slow, fast = [(400, 0, 30.0, 90.0), (800, 0, 10.0, 50.0)], [(100, 0, 30.0, 90.0), (200, 0, 10.0, 50.0)]
    fastest = CLASSES[2][2]
    results = {(way.name, 0): fast if way == fastest else slow for way in [*PLAIN, *CLASSES[2]]}
    shown = []
    monkeypatch.setattr(Axes, "plot", lambda axes, *points, label, **style: shown.append(label))
    monkeypatch.setattr(Figure, "legend", lambda figure, *entries, **style: None)
    plot(results, COSTS, tmp_path / "friends.png")
    assert [label for label in shown if label] == 2 * [PLAIN[0].name, fastest.name]


def test_the_simulated_class_trains_as_solo_does(monkeypatch):
    """Without evaluations before the end, so that the judge is asked for the last version alone."""
    found = []

    class Digests:
        def distances(self, state: TrainingState) -> tuple[float, float]:
            found.append((state.config, state.weights_digest()))
            return 0.0, 0.0

    monkeypatch.setattr(simulated, "Judge", Digests)
    monkeypatch.setattr(simulated, "small", lambda seed, num: tiny(seed=seed))
    assert train(Way(2, 2, 2, 1e-3), 0, every=4, max_steps=8, good_enough=(1, 1)) == [(4, 2, 0.0, 0.0)]
    config, digest = found[0]
    config.stop.rounds = 2
    state = TrainingState(config)
    list(train_solo(config, open_images(config.data, 32), state))
    assert state.weights_digest() == digest
