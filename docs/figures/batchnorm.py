"""Why BatchNorm's variances are pooled as sums: their mean leaves out the spread between the workers."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from docs.figures.drawing import BLUE, INK, ORANGE, RED

MEANS = (-1.5, -0.4, 0.5, 1.6)  # of the values of four workers


def figure() -> Figure:
    """Draw the values of four workers, and three ways to get their variance."""
    random = np.random.RandomState(0)
    values = [mean + 0.7 * random.standard_normal(64) for mean in MEANS]
    total, squares, num = sum(map(np.sum, values)), sum(np.sum(one**2) for one in values), sum(map(len, values))
    ways = {
        "mean of the\nvariances": np.mean([one.var(ddof=1) for one in values]),
        "pooled from\nthe sums": (squares - total**2 / num) / (num - 1),
        "all values\nin one place": np.concatenate(values).var(ddof=1),
    }

    drawn = Figure(figsize=(8.6, 2.9), layout="constrained")
    left, right = drawn.subplots(1, 2, width_ratios=[3, 2])
    for number, one in enumerate(values):
        left.plot(one, np.full(len(one), len(values) - number), "|", color=INK, alpha=0.5, markersize=11)
        left.plot(one.mean(), len(values) - number, "o", color=RED, markersize=5)
    left.set_yticks(range(1, len(values) + 1), [f"worker {len(values) - number}" for number in range(len(values))])
    left.set(title="The inputs of a BatchNorm layer, and the workers' means", xlabel="value", ylim=(0.4, 4.6))
    bars = right.bar(list(ways), list(ways.values()), color=[ORANGE, BLUE, BLUE], edgecolor=INK, width=0.6)
    right.bar_label(bars, fmt="%.2f")
    right.set(title="The variance", yticks=[], ylim=(0, 1.2 * max(ways.values())))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_size(10)
    return drawn
