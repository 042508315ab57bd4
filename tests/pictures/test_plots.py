"""The loss plot: it draws every history, and what it draws is the data."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganns.errors import DataError
from ganns.pictures.plots import plot_losses, smoothed


def history(num_rounds: int, **changes: float) -> list[dict[str, float]]:
    usual = {"d_loss": 1.2, "g_loss": 0.9, "d_real": 0.6, "d_fake": 0.4} | changes
    return [{"round": number, "images": 64.0 * number, **usual} for number in range(1, num_rounds + 1)]


@pytest.mark.parametrize("num_rounds", [1, 2, 30, 500])
def test_a_history_of_any_length_becomes_a_wide_png(num_rounds: int, tmp_path: Path) -> None:
    path = plot_losses(history(num_rounds), tmp_path / "plots" / "losses.png")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1200
        assert 1.8 < picture.width / picture.height < 2.8
    assert list(path.parent.iterdir()) == [path]


def test_the_plot_shows_the_data_and_is_the_same_each_time(tmp_path: Path) -> None:
    def drawn(**changes: float) -> bytes:
        with Image.open(plot_losses(history(30, **changes), tmp_path / "losses.png")) as picture:
            return picture.tobytes()

    usual = drawn()
    assert drawn() == usual
    for changes in ({"d_loss": 1.0}, {"g_loss": 1.0}, {"d_real": 0.7}, {"d_fake": 0.2}):
        assert drawn(**changes) != usual


def test_a_diverged_run_can_still_be_plotted(tmp_path: Path) -> None:
    rows = history(60)
    rows[-1] |= {"d_loss": float("nan"), "g_loss": float("inf"), "d_real": float("nan")}
    assert plot_losses(rows, tmp_path / "losses.png").stat().st_size > 0


def test_plotting_touches_no_global_state(tmp_path: Path) -> None:
    plot_losses(history(3), tmp_path / "losses.png")
    pyplot = sys.modules.get("matplotlib.pyplot")  # another test may have imported it
    assert pyplot is None or not pyplot.get_fignums()


def test_an_empty_history(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rounds"):
        plot_losses([], tmp_path / "losses.png")
    assert not list(tmp_path.iterdir())


def test_smoothing_is_a_centred_mean_whose_window_is_cut_off_at_the_ends() -> None:
    values = np.arange(100.0) ** 2
    expected = [values[max(0, n - 2) : n + 3].mean() for n in range(100)]
    np.testing.assert_allclose(smoothed(values), expected)


def test_smoothing_leaves_a_short_history_and_a_constant_alone() -> None:
    np.testing.assert_array_equal(smoothed(np.array([3.0, 1.0, 2.0])), [3.0, 1.0, 2.0])
    np.testing.assert_allclose(smoothed(np.full(200, 0.7)), 0.7)


def test_smoothing_leaves_out_what_is_not_a_number() -> None:
    values = np.full(100, 2.0)
    values[50] = np.nan
    np.testing.assert_allclose(smoothed(values), 2.0)
    assert np.isnan(smoothed(np.full(3, np.nan))).all()
