"""The exercises that a learner has begun and done, in a small file below GANNS_HOME."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from ganns import paths
from ganns.utils.atomic import write_text


def load() -> dict[str, dict[str, Any]]:
    """Return {"1": {"file": the learner's file, "done": the day or None}}; ignore a damaged file."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {number: entry for number, entry in found.items() if isinstance(entry, dict)} if type(found) is dict else {}


def begin(number: int, file: Path) -> None:
    """Record the learner's file for an exercise."""
    _change(number, file=str(file.resolve()))


def finish(number: int, file: Path) -> None:
    """Record that an exercise is done. It stays done, even if a later check fails."""
    _change(number, file=str(file.resolve()), done=date.today().isoformat())


def _change(number: int, **values: str) -> None:
    everything = load()
    everything.setdefault(str(number), {"done": None}).update(values)
    write_text(_path(), json.dumps(everything, indent=2) + "\n")


def _path() -> Path:
    return paths.home() / "exercises.json"
