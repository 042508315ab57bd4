"""The results of a run: its newest state, and the facts that a model card needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ganns.config import from_dict
from ganns.db.connect import Connection
from ganns.errors import RunError
from ganns.store import evaluations, runs, weights
from ganns.store.results import worker_totals
from ganns.store.runs import Run
from ganns.training.state import TrainingState


@dataclass(frozen=True)
class Contributor:
    """The work of one person's workers for a run."""

    name: str
    units: int  # accepted
    images: int  # in these units
    late: int


@dataclass(frozen=True)
class Facts:
    """The facts about a run, without its weights."""

    run_id: int | None  # None: trained with `ganns solo`, or not known
    name: str = ""
    fingerprint: str = ""  # of the images
    num_images: int = 0  # to train on
    metrics: dict[str, float] = field(default_factory=dict)  # of the exported version's round
    contributors: Sequence[Contributor] = ()


def read_state(conn: Connection, run: Run, *, best: bool = False) -> TrainingState:
    """Return the state of a run's newest checkpoint, or of the best version that was evaluated.

    Raises:
        RunError: if there is none yet.
    """
    found = weights.best_checkpoint(conn, run.id) if best else weights.latest_checkpoint(conn, run.id)
    if found is None and best:
        raise RunError(
            f"No version of run {run.id} was evaluated yet, so none is known to be the best: leave --best out."
        )
    if found is None:
        raise RunError(
            f"Run {run.id} has no checkpoint yet: one is stored every db.checkpoint_s seconds and at the end. "
            "Try again in a minute."
        )
    _, digest, data = found
    return TrainingState.from_bytes(from_dict(run.config), data, digest)


def read_facts(conn: Connection, run: Run, version: int) -> Facts:
    """Return the facts about a run for its `version`."""
    measured = {row["round"] + 1: row["metrics"] for row in runs.list_metrics(conn, run.id)}
    evaluated = {row["version"]: row["metrics"] for row in evaluations.list_evaluations(conn, run.id)}
    return Facts(
        run.id,
        run.name,
        run.fingerprint,
        run.num_images,
        measured.get(version, {}) | evaluated.get(version, {}),
        merge(
            Contributor(row["name"], int(row["units"]), int(row["images"]), int(row["late"]))
            for row in worker_totals(conn, run.id)
        ),
    )


def merge(found: Iterable[Contributor]) -> list[Contributor]:
    """Add up contributors with the same name before the @, most images first.

    A worker without a given name is called user@machine: published names must not show machines.
    """
    totals: dict[str, Contributor] = {}
    for one in found:
        name = one.name.partition("@")[0] or "unknown"
        old = totals.get(name, Contributor(name, 0, 0, 0))
        totals[name] = Contributor(name, old.units + one.units, old.images + one.images, old.late + one.late)
    return sorted(totals.values(), key=lambda one: (-one.images, one.name))
