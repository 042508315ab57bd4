"""The instructor's controls: orders to runs and workers, and the failure lab."""

from __future__ import annotations

from ganns.dashboard.components import Component
from ganns.dashboard.lab.actions import MAX_DELAY_MS, MAX_WORKERS
from ganns.dashboard.lab.harms import HARMS


class Controls(Component, component="instructor.js"):
    """All open runs and all connected workers, with buttons for orders; the answers are shown in words."""

    def __init__(self, csrf: str, *, may: bool) -> None:
        """Send orders with this session's token; without `may`, the buttons are disabled."""
        super().__init__(csrf=csrf, may=may)


class LabControls(Component, component="failure_lab.js"):
    """The failure lab: its workers, the harms, the actions so far, and the reaction of the class."""

    def __init__(self, csrf: str, *, can_restart: bool) -> None:
        """Send orders with this session's token; with `can_restart`, the database may be restarted."""
        harms = [
            {"key": key, "title": one.title, "button": one.button, "text": one.text, "is_harm": one.is_harm}
            for key, one in HARMS.items()
        ]
        super().__init__(csrf=csrf, canRestart=can_restart, harms=harms, most=MAX_WORKERS, longest=MAX_DELAY_MS)


class Vote(Component, component="vote.js"):
    """The vote of the class about a failure, for phones: two questions, and afterwards what happened."""
