"""A table of the settings in which runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganns.config_diff import differing, flat, shown_in
from ganns.monitor.redact import redact


def table(configs: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return (key, its value in each run) for each setting that is not the same in all runs; values as they are typed.

    Args:
        configs: the configurations that are stored with the runs.
    """
    settings = [flat(redact(config)) for config in configs]
    return [(key, [shown_in(one, key) for one in settings]) for key in differing(settings) if key != "name"]
