"""Plots of a run's history, readable from the last row: losses and the discriminator's probabilities.

matplotlib is used through its objects only: no pyplot, hence no global state, no window and nothing to close,
on any thread and any display.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from ganns.errors import DataError
from ganns.pictures.grid import save

# From Okabe & Ito's palette (jfly.uni-koeln.de/color): distinct for every kind of colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#606060"
CYCLE = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", ":")
FEW = 20  # up to this number of rounds, points are marked: a line of one point would be invisible


def plot_losses(history: Sequence[Mapping[str, float]], path: str | os.PathLike[str]) -> Path:
    """Draw both networks' losses, and D's mean probabilities on real and on generated images, by round.

    A GAN's losses do not fall as a classifier's do: they show a balance. The probabilities are easier to
    read. At 0.5 for both kinds of image the discriminator can only guess; near 1 and 0 it has won, and the
    generator learns little from it.

    Args:
        history: one mapping a round, with "round", "d_loss" and "g_loss" (cross-entropies in nats), "d_real"
            and "d_fake" (in [0, 1]); other keys are ignored.
        path: PNG file to write, by atomic rename; its folder is made if need be.

    Returns:
        The path.

    Raises:
        DataError: if the history is empty.
    """
    if not history:
        raise DataError("Cannot plot a run of no rounds: let it finish one round at least.")
    figure = Figure(figsize=(13, 5.8), dpi=110, layout="constrained")
    losses, judgement = figure.subplots(1, 2)

    _draw(losses, history, "g_loss", BLUE, "generator")
    _draw(losses, history, "d_loss", ORANGE, "discriminator")
    losses.set_ylim(bottom=0)
    _label(losses, "Losses", "cross-entropy (nats)")

    _draw(judgement, history, "d_real", GREEN, "real images")
    _draw(judgement, history, "d_fake", BLUE, "generated images")
    judgement.axhline(0.5, color=GREY, linestyle="--", linewidth=1.5, label="0.5: a mere guess")
    judgement.set_ylim(0, 1)
    _label(judgement, "The discriminator's judgement", "mean probability of “real”")

    width = _window(len(history))
    if width > 1:
        note = f"light: each round; dark: mean over {width} rounds"
        figure.supxlabel(note, fontsize=12, color=GREY)
    return save(_rendered(figure), path)


def plot_comparison(
    curves: Sequence[tuple[str, Sequence[Sequence[Mapping[str, float]]]]], path: str | os.PathLike[str]
) -> Path:
    """Draw several settings over the images seen: a line is the mean over a setting's seeds, its band their range.

    Args:
        curves: (label, one history a seed) of each setting; a history as for `plot_losses`, with "images" and, if a
            version was evaluated, "fid", "swd", "precision" and "recall".
        path: PNG file to write, by atomic rename.

    Returns:
        The path.

    Raises:
        DataError: if there is no round to draw.
    """
    curves = [(label, [one for one in seeds if one]) for label, seeds in curves if any(seeds)]
    if not curves:
        raise DataError("Cannot compare runs of no rounds: let one round at least be finished.")
    panels = [
        ("g_loss", "Generator's loss", "cross-entropy (nats)"),
        ("d_loss", "Discriminator's loss", "cross-entropy (nats)"),
        ("d_real", "Discriminator on real images", "mean probability of “real”"),
        ("d_fake", "Discriminator on generated images", "mean probability of “real”"),
    ]
    evaluated = [
        ("fid", "Distance to real images, by features", "FID, lower is better"),
        ("swd", "Distance to real images, by patches", "sliced Wasserstein, lower is better"),
        ("precision", "Precision: images like real ones", "share of generated images"),
        ("recall", "Recall: kinds of images that are drawn", "share of real images"),
    ]
    rows = [row for _, seeds in curves for one in seeds for row in one]
    panels = [one for one in evaluated if any(np.isfinite(row.get(one[0], np.nan)) for row in rows)] + panels
    figure = Figure(figsize=(13, 4.6 * -(-len(panels) // 2) + 0.3 * len(curves)), dpi=100, layout="constrained")
    grid = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).flatten()
    for axes, (key, title, ylabel) in zip(grid, panels, strict=False):
        for number, (_, seeds) in enumerate(curves):
            _draw_spread(axes, seeds, key, CYCLE[number % len(CYCLE)], DASHES[number // len(CYCLE) % len(DASHES)])
        axes.set_title(title, fontsize=15)
        axes.set_xlabel("images", fontsize=12)
        axes.set_ylabel(ylabel, fontsize=12)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    lines = grid[0].get_lines()
    names = [f"{label} ({len(seeds)} seeds: mean, range)" if len(seeds) > 1 else label for label, seeds in curves]
    figure.legend(lines, names, loc="outside lower center", ncols=2, fontsize=12, frameon=False)
    return save(_rendered(figure), path)


def _draw_spread(axes: Axes, seeds: Sequence[Sequence[Mapping[str, float]]], key: str, color: str, dashes: str) -> None:
    """Draw the seeds' mean as a line and their range as a band, up to the last round that all have."""
    rows = [[row for row in one if np.isfinite(row.get(key, np.nan))] for one in seeds]
    num = min(len(one) for one in rows)
    if not num:
        axes.plot([], [], color=color, linestyle=dashes, linewidth=2.4)  # for the legend
        return
    images = np.array([[row["images"] for row in one[:num]] for one in rows]).mean(axis=0)
    values = np.array([smoothed(np.array([row[key] for row in one[:num]], dtype=float)) for one in rows])
    marker = "o" if num <= FEW else None
    axes.plot(images, values.mean(axis=0), color=color, linestyle=dashes, linewidth=2.4, marker=marker)
    if len(rows) > 1:
        axes.fill_between(images, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Return the centred moving average of values [R] over about a twentieth of them; NaNs are left out.

    At the ends the window is cut off, not padded: padding would bend the line towards a made-up value.
    """
    window = np.ones(_window(len(values)))
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), window, "same")
    count = np.convolve(known.astype(float), window, "same")
    mean = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def _window(num_rounds: int) -> int:
    """Return the width of the moving average: odd, so that it is centred, and 1 below 40 rounds."""
    return 2 * (num_rounds // 40) + 1


def _draw(axes: Axes, history: Sequence[Mapping[str, float]], key: str, color: str, label: str) -> None:
    rounds = np.array([row["round"] for row in history], dtype=float)
    values = np.array([row.get(key, np.nan) for row in history], dtype=float)  # a rolled-back round has none
    marker = "o" if len(values) <= FEW else None
    axes.plot(rounds, values, color=color, linewidth=1, alpha=0.3)
    axes.plot(rounds, smoothed(values), color=color, linewidth=2.8, marker=marker, label=label)


def _label(axes: Axes, title: str, ylabel: str) -> None:
    """Add the words, large enough for a projector; the legend is below and hides no data."""
    axes.set_title(title, fontsize=17, pad=12)
    axes.set_xlabel("round", fontsize=14)
    axes.set_ylabel(ylabel, fontsize=14)
    axes.tick_params(labelsize=13)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        fontsize=13,
        ncols=3,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        frameon=False,
        handlelength=1.4,
        handletextpad=0.5,
        columnspacing=1.3,
    )


def _rendered(figure: Figure) -> Image.Image:
    """Draw the figure with Agg, which matplotlib uses for PNG files with every backend."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", pad_inches=0.15, bbox_inches="tight")
    return Image.open(buffer)
