"""The imports between the parts: boxes from pyproject's contracts, arrows from the current imports."""

from __future__ import annotations

import tomllib
from itertools import permutations
from pathlib import Path

import grimp
from matplotlib.figure import Figure

from docs.figures.drawing import BLUE, GREEN, GREY, ORANGE, arrow, box, canvas

# name: (x, y, colour). `errors` is left out, because every part imports it.
PLACES = {
    "command line": (2.2, 4.6, GREY),
    "dashboard": (1.1, 2.75, ORANGE),
    "train": (3.4, 3.7, GREY),
    "coordinator": (4.0, 2.75, BLUE),
    "tasks": (6.9, 2.75, GREEN),
    "task framework": (5.6, 1.6, GREEN),
    "store": (2.9, 1.6, BLUE),
    "mathematics": (5.6, 0.5, BLUE),
    "db": (2.9, 0.5, BLUE),
}
MODULES = {
    "command line": "ganns.cli, ganns.demo",
    "dashboard": "ganns.dashboard,\nganns.watching",
    "train": "ganns.train",
    "coordinator": "ganns.coordinator",
    "tasks": "tasks.gradient, tasks.evaluate",
    "task framework": "tasks.canvas, tasks.worker, ...",
    "store": "ganns.store",
    "mathematics": "ganns.gradients,\nganns.aggregate, ...",
    "db": "ganns.db",
}


def groups() -> dict[str, list[str]]:
    """Return the modules of each box; a module stands also for its submodules."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    contracts = {one["name"]: one for one in tomllib.loads(text)["tool"]["importlinter"]["contracts"]}
    [framework] = [one for name, one in contracts.items() if name.startswith("The task framework")]
    found = {name: [one.strip() for one in MODULES[name].split(",")] for name in PLACES}
    found["mathematics"] = contracts["The mathematics knows no database and no Hydra"]["source_modules"]
    found["task framework"] = ["tasks", *framework["source_modules"]]
    return found


def edges() -> set[tuple[str, str]]:
    """Return the imports between the boxes, without those that a longer path implies."""
    graph = grimp.build_graph("ganns", "tasks", cache_dir=None)
    owner = {}
    for name, modules in groups().items():
        for module in modules:
            below = set() if module == "tasks" else graph.find_descendants(module)
            owner |= dict.fromkeys({module, *below}, name)
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
        name: box(
            axes, x, y, f"{name}\n{MODULES[name]}", width=1.9, height=0.62 + 0.1 * MODULES[name].count("\n"), fill=fill
        )
        for name, (x, y, fill) in PLACES.items()
    }
    for start, end in sorted(edges()):
        arrow(axes, boxes[start], boxes[end])
    return drawn
