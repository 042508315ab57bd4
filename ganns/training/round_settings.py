"""The settings of one round, as its row in the database has them: all that its units follow from.

With `strategy.per_class` each round's row has settings of its own (`per_class.py` chooses them); the learning rates can
also fall with the number of the round. Everybody who computes in a round asks `in_round` for its configuration: the
workers, the checks of their results, audits, a coordinator that goes on after a crash, and `ganns solo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ganns.config import Config
from ganns.training.plan import Slice


@dataclass(frozen=True)
class RoundSettings:
    """The settings in a round's row, which replace those of the run's configuration."""

    class_size: int  # the row of the table
    unit_images: int
    micro_batch: int
    lr_g: float
    lr_d: float


@dataclass(frozen=True)
class RecordedRound:
    """A round as the database has recorded it: all that its version follows from, besides the version before."""

    settings: RoundSettings | None  # None: the run's own
    slices: dict[int, Slice]  # of the accepted units, by their number


def in_round(config: Config, settings: RoundSettings | None, number: int) -> Config:
    """Return a run's configuration in one of its rounds: with the round's settings, if it has any, and with its rates.

    With `optimizer.decay_rounds` the rates fall as 1 / (1 + r / decay_rounds): they are a half after that many rounds,
    a quarter after three times as many. Such rates (Robbins and Monro 1951) need not know how long the run will be.
    """
    optimizer, strategy = config.optimizer, config.strategy
    if settings is not None:
        optimizer = replace(optimizer, lr_g=settings.lr_g, lr_d=settings.lr_d)
        strategy = replace(strategy, unit_images=settings.unit_images, micro_batch=settings.micro_batch)
    if optimizer.decay_rounds is not None:
        share = 1 / (1 + number / optimizer.decay_rounds)
        optimizer = replace(optimizer, lr_g=share * optimizer.lr_g, lr_d=share * optimizer.lr_d)
    return config if optimizer is config.optimizer else replace(config, strategy=strategy, optimizer=optimizer)


COLUMNS = tuple(field.name for field in fields(RoundSettings))


def from_columns(row: Mapping[str, Any]) -> RoundSettings | None:
    """Return the settings in a round's row; None if it has none. The table checks their types and ranges."""
    return None if row["class_size"] is None else RoundSettings(**{name: row[name] for name in COLUMNS})


def to_columns(settings: RoundSettings | None) -> dict[str, Any]:
    """Return the columns of a round's row, the inverse of `from_columns`."""
    return dict.fromkeys(COLUMNS) if settings is None else asdict(settings)
