"""The figures of the explanations: `python -m docs.figures` draws them into docs/images/.

Where possible, their contents come from the program: shapes from the networks, arrows from the imports,
transactions from recordings of real sessions.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from docs.figures import scenes

FIGURES = ("architecture", "batchnorm", "dcgan", "gan", "quorum", "topologies", *scenes.SCENES)


def draw(name: str, folder: Path) -> Path:
    """Draw one figure into `folder`, as an SVG with the same bytes each time.

    Returns:
        the file.
    """
    import matplotlib

    path = folder / f"{name}.svg"
    if name in scenes.SCENES:
        scenes.write(name, path)
        return path
    style = {"svg.hashsalt": name, "font.size": 10, "font.family": "DejaVu Sans", "figure.facecolor": "white"}
    with matplotlib.rc_context(style):
        figure = import_module(f"docs.figures.{name}").figure()
        figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.1)
    return path
