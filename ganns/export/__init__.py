"""Hand out a trained model: a model file, ONNX, a folder with a card, a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganns.export.model import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Import `load` when it is first used: it needs torch, which `ganns timelapse` and others do without."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ganns.export.model import load

    return load
