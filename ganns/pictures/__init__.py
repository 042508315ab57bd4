"""Grids, plots and animations as files."""

from __future__ import annotations

from ganns.pictures.grid import save_grid

__all__ = ["save_grid"]
