"""One person: how it stands, and what it did before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui.element import Element

from ganns.dashboard.components.leaderboard import PEOPLE


class Person(Element, component="person.js", esm=PEOPLE):
    """A name's standing in a run, as it changes, and its history."""

    def __init__(self, history: Mapping[str, Any], run: int) -> None:
        """Show what `look_at_person` returned, and the standing in `run`, which the page must watch."""
        super().__init__()
        self._props |= {"history": dict(history), "run": run}
