"""Export a trained model: a model file, ONNX, a folder with a card, a hub."""

from __future__ import annotations

from ganns.export.model import load

__all__ = ["load"]
