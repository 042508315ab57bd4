"""Replay a run from one of its rounds on with something changed, and compare the two futures.

Units are deterministic: a unit is a function of (version, images, seed, settings). So a run can be branched at any
version, and computed again in this process with the recorded rounds. Two futures come out of it:

- *as it was*: the run's own. Its losses are recorded. Its weights are those of the unchanged replay, as long as their
  digest is the recorded one; after that, those that were kept.
- *changed*: computed here, with the change.

If nothing is changed, or if only a worker's units are computed here instead, both are equal bit for bit as long as all
results were right and this machine computes the same bits. If a worker lied, they part in the round of its first lie.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ganns.comparison.change import Change
from ganns.comparison.distances import Distances
from ganns.comparison.versions import published_digest, reach, schedule_of
from ganns.config import Config
from ganns.data import ImageSet
from ganns.errors import BadResult, Diverged, RunError
from ganns.store import evaluations, replay, runs
from ganns.store.kept_versions import KeptVersions
from ganns.store.replay import ClosedRound
from ganns.training.aggregation import build_totals
from ganns.training.round_settings import RecordedRound
from ganns.training.solo import train_recorded
from ganns.training.state import TrainingState

NUM_MEASURED = 5
"""Versions at which the distance to real images is measured, the last one among them."""
NUM_ROWS = 12
"""Versions in a table."""
USED_UP = "all recorded units are used up"
Tensors = dict[str, torch.Tensor]


@dataclass
class Replay:
    """The two futures of a run."""

    version: int  # at which they part
    change: Change
    num_units: tuple[int, int]  # of those who are left out, and of all
    # One a version: "version"; "as_it_was" and "changed", the metrics of both; "equal", whether the weights are; and
    # where they are known "distance" and "of_the_way" (`apart`) and "from_unchanged_replay", a distance, too
    rows: list[dict[str, Any]] = field(default_factory=list)
    ended: str = ""  # why the changed future ended early
    was: TrainingState | None = None  # the last version as it was, if its weights are known
    changed: TrainingState | None = None  # the last version of the changed future

    @property
    def equal_until(self) -> int:
        """The last version up to which both futures have the same weights, bit for bit."""
        return max((row["version"] for row in self._first_equal()), default=self.version)

    def _first_equal(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            if not row["equal"]:
                return
            yield row

    def some_rows(self) -> list[dict[str, Any]]:
        """Return at most `NUM_ROWS` of the versions, spread evenly, the last one among them."""
        step = -(-len(self.rows) // NUM_ROWS)
        return self.rows[(len(self.rows) - 1) % step :: step]

    def sentences(self) -> list[str]:
        """Say what came out of it."""
        of, units = self.num_units
        done = "left out" if self.change.drop else "computed here"
        lines = [f"{of} of {units} accepted units are theirs, and were {done}"] if self.change.without else []
        lines += [f"the changed future ended early: {self.ended}"] if self.ended else []
        last = self.rows[-1]["version"]
        if self.equal_until == last:
            return [*lines, f"both futures have the same weights, bit for bit, up to version {last}"]
        if not self.change.computes_otherwise:
            lines.append(
                f"from version {self.equal_until + 1} on, this machine computes other weights than the run had: "
                f"another kind of machine computed a unit of round {self.equal_until}, or its result was wrong"
            )
        return [*lines, *self._how_far()]

    def _how_far(self) -> list[str]:
        """Say how far the two futures are apart at the last version where it is known."""
        known = [row for row in self.rows if "of_the_way" in row]
        others = [row for row in self.rows if "from_unchanged_replay" in row]
        lines = []
        if known:
            row = known[-1]
            lines.append(
                f"at version {row['version']} the two futures are {row['distance']:.2g} apart, which is "
                f"{row['of_the_way']:.0%} of the way that the weights went since version {self.version}"
            )
        else:
            lines.append(
                "how far the two futures are apart is not known, since no state of the run after that was kept: set "
                "db.keep_state_every"
            )
        if others and (not known or others[-1] is not known[-1]):
            apart = others[-1]["from_unchanged_replay"]
            lines.append(f"from a replay without changes the changed one is {apart:.2g} away at the end")
        return lines


class Future:
    """One future, computed round by round in this process (or by workers: `ganns/launch/replay_workers.py`)."""

    def __init__(self, state: TrainingState, schedule: list[RecordedRound], rounds: Iterator[dict[str, float]]) -> None:
        """Begin at a state.

        Args:
            state: it advances with each step.
            schedule: the rounds to compute.
            rounds: yields the metrics of each round, when the state has advanced.
        """
        self.state = state
        self.ended = "" if schedule else USED_UP
        self._rounds = rounds

    def step(self) -> dict[str, float] | None:
        """Compute the next version, and return its metrics; None if there is none."""
        if self.ended:
            return None
        try:
            found = next(self._rounds, None)
        except (BadResult, Diverged) as error:  # not finite, or above aggregate.max_norm
            self.ended = f"the model broke in round {self.state.progress.version}: {error}"
            return None
        if found is None:
            self.ended = USED_UP
        elif not all(bool(value.isfinite().all()) for value in self.state.weights().values()):
            self.ended = f"the model broke: version {self.state.progress.version} has weights that are not finite"
        return found


Begin = Callable[[Config, ImageSet, TrainingState, list[RecordedRound]], Future]
"""Returns the future of a state, by the configuration, the images, and the recorded rounds."""


def begin_here(config: Config, images: ImageSet, state: TrainingState, schedule: list[RecordedRound]) -> Future:
    """Return a future that this process computes."""
    return Future(state, schedule, train_recorded(config, images, state, schedule))


def compare_futures(
    kept: KeptVersions,
    images: ImageSet,
    version: int,
    num_rounds: int,
    change: Change,
    say: Callable[[str], None] = lambda text: None,
    begin: Begin = begin_here,
) -> Replay:
    """Replay `num_rounds` rounds from a version on, with the change, and compare them with the run's.

    `begin` says who computes the units: this process, or workers.

    Raises:
        RunError: if the version cannot be had, or no round follows it.
        ConfigError: for a change that cannot be.
    """
    run, config, conn = kept.run, kept.config, kept.conn
    changed_config = change.config(config)
    build_totals(changed_config.aggregate)  # a rule that is not there is refused before anything is computed
    rounds = replayable(kept, version, num_rounds)
    changed_schedule = change.schedule(rounds)
    state = reach(kept, images, version, say)
    start = copied(state.weights())
    other = branched(state, changed_config) if change.computes_otherwise else state
    plain = begin(config, images, state, schedule_of(rounds))
    changed = plain if other is state else begin(changed_config, images, other, changed_schedule)

    found = Replay(version, change, change.num_units(rounds))
    recorded = {row["round"] + 1: row for row in runs.list_metrics(conn, run.id)}
    evaluated = {row["version"]: row["metrics"] for row in evaluations.list_evaluations(conn, run.id)}
    digests = replay.list_digests(conn, run.id, version, version + num_rounds)
    numbers, meter = kept.numbers(), Distances()
    meter.use(config, images)
    num_steps = max(len(rounds), len(changed_schedule))
    measured = {version + round(num_steps * (k + 1) / NUM_MEASURED) for k in range(NUM_MEASURED)}
    for now in range(version + 1, version + num_steps + 1):
        plain_metrics = plain.step()
        metrics = plain_metrics if changed is plain else changed.step()
        if metrics is None and plain_metrics is None:
            break
        was = plain.state if plain_metrics and published_digest(plain.state) == digests.get(now) else None
        if was is None and now in numbers:
            was = kept.load(now)
        row: dict[str, Any] = {
            "version": now,
            "as_it_was": _recorded(recorded.get(now)) | _pick(evaluated.get(now, {}), "fid"),
            "changed": {} if metrics is None else {k: v for k, v in metrics.items() if k != "round"},
            "equal": bool(metrics) and published_digest(changed.state) == digests.get(now),
        }
        if metrics and was is not None:
            row |= apart(was.weights(), changed.state.weights(), start)
        if metrics and plain_metrics and changed is not plain:
            row["from_unchanged_replay"] = _distance(plain.state.weights(), changed.state.weights())
        if now in measured:
            row["as_it_was"]["swd"] = None if was is None else meter.measure(was)
            row["changed"]["swd"] = meter.measure(changed.state) if metrics else None
            say(f"version {now} of {version + num_steps}")
        found.rows.append(row)
        found.was, found.changed = was, changed.state
    found.ended = changed.ended
    if not found.rows:
        raise RunError(f"No round of run {run.id} could be replayed from version {version} on: {found.ended}.")
    return found


def replayable(kept: KeptVersions, version: int, num_rounds: int) -> dict[int, ClosedRound]:
    """Return at most `num_rounds` rounds from a version on; they end where the run went back.

    Raises:
        RunError: if there is none.
    """
    kept.require(version)
    rounds = replay.list_rounds(kept.conn, kept.run.id, version, version + num_rounds)
    gap = next((n for n, one in rounds.items() if not one.units), version + num_rounds)
    if version not in rounds or gap == version:
        raise RunError(f"No round of run {kept.run.id} that could be replayed follows version {version}.")
    return {n: one for n, one in rounds.items() if n < gap}


def _recorded(row: dict[str, Any] | None) -> dict[str, Any]:
    """Return a recorded round's images and losses."""
    return {} if row is None else {"images": row["images"], **row["metrics"]}


def _pick(metrics: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: metrics[name] for name in names if name in metrics}


def apart(was: Tensors, changed: Tensors, start: Tensors) -> dict[str, float]:
    """Return the distance between two futures' weights.

    Returns:
        "distance": relative, L2, of G's and D's weights together; "of_the_way": divided by the distance from the
        version where they parted to the one as it was. At 1 the change matters as much as all that was learned since.
    """
    apart, moved = _distance(was, changed), _distance(was, start)
    return {"distance": apart, "of_the_way": apart / moved if moved else math.nan}


def _distance(a: Tensors, b: Tensors) -> float:
    """Return |a - b| / |a|, over all tensors together."""
    apart = torch.stack([(value.detach() - b[name].detach()).double().norm() for name, value in a.items()]).norm()
    return float(apart / torch.stack([value.detach().double().norm() for value in a.values()]).norm().clamp_min(1e-30))


def copied(weights: Tensors) -> Tensors:
    """Return weights that stay as they are."""
    return {name: value.detach().clone() for name, value in weights.items()}


def branched(state: TrainingState, config: Config) -> TrainingState:
    """Return a copy of a state, with which a changed configuration goes on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        state.save(path)
        return TrainingState.from_bytes(config, path.read_bytes())
