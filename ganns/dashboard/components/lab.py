"""The bench of the failure lab."""

from __future__ import annotations

from nicegui.element import Element

from ganns.dashboard.components import LIVE
from ganns.dashboard.components.control import ORDERS
from ganns.dashboard.lab.harms import HARMS
from ganns.dashboard.lab.lab import MAX_DELAY_MS, MAX_WORKERS


class LabBench(Element, component="lab.js", esm=LIVE | ORDERS):
    """The lab's workers, what can be done to them, what was done, and what the class made of it."""

    def __init__(self, csrf: str, *, can_restart: bool) -> None:
        """Send orders with this session's token; `can_restart`: whether the database may be restarted."""
        super().__init__()
        harms = [{"key": key, "title": one.title, "button": one.button, "text": one.text} for key, one in HARMS.items()]
        self._props |= {
            "csrf": csrf,
            "can-restart": can_restart,
            "harms": harms,
            "most": MAX_WORKERS,
            "longest": MAX_DELAY_MS,
        }
