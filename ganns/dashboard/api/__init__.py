"""Addresses that answer with data, not with a page.

    live.py     a WebSocket with the messages of the watcher
    samples.py  the grids of samples
    drawn.py    faces of chosen attributes, walks between faces, and answers of D
    orders.py   the instructor's orders

The types here limit numbers in an address: PostgreSQL refuses larger ones, and that would look like a fault.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

Number = Annotated[int, Path(ge=0, le=2**63 - 1)]
"""The number of a run."""
Version = Annotated[int, Path(ge=0, le=2**31 - 1)]
"""A version, or a round."""
