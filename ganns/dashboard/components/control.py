"""What an instructor may do with runs and workers."""

from __future__ import annotations

from nicegui.element import Element

from ganns.dashboard.components import HERE, LIVE

ORDERS = {"ganns-orders": str(HERE / "orders")}


class Controls(Element, component="control.js", esm=LIVE | ORDERS):
    """Every open run and every worker that is there, with what can be ordered; the answer is shown in words."""

    def __init__(self, csrf: str, *, may: bool) -> None:
        """Send orders with this session's token; without `may` there are no buttons to press."""
        super().__init__()
        self._props |= {"csrf": csrf, "may": may}
