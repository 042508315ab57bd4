"""Which version is the best: the one with the smallest FID, or with the smallest `swd` where there is no FID.

FID comes first, since people judge as it does: the features know hair, glasses and a smile, while `swd` compares small
patches of pixels, and hardly sees that two halves of a face do not belong together. Distances of different kinds are
never compared with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

DISTANCES = ("fid", "swd")
"""The distances that can judge, the most important one first; of each the smaller value is better."""


def measure(evaluated: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the most important distance that all of these metrics have; None if they share none, or are none."""
    found = list(evaluated)
    return next((name for name in DISTANCES if found and all(one.get(name) is not None for one in found)), None)


def is_better(metrics: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    """Tell whether a version with `metrics` is better than another; of two equal ones neither is."""
    name = measure([metrics, than])
    return name is not None and bool(metrics[name] < than[name])


def best(evaluations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the evaluation, with its "metrics", of the best version; of equal ones the first; None if there is none.

    An evaluation without any distance is left out. If only some have an FID, `swd` judges them all.
    """
    judged = [one for one in evaluations if measure([one["metrics"]])]
    name = measure(one["metrics"] for one in judged)
    return None if name is None else min(judged, key=lambda one: one["metrics"][name])


def distance(metrics: Mapping[str, Any]) -> float | None:
    """Return the distance that judges a version; None if it has none."""
    name = measure([metrics])
    return None if name is None else float(metrics[name])
