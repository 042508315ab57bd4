"""A search: what it reads, what it proposes, and that the same command goes on."""

from __future__ import annotations

import builtins
import io
import math
import re
import threading
from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from ganns.errors import ConfigError, MissingExtra
from ganns.evaluation import features
from ganns.launch import search_together
from ganns.launch.search import Search, Space, read_space
from ganns.launch.sweep import PointResult
from ganns.store import runs, sweeps
from ganns.store.evaluations import put_evaluation
from tests.support.fakes import tiny
from tests.support.helpers import wait_until

RATES = ["optimizer.lr_g=tag(log,interval(1e-4,1e-2))", "seed=int(interval(1,9))", "loss=non_saturating,hinge"]


def told(search: Search, batches: int) -> list[dict[str, object]]:
    """Let the search propose and hear distances: those of a bowl around lr_g = 1e-3. Return what it proposed."""
    for _ in range(batches):
        points = search.ask(4)
        results = [
            PointResult(one, "finished", one.number, distance=abs(math.log10(search.values[one.number]["x"]) + 3))
            for one in points
        ]
        search.tell(results)
    return [search.values[one.point.number] for one in search.results]


@pytest.fixture
def bowl(monkeypatch: pytest.MonkeyPatch) -> Space:
    """Return a space of one rate, without Hydra's composing."""
    from optuna.distributions import FloatDistribution

    monkeypatch.setattr(Space, "config", lambda self, values: tiny())
    return Space((), {"x": FloatDistribution(1e-5, 1e-1, log=True)})


def test_overrides_are_fixed_or_searched():
    space = read_space(["experiment=smoke", *RATES])
    assert space.fixed == ("experiment=smoke",)
    assert set(space.searched) == {"optimizer.lr_g", "seed", "loss"}
    config = space.config({"optimizer.lr_g": 0.003, "seed": 4, "loss": "hinge"})
    assert (config.optimizer.lr_g, config.seed, config.loss.name, config.name) == (0.003, 4, "hinge", "smoke")


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["experiment=smoke"], "Nothing is searched"),
        (["experiment=demo", "evaluate.every=0", RATES[0]], "evaluate.every=0"),
        (["optimizer.lr_g=interval(1,"], "cannot be read"),
        (["optimizer.lr_g=interval(0.1,100)"], "optimizer.lr_g"),
        (["optimizer.lr_g=tag(log,interval(0,1))"], "cannot be read"),
        (["optimizer.lrg=interval(0.1,1)"], "lr_g"),
        (["seed=range(0)"], "one or more"),
        (["seed=range(0,1000000000000)"], "use an interval"),
        (["loss=hinge,hnge"], "hinge"),
    ],
)
def test_a_mistake_shows_before_the_first_point_is_trained(words, match):
    with pytest.raises(ConfigError, match=match):
        read_space(words)


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("optuna"):
            raise ImportError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"pip install .*\[search\]'"):
        read_space(RATES)


def test_it_finds_the_bottom_of_a_bowl_and_proposes_the_same_again(bowl):
    first = Search(bowl, 0, 4)
    proposed = told(first, 6)
    assert proposed == told(Search(bowl, 0, 4), 6)  # so the same command finds its finished runs
    assert proposed != told(Search(bowl, 1, 4), 6)
    half = len(proposed) // 2
    assert first.best is not None
    assert first.best.distance < 0.2
    off = [one.distance for one in first.results]
    assert sum(off[half:]) < sum(off[:half])
    assert Search(bowl, 1, 4).key != first.key == Search(bowl, 0, 4).key


def test_a_failed_point_teaches_nothing_and_stops_nothing(bowl):
    search = Search(bowl, 0, 4)
    search.tell([PointResult(one, "failed", reason="injected") for one in search.ask(4)])
    assert search.best is None
    told(search, 2)
    assert search.best is not None


@pytest.mark.slow
def test_the_command_trains_over_the_pool_and_goes_on(
    database, join, conn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    monkeypatch.setattr(features, "attribute_network", Mock())  # its training takes long, and nothing is evaluated here
    worker, output = join(), io.StringIO()
    monkeypatch.setattr(search_together, "wide_console", lambda: Console(file=output, width=160, soft_wrap=True))
    small = ["experiment=smoke", "stop.rounds=1", "model.features_g=4", "model.features_d=4", "data.count=40"]

    def run_command(num: int) -> str:
        output.truncate(output.seek(0))
        thread = threading.Thread(
            target=search_together.search, args=([*small, "data.holdout=8", RATES[0]], num, 2, 0), daemon=True
        )
        thread.start()
        wait_until(lambda: worker.work() is None and not thread.is_alive(), 180, "the end of the search")
        return output.getvalue()

    shown = run_command(2)
    assert "no point has a distance" in shown  # one round is not evaluated
    key = shown.partition("as the sweep ")[2][:12]
    numbers = sweeps.list_sweep(conn, key)
    assert len(numbers) == 2
    for number in numbers:
        put_evaluation(conn, number, 1, features="attributes", images=8, metrics={"swd": 10.0 + number}, seconds=1.0)
        conn.execute("UPDATE ganns.runs SET best_version = 1 WHERE id = %s", (number,))
    shown = run_command(3)
    assert shown.count("finished before") == 2
    assert re.search(rf"the best of 3: \[[01]\], run {numbers[0]}, distance {10 + numbers[0]}\n", shown)
    assert "train with it:  ganns train experiment=smoke stop.rounds=1" in shown
    assert len(sweeps.list_sweep(conn, key)) == 3
    assert len(runs.list_runs(conn)) == 3
