"""A recording of the transaction microscope, which plays: lanes, and what is known about the present moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.dashboard.components import Component


class Microscope(Component, component="microscope.js"):
    """The lanes with their buttons, and the panel of the present moment."""

    def __init__(
        self, sessions: Sequence[str], moments: Sequence[Mapping[str, Any]], pictures: Mapping[str, str], verdict: str
    ) -> None:
        """Show a recording.

        Args:
            sessions: the names.
            moments: {sentence, details, rows, name} for each moment.
            pictures: the lanes as our own SVG, {wide, narrow}; what appears at a moment has its number as `data-tick`.
            verdict: whether the promise held.
        """
        super().__init__(sessions=list(sessions), moments=list(moments), pictures=dict(pictures), verdict=verdict)
