"""Three ways to train with many machines, and their connections."""

from __future__ import annotations

from math import cos, pi, sin

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.figures.drawing import BLUE, GREEN, GREY, ORANGE, Box, arrow, box, canvas


def _workers(axes: Axes, x: float, y: float, radius: float, words: str, first: int = 0) -> list[Box]:
    """Draw workers on a circle around (x, y), which has five places; the first one is at the top."""
    angles = [pi / 2 + 2 * pi * number / 5 for number in range(first, 5)]
    return [
        box(axes, x + radius * cos(angle), y + radius * sin(angle), words, width=0.85, height=0.5, fill=GREEN)
        for angle in angles
    ]


def _title(axes: Axes, x: float, title: str, words: str) -> None:
    axes.text(x, 4.15, title, ha="center", weight="bold")
    axes.text(x, 0.42, words, ha="center", va="center", fontsize=8.5, linespacing=1.4)


def figure() -> Figure:
    """Draw them."""
    drawn, axes = canvas(10.6, 4.5)

    _title(axes, 1.7, "All-reduce", "All workers add all gradients.\nAll must take part in each step.")
    ring = _workers(axes, 1.7, 2.35, 1.3, "worker\n+ optimizer")
    for here, there in zip(ring, ring[1:] + ring[:1], strict=True):
        arrow(axes, here, there)

    _title(axes, 5.2, "Parameter server", "Each worker sends when it is ready.\nGradients of any age are applied.")
    server = box(axes, 5.2, 2.25, "server\nweights,\noptimizer", width=1.1, height=0.8, fill=BLUE)
    for worker in _workers(axes, 5.2, 2.35, 1.35, "worker"):
        arrow(axes, worker, server, both=True)

    _title(axes, 8.7, "This project", "A round waits for a quorum. Workers\nconnect only to the database.")
    database = box(axes, 8.7, 2.3, "PostgreSQL\nrounds, weights,\njobs, results", width=1.25, height=0.8, fill=ORANGE)
    for worker in _workers(axes, 8.7, 2.35, 1.35, "worker", first=1):
        arrow(axes, worker, database, both=True)
    coordinator = box(axes, 8.7, 3.7, "coordinator\n+ optimizer", width=1.25, height=0.52, fill=GREY)
    arrow(axes, coordinator, database, both=True)
    return drawn
