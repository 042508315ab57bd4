"""What `join` shows below its cell: a few lines that are kept up to date, and the newest grid of samples."""

from __future__ import annotations

import base64
import importlib
from html import escape
from typing import Any

from ganns.notebook.look import Seen


class Panel:
    """Two displays of a notebook: text, which changes all the time, and a picture, which seldom does."""

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

    def show(self, seen: Seen, worker: str) -> None:
        """Show one look, and what the worker said last."""
        self._shown = [*lines(seen), f"your worker: {worker}"]
        self._render()
        if seen.run is not None and seen.sample is not None and self._version != (seen.run["run"], seen.sample[0]):
            self._version = seen.run["run"], seen.sample[0]
            self._picture.update(self._html(picture(*seen.sample)))

    def _render(self) -> None:
        # Names come from others: they are text.
        rows = "".join(f"<div>{escape(line)}</div>" for line in [*self._said, *self._shown])
        self._text.update(self._html(rows))


def lines(seen: Seen) -> list[str]:
    """Return what a look says, a line a subject."""
    if seen.trouble:
        return [seen.trouble]
    if seen.run is None:
        return ["no run yet: it starts when your instructor types `ganns train`"]
    run = seen.run
    parts = [f"run {run['run']} ({run['name']}), {run['state']}, version {run['version']:,}"]
    if run["images_per_s"]:
        parts.append(f"{run['images_per_s']:,.1f} images/s by {run['workers_alive']} worker(s)")
    parts += [f"{name} {value:.3g}" for name, value in seen.losses.items() if value is not None]
    mine = [f"you: {seen.units:,} unit(s), {seen.images:,} images"]
    if seen.images_per_s:
        mine.append(f"{seen.images_per_s:.1f} images/s")
    return [" · ".join(parts), " · ".join(mine)]


def picture(version: int, webp: bytes) -> str:
    """Return HTML that holds the picture itself: nothing is fetched from anywhere."""
    data = base64.b64encode(webp).decode("ascii")
    image = f'<img alt="samples of version {version}" src="data:image/webp;base64,{data}" style="max-width: 100%">'
    return f"<figure>{image}<figcaption>samples of version {version:,}</figcaption></figure>"
