"""Decide which rounds should be open, and which images each round covers.

At version v, round v is open. With `strategy.pipeline` round v + 1 is open as well: a worker that has finished round v
goes on with round v + 1 at once, while the coordinator collects, steps and publishes. Two things follow:

- Round v + 1 is planned before it is known which units of round v are accepted. The slices that round v leaves over
  wait for round v + 2 (`plan.hold`), so that every image of an epoch is still in exactly one accepted result.
- Its units compute at version v, the newest one, and their gradients are applied to version v + 1.

The cursor in the state of version v is the position before round v. The rest follows from it and from the numbers of
units of the open rounds: a restarted coordinator finds its position in its state and our own rows.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ganns.config import Config
from ganns.db.connect import Connection
from ganns.errors import RunError
from ganns.queue.rescue import SILENT_S
from ganns.store import rounds
from ganns.store.rounds import Unit
from ganns.store.runs import Run
from ganns.training.per_class import choose, is_per_class, num_units
from ganns.training.plan import Cursor, Slice, carry, hold, plan_round
from ganns.training.round_settings import RoundSettings
from ganns.training.state import Progress, TrainingState, finished


@dataclass(frozen=True)
class PlannedRound:
    """A round to open."""

    round: int
    weights_version: int
    quorum: int
    slices: Mapping[int, Slice]  # by unit
    settings: RoundSettings | None  # of `strategy.per_class`


class Choice(NamedTuple):
    """The quorum and the settings of a round, chosen in the transaction that opens it."""

    units: int  # the quorum
    settings: RoundSettings | None = None


@dataclass(frozen=True)
class Scheduler:
    """Plans the rounds of one run."""

    run: Run
    config: Config

    def units_ahead(self, conn: Connection, version: int) -> list[Unit]:
        """Return the units of the round after the version's round; none if it is not open."""
        return rounds.list_units(conn, self.run.id, version + 1) if self.config.strategy.pipeline else []

    def choose(self, conn: Connection, version: int, units: int | None) -> Choice:
        """Return what the round of a version is opened with; in the transaction that opens it.

        Args:
            conn: a connection.
            version: the round's.
            units: an instructor's quorum, which comes before all others.
        """
        if not is_per_class(self.config):
            return Choice(units or self.config.quorum.units)
        present, before = rounds.class_now(conn, self.run.id, version, SILENT_S)
        return Choice(units or num_units(self.config, present), choose(self.config, present, before))

    def cursor_after(
        self,
        before: Progress,
        units: Sequence[Unit],
        done: Container[int],
        num_ahead: int,
        settings: RoundSettings | None = None,
    ) -> Cursor:
        """Return the cursor of the next version.

        Args:
            before: the version whose round ends.
            units: the round's.
            done: units that were accepted or set aside; the images of the others come again.
            num_ahead: number of units of the next round, if it is open already; else 0.
            settings: the round's.

        Raises:
            RunError: if the round covers other images than the cursor says.
        """
        planned, behind = self._plan(before.cursor, len(units), None, settings)
        if planned != [unit.slice for unit in units]:
            raise RunError(
                f"Round {before.version} of run {self.run.id} covers other images than its configuration says: "
                "data, strategy and seed of a run cannot change; start a new run."
            )
        left = [unit.slice for unit in units if unit.unit not in done]
        return hold(behind, left) if num_ahead else carry(behind, left)

    def to_open(self, state: TrainingState, num_ahead: int = 0, choice: Choice | None = None) -> list[PlannedRound]:
        """Return the rounds that should be open at the state's version and are not.

        Args:
            state: where the run stands.
            num_ahead: number of units of the version's round, if it is open already; else 0.
            choice: what `choose` returned; None: it does not matter yet, only whether a round should be open.

        Returns:
            The rounds in order. With `num_ahead` = 0, none means that the run is finished. A round that is open is
            always completed, even if the run's end was moved before it; no round beyond the end is opened.
        """
        progress, spares = state.progress, self.config.quorum.spares
        quorum, settings = choice or Choice(self.config.quorum.units)
        number, cursor, base, planned = progress.version, progress.cursor, state.base_version, []
        if num_ahead:
            _, cursor = self._plan(cursor, num_ahead, None, None)  # a pipeline's rounds have no settings
            number, base = number + 1, number
        while number <= progress.version + self.config.strategy.pipeline:
            if finished(self.config, replace(progress, version=number)):
                break
            slices, cursor = self._plan(cursor, quorum + spares, self.config.stop.epochs, settings)
            if not slices:
                break
            planned.append(PlannedRound(number, base, min(quorum, len(slices)), dict(enumerate(slices)), settings))
            number, base = number + 1, number
        return planned

    def _plan(
        self, cursor: Cursor, num_units: int, epochs: int | None, settings: RoundSettings | None
    ) -> tuple[list[Slice], Cursor]:
        return plan_round(
            cursor,
            num_units,
            num_images=self.run.num_images,
            unit_images=(settings or self.config.strategy).unit_images,
            epochs=epochs,
        )
