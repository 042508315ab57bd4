"""The output of `join` below its cell: a few lines that are kept up to date, and the newest grid of samples."""

from __future__ import annotations

import base64
import importlib
from html import escape
from typing import Any

from ganns.notebook.class_view import ClassView
from ganns.utils.printable import printable


class Panel:
    """Two displays in a notebook: a text, which changes often, and a picture, which changes seldom."""

    def __init__(self) -> None:
        """Open both, empty."""
        ipython: Any = importlib.import_module("IPython.display")
        self._html = ipython.HTML
        self._text = ipython.display(self._html("joining"), display_id=True)
        self._picture = ipython.display(self._html(" "), display_id=True)
        self._said: list[str] = []
        self._shown: list[str] = []
        self._version: tuple[int, int] | None = None

    def say(self, text: str) -> None:
        """Add a line that stays."""
        self._said = [*self._said, text]
        self._render()

    def show(self, view: ClassView, worker: str) -> None:
        """Show the state of the class, and the worker's last line."""
        self._shown = [*lines(view), f"your worker: {worker}"]
        self._render()
        if view.run is not None and view.sample is not None and self._version != (view.run["run"], view.sample[0]):
            self._version = view.run["run"], view.sample[0]
            self._picture.update(self._html(picture(*view.sample)))

    def _render(self) -> None:
        # Other people choose names: never treat them as HTML.
        rows = "".join(f"<div>{escape(printable(line))}</div>" for line in [*self._said, *self._shown])
        self._text.update(self._html(rows))


def lines(view: ClassView) -> list[str]:
    """Return the state as text: one line about the run, one about this name's contribution."""
    if view.trouble:
        return [view.trouble]
    if view.run is None:
        return ["no run yet: it starts when your instructor types `ganns train`"]
    run = view.run
    parts = [f"run {run['run']} ({run['name']}), {run['state']}, version {run['version']:,}"]
    if run["images_per_s"]:
        parts.append(f"{run['images_per_s']:,.1f} images/s by {run['workers_alive']} worker(s)")
    parts += [f"{name} {value:.3g}" for name, value in view.losses.items() if value is not None]
    mine = [f"you: {view.units:,} unit(s), {view.images:,} images"]
    if view.images_per_s:
        mine.append(f"{view.images_per_s:.1f} images/s")
    return [" · ".join(parts), " · ".join(mine)]


def picture(version: int, webp: bytes) -> str:
    """Return HTML with the picture's bytes in it: the browser fetches nothing."""
    data = base64.b64encode(webp).decode("ascii")
    image = f'<img alt="samples of version {version}" src="data:image/webp;base64,{data}" style="max-width: 100%">'
    return f"<figure>{image}<figcaption>samples of version {version:,}</figcaption></figure>"
