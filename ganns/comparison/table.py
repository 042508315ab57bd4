"""Compare runs: their different settings, their results, and the best settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganns.config_diff import differing, flat, label, short, shown_in
from ganns.db.connect import Connection
from ganns.evaluation.ranking import DISTANCES, best, measure
from ganns.store import evaluations, runs
from ganns.store.runs import Run
from ganns.utils.console import cells

if TYPE_CHECKING:
    from rich.console import Console

NUM_COLUMNS = 6  # of settings that differ, in a table; more would not fit on a screen
SHOWN = (*DISTANCES, "precision", "recall")
"""Numbers of each run's best version."""


@dataclass(frozen=True)
class Record:
    """A run with its metrics and evaluations."""

    run: Run
    metrics: list[dict[str, Any]]  # one per round: round, images, seconds, metrics
    evaluations: list[dict[str, Any]] = field(default_factory=list)  # version, metrics

    @property
    def settings(self) -> dict[str, Any]:
        """The run's settings by dotted key."""
        return flat(self.run.config)

    @property
    def seconds(self) -> float:
        """The run's time of training."""
        return float(self.metrics[-1]["seconds"]) if self.metrics else 0.0

    def best(self) -> Mapping[str, Any] | None:
        """Return the evaluation of the best version, with its "version" and "metrics"; None if none was evaluated."""
        return best(self.evaluations)


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed."""

    label: str
    records: list[Record]


def load(conn: Connection, run_id: int) -> Record:
    """Return a run with its metrics and evaluations."""
    return Record(
        runs.get_run(conn, run_id), runs.list_metrics(conn, run_id), evaluations.list_evaluations(conn, run_id)
    )


def groups(records: Sequence[Record]) -> list[Group]:
    """Group the runs that differ only in their seed, in the order of each group's first run."""
    keys = [key for key in differing([one.settings for one in records]) if key not in ("seed", "name")]
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(label(record.settings, keys), []).append(record)
    return [Group(name, members) for name, members in found.items()]


def in_order(records: Sequence[Record]) -> list[Record]:
    """Return the runs sorted by group (see `groups`), then by seed."""
    return [
        one for group in groups(records) for one in sorted(group.records, key=lambda one: one.settings.get("seed", 0))
    ]


def show(
    console: Console,
    records: Sequence[Record],
    states: Mapping[int, str] | None = None,
    distances: Mapping[int, float] | None = None,
) -> None:
    """Print a table of the runs.

    Args:
        console: where to print.
        records: the runs, in the order of the rows.
        states: the state to show for a run; without it the state in the database.
        distances: the sliced Wasserstein distance of a run's last checkpoint, if it was measured.
    """
    from rich.table import Table

    keys = differing([one.settings for one in records])
    table = Table("run", *short(keys)[:NUM_COLUMNS], "state", "rounds", "images", "time", "loss D", "loss G")
    measured = distances or {}
    if measured:
        table.add_column("last swd", justify="right")
    bests = {one.run.id: one.best() for one in records}
    shown = [name for name in SHOWN if any(found and name in found["metrics"] for found in bests.values())]
    for column in ["best", *shown] if shown else []:
        table.add_column(column, justify="right")
    for one in records:
        last, found = (one.metrics[-1]["metrics"] if one.metrics else {}), bests[one.run.id]
        distance = measured.get(one.run.id)
        row = cells(
            one.run.id,
            *(shown_in(one.settings, key) for key in keys[:NUM_COLUMNS]),
            (states or {}).get(one.run.id, one.run.state),
            one.run.version,
            f"{one.run.images:,}",
            f"{one.seconds:.0f} s",
            *(f"{last[key]:.3f}" if key in last else "-" for key in ("d_loss", "g_loss")),
            *([f"{distance:.1f}" if distance is not None else "-"] if measured else []),
            *([f"version {found['version']}" if found else "-"] if shown else []),
            *(f"{found['metrics'][name]:.3g}" if found and name in found["metrics"] else "-" for name in shown),
        )
        table.add_row(*row)
    console.print(table)
    if len(keys) > NUM_COLUMNS:
        console.print(f"they differ in {', '.join(keys[NUM_COLUMNS:])} too", markup=False, highlight=False)


def verdict(found: Sequence[Group], distances: Mapping[int, float]) -> list[str]:
    """Return lines that rank the settings, the best first, and say whether the seeds show a difference.

    Args:
        found: the settings.
        distances: the `swd` of runs' last checkpoints. It ranks the settings where not every run has an FID; else the
            FIDs of the runs' best versions do.
    """
    bests = {one.run.id: one.best() for group in found for one in group.records}
    name = "swd"
    if measure(one["metrics"] if one else {} for one in bests.values()) == "fid":
        name, distances = "best fid", {run: one["metrics"]["fid"] for run, one in bests.items() if one}
    ranked = []
    for group in found:
        values = [distances[one.run.id] for one in group.records if one.run.id in distances]
        if values:
            ranked.append((sum(values) / len(values), min(values), max(values), len(values), group.label))
    if len(ranked) < 2:
        return []
    ranked.sort()
    lines = [
        f"{mean:8.1f}   {low:.1f} to {high:.1f} over {num} seed(s)   {name}" for mean, low, high, num, name in ranked
    ]
    first, second = ranked[0], ranked[1]
    if first[3] < 2 or second[3] < 2:
        lines.append("One seed tells little: with seed=0,1,2 the table shows how much is chance.")
    elif first[2] >= second[1]:
        lines.append("The best two overlap: with this spread over the seeds there is no clear difference.")
    else:
        lines.append("The best one's worst seed is better than the next one's best.")
    return [f"mean {name} of each setting (lower is better):", *lines]
