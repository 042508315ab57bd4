"""How large what a browser asks for may be: PostgreSQL refuses other numbers, which would look like a fault."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

Number = Annotated[int, Path(ge=0, le=2**63 - 1)]
"""Of a run."""
Version = Annotated[int, Path(ge=0, le=2**31 - 1)]
"""Of a model, or a round."""
