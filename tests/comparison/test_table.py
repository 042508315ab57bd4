"""Comparing runs: which settings differ, which runs differ in their seed alone, and what may be said of the best."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from ganns.comparison.table import Record, groups, in_order, show, verdict
from ganns.config import CelebAData, Config, OptimizerConfig, StopConfig, SyntheticData, to_dict
from ganns.config_diff import differing, flat, label, labels, short
from ganns.errors import DataError
from ganns.monitor.settings import table
from ganns.pictures.plots import plot_comparison
from ganns.store.runs import Run


def config(lr: float = 2e-4, seed: int = 0, **changes: Any) -> Config:
    return Config(seed=seed, optimizer=OptimizerConfig(lr_g=lr), stop=StopConfig(rounds=9), **changes)


def record(
    number: int, settings: Config, rounds: int = 9, distances: dict[int, tuple[float, float]] | None = None
) -> Record:
    run = Run(number, "key", settings.name, to_dict(settings), "finished", "", 100, "", rounds, 64 * rounds)
    metrics = {"d_loss": 1.2, "g_loss": 0.9 + number / 10, "d_real": 0.6, "d_fake": 0.4}
    rows = [{"round": n, "images": 64 * (n + 1), "seconds": n + 1.0, "metrics": metrics} for n in range(rounds)]
    evaluated = [{"version": at, "metrics": {"fid": fid, "swd": swd}} for at, (fid, swd) in (distances or {}).items()]
    return Record(run, rows, evaluated)


SWEPT = [record(n + 1, config(lr, seed)) for n, (lr, seed) in enumerate([(1e-4, 0), (4e-4, 0), (1e-4, 1), (4e-4, 1)])]


def test_only_what_differs_is_named() -> None:
    assert labels([config(1e-4), config(4e-4, resume="3")]) == ["optimizer.lr_g=0.0001", "optimizer.lr_g=0.0004"]
    assert labels([config(), config()]) == ["all settings alike"] * 2


def test_a_setting_that_an_older_run_does_not_have_counts_as_its_default() -> None:
    new, old = flat(to_dict(config())), flat(to_dict(config()))
    del old["sample_every"]
    assert differing([new, old]) == []
    assert differing([new | {"sample_every": 3}, old]) == ["sample_every"]


def test_a_setting_of_another_option_differs_where_it_is_not_the_default() -> None:
    drawn, own = flat(to_dict(config())), flat(to_dict(config(data=CelebAData())))
    assert differing([drawn, own]) == ["data.name"]
    assert differing([drawn | {"data.count": 5}, own]) == ["data.count", "data.name"]
    few = config(data=SyntheticData(count=5))
    assert labels([few, config(data=CelebAData())]) == ["data.count=5 data.name=synthetic", "data.name=celeba"]
    assert [one for _, one in table([to_dict(few), to_dict(config(data=CelebAData()))])] == [
        ["5", "-"],
        ["synthetic", "celeba"],
    ]


def test_columns_are_short_where_that_is_clear() -> None:
    assert short(["optimizer.lr_g", "model.name", "data.name"]) == ["lr_g", "model", "data"]
    assert label({"optimizer.lr_g": 0.5, "seed": None}, ["optimizer.lr_g", "seed"], ["lr_g", "seed"]) == (
        "lr_g=0.5 seed=null"
    )


def test_runs_that_differ_in_their_seed_alone_belong_together() -> None:
    found = groups(SWEPT)
    assert [group.label for group in found] == ["optimizer.lr_g=0.0001", "optimizer.lr_g=0.0004"]
    assert [[one.run.id for one in group.records] for group in found] == [[1, 3], [2, 4]]
    assert [one.run.id for one in in_order(SWEPT[::-1])] == [2, 4, 1, 3]


def shown(*arguments: Any) -> str:
    console = Console(file=io.StringIO(), width=160)
    show(console, *arguments)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_has_settings_states_and_distances() -> None:
    text = shown(
        [record(1, config(1e-4)), record(2, config(4e-4), 9, {3: (10.6, 66.6), 6: (5.98, 111.0)})],
        {1: "failed"},
        {2: 44.44},
    )
    [header] = [line for line in text.splitlines() if " run " in line]
    assert [word.strip() for word in header.strip("┃").split("┃")] == [
        *("run", "lr_g", "state", "rounds", "images", "time", "loss D", "loss G", "last swd", "best", "fid", "swd")
    ]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if "│" in line]
    assert rows[0] == ["1", "0.0001", "failed", "9", "576", "9 s", "1.200", "1.000", "-", "-", "-", "-"]
    assert rows[1][2:] == ["finished", "9", "576", "9 s", "1.200", "1.100", "44.4", "version 6", "5.98", "111"]


def test_a_run_of_no_rounds_can_be_shown() -> None:
    assert "0 s" in shown([record(1, config(), rounds=0)])


@pytest.mark.parametrize(
    ("distances", "last"),
    [
        ({1: 30.0, 3: 34.0, 2: 40.0, 4: 42.0}, "The best one's worst seed is better than the next one's best."),
        ({1: 30.0, 3: 41.0, 2: 40.0, 4: 42.0}, "The best two overlap: with this spread over the seeds"),
        ({1: 30.0, 2: 40.0}, "One seed tells little"),
    ],
)
def test_the_verdict_knows_what_seeds_can_tell(distances: dict[int, float], last: str) -> None:
    lines = verdict(groups(SWEPT), distances)
    assert "optimizer.lr_g=0.0001" in lines[1]
    assert "optimizer.lr_g=0.0004" in lines[2]
    assert lines[-1].startswith(last)


def test_the_best_versions_fids_decide_where_every_run_has_one() -> None:
    evaluated = [
        record(1, config(1e-4), 9, {9: (9.0, 30.0)}),
        record(2, config(4e-4), 9, {6: (5.0, 60.0), 9: (7.0, 40.0)}),
    ]
    title, first, *_ = verdict(groups(evaluated), {1: 30.0, 2: 40.0})
    assert "best fid" in title
    assert "5.0" in first
    assert "optimizer.lr_g=0.0004" in first
    title, first, *_ = verdict(groups([evaluated[0], record(2, config(4e-4))]), {1: 30.0, 2: 40.0})
    assert "swd" in title
    assert "optimizer.lr_g=0.0001" in first


def test_one_setting_alone_has_no_verdict() -> None:
    assert verdict(groups(SWEPT), {1: 30.0}) == []


def history(num_rounds: int, level: float, swd: float = float("nan")) -> list[dict[str, float]]:
    rows = []
    for number in range(1, num_rounds + 1):
        usual = {"d_loss": 1.2, "g_loss": level, "d_real": 0.6, "d_fake": 0.4}
        rows.append({"images": 64.0 * number, **usual, "swd": swd if number % 5 == 0 else float("nan")})
    return rows


@pytest.mark.parametrize("swd", [float("nan"), 40.0])
def test_the_plot_shows_each_setting_and_its_seeds(tmp_path: Path, swd: float) -> None:
    def drawn(*levels: float) -> np.ndarray:
        curves = [("a", [history(20, level, swd) for level in levels]), ("b", [history(12, 0.5, swd)])]
        with Image.open(plot_comparison(curves, tmp_path / "plots" / "curves.png")) as picture:
            assert picture.width > 1000
            return np.asarray(picture)

    mean, spread = drawn(0.9, 0.9), drawn(0.8, 1.0)
    assert not np.array_equal(mean, spread)  # the same mean, with a band


def test_no_rounds_cannot_be_plotted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rounds"):
        plot_comparison([("a", [[]])], tmp_path / "curves.png")
