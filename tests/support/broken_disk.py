"""The tasks' app, in a worker whose disk gives errors: it hands back each unit that it takes."""

from __future__ import annotations

import importlib
from typing import NoReturn

from tasks import app

__all__ = ["app"]


def _fail(*_: object) -> NoReturn:
    raise OSError(5, "Input/output error, as injected")


importlib.import_module("tasks.gradient")._compute = _fail  # type: ignore[attr-defined]
