"""Settings that follow the number of workers: the rule behind `strategy.per_class`.

The transaction that opens a round counts the workers that are present, chooses the round's settings with `choose`, and
writes them into the round's row. Everybody reads them only from there: the workers, the checks of their results, a
coordinator that goes on after a crash, and `ganns solo --schedule RUN`. So a unit is a function of (version, images,
seed, the settings in its round's row), and the run can be computed again bit for bit.

The rule:

- *A unit for each worker that is present.* No worker waits for another one's second unit.
- *Small steps.* A GAN needs many steps, and a step of 8 images costs little more than one of 4.
- *Short units for more than one worker.* The workers' networks move apart within a unit. A worker alone has nothing to
  average, so its units are long.
- *The same rates for every class.* The mean of n changes has an n-th of the noise, so one expects that rates may grow
  with n. They may not: by the root of n, the beginning was a little faster, and all that came after much slower (three
  seeds, docs/explain/strategies.md). A row can have another factor, `rate`.

The table has one row for each doubling. Workers come and go: a laptop sleeps, a second worker is started. So the
settings go up as soon as the class is large enough for the next row, but go down only when more than a third of a row's
workers are missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganns.config import Config, LocalStepsStrategy
from ganns.training.round_settings import RoundSettings


@dataclass(frozen=True)
class Row:
    """The settings of a class of `size` workers or more; `rate` multiplies the run's own learning rates."""

    size: int
    micro_batch: int
    steps: int  # of a unit
    rate: float


TABLE = (
    Row(size=1, micro_batch=8, steps=32, rate=1.0),
    Row(size=2, micro_batch=8, steps=16, rate=1.0),
    Row(size=4, micro_batch=8, steps=16, rate=1.0),
    Row(size=8, micro_batch=8, steps=16, rate=1.0),
    Row(size=16, micro_batch=8, steps=16, rate=1.0),
)
STAYS = 2 / 3
"""The settings of a class stay while this share of its size is present."""


def is_per_class(config: Config) -> bool:
    """Tell whether each round of a run has settings of its own."""
    return isinstance(config.strategy, LocalStepsStrategy) and config.strategy.per_class


def choose(config: Config, num_present: int, before: RoundSettings | None = None) -> RoundSettings:
    """Return the settings of the next round.

    Args:
        config: the run's.
        num_present: number of workers that would compute the round; 0: nobody has come yet, and a class of
            `quorum.units` is expected.
        before: the settings of the round before; None: there is none.
    """
    num_present = num_units(config, num_present)
    row = max((row for row in TABLE if row.size <= num_present), key=lambda row: row.size)
    if before is not None and row.size < before.class_size and num_present >= STAYS * before.class_size:
        return before
    rates = config.optimizer
    return RoundSettings(
        row.size, row.steps * row.micro_batch, row.micro_batch, row.rate * rates.lr_g, row.rate * rates.lr_d
    )


def num_units(config: Config, num_present: int) -> int:
    """Return the number of units of a round: one for each worker that is present, or for each that is expected."""
    return num_present or config.quorum.units
