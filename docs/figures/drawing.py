"""Boxes with text, and arrows between them."""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

BLUE, GREEN, ORANGE, GREY = "#dbe7f6", "#dcefdc", "#fbe6cf", "#eeeeee"
INK, RED = "#333333", "#b03030"


class Box(NamedTuple):
    """Where a box is: its centre, width and height."""

    x: float
    y: float
    width: float
    height: float

    def towards(self, x: float, y: float) -> tuple[float, float]:
        """Return the border's point on the line from the centre to (x, y)."""
        dx, dy = x - self.x, y - self.y
        scale = min(self.width / 2 / abs(dx) if dx else 9e9, self.height / 2 / abs(dy) if dy else 9e9)
        return self.x + dx * scale, self.y + dy * scale


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure, `width` by `height` inches, and axes with the same units and no lines."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def box(axes: Axes, x: float, y: float, words: str, width: float = 1.5, height: float = 0.55, fill: str = BLUE) -> Box:
    """Draw a box around (x, y): the first line of the words large, the others small."""
    outline = FancyBboxPatch(
        (x - width / 2 + 0.06, y - height / 2 + 0.06),
        width - 0.12,
        height - 0.12,
        boxstyle="round,pad=0.06",
        facecolor=fill,
        edgecolor=INK,
        linewidth=0.8,
    )
    axes.add_patch(outline)
    title, _, rest = words.partition("\n")
    lines = rest.count("\n") + 1 if rest else 0
    axes.text(x, y + 0.085 * lines, title, ha="center", va="center", color=INK)
    if rest:
        axes.text(x, y - 0.1, rest, ha="center", va="center", color=INK, fontsize=7.5, linespacing=1.2)
    return Box(x, y, width, height)


def arrow(
    axes: Axes, start: Box, end: Box, words: str = "", bend: float = 0.0, color: str = INK, both: bool = False
) -> None:
    """Draw an arrow from border to border, with words beside its middle."""
    axes.annotate(
        "",
        end.towards(start.x, start.y),
        start.towards(end.x, end.y),
        arrowprops={
            "arrowstyle": "<|-|>" if both else "-|>",
            "connectionstyle": f"arc3,rad={bend}",
            "color": color,
            "linewidth": 0.9,
            "shrinkA": 1,
            "shrinkB": 1,
        },
    )
    if words:
        (x0, y0), (x1, y1) = start.towards(end.x, end.y), end.towards(start.x, start.y)
        x, y = (x0 + x1) / 2 + bend * (y1 - y0) / 2, (y0 + y1) / 2 - bend * (x1 - x0) / 2
        halo = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(x, y, words, ha="center", va="center", fontsize=7.5, color=color, bbox=halo)
