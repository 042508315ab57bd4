"""The imports between packages: the boxes are packages, the arrows come from the imports of today."""

from __future__ import annotations

from itertools import permutations

import grimp
from matplotlib.figure import Figure

from docs.figures.drawing import BLUE, GREEN, GREY, ORANGE, arrow, box, canvas

WIDTH, HEIGHT = 1.9, 0.5  # of a box, in inches
# package or packages of ganns/ (or tasks/): (x, y, colour). `errors` is left out: every package imports it.
PLACES = {
    "cli, launch, demo": (3.6, 4.6, GREY),
    "dashboard, top": (1.1, 3.65, ORANGE),
    "monitor": (1.1, 2.65, ORANGE),
    "coordinator": (3.6, 3.65, BLUE),
    "worker": (5.9, 3.65, GREEN),
    "tasks": (7.0, 2.65, GREEN),
    "store": (1.9, 1.9, BLUE),
    "queue": (5.5, 1.6, GREEN),
    "training, evaluation": (1.4, 1.15, BLUE),
    "data": (1.4, 0.4, BLUE),
    "db": (4.2, 0.5, BLUE),
}


def edges() -> set[tuple[str, str]]:
    """Return which box imports which, without the arrows that a longer way says already."""
    graph = grimp.build_graph("ganns", "tasks", cache_dir=None)
    owner = {}
    for name in PLACES:
        for package in name.split(", "):
            module = package if package == "tasks" else f"ganns.{package}"
            owner |= dict.fromkeys({module, *graph.find_descendants(module)}, name)
    found = {
        (owner[module], owner[imported])
        for module in owner
        for imported in graph.find_modules_directly_imported_by(module)
        if imported in owner and owner[imported] != owner[module]
    }
    reached = set(found)
    for middle, start, end in permutations(PLACES, 3):  # Warshall: `middle` varies slowest
        if (start, middle) in reached and (middle, end) in reached:
            reached.add((start, end))
    return {
        (a, c) for a, c in found if not any((a, b) in reached and (b, c) in reached for b in PLACES if b not in (a, c))
    }


def figure() -> Figure:
    """Draw it."""
    drawn, axes = canvas(8.0, 5.1)
    boxes = {
        name: box(axes, x, y, name, width=WIDTH, height=HEIGHT, fill=fill) for name, (x, y, fill) in PLACES.items()
    }
    for start, end in sorted(edges()):
        arrow(axes, boxes[start], boxes[end])
    return drawn
