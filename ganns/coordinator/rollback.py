"""Go back to the last good version when the model has diverged: once a run, or after those who broke it are left out.

Versions are still counted up, and none is undone. The open round closes without accepted results, and its images come
again; the new version has the weights, moments and statistics of an earlier good one, but the run's own position in the
epochs. So rounds, noise and images differ from those with which the model diverged, and the credit stays correct. It is
one transaction, as for any round: after a kill the run has gone back completely, or not at all.

Those whose results broke the model (`blame.py`) get no more units of the run, as long as others remain; then it may go
back another time. Only when there is no one left to blame, it is given up.

With `strategy.pipeline` the next round is open as well, and its units are being computed at weights that may be bad.
It stays open, with the same images, but is computed again at the good weights.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import NamedTuple

import torch

from ganns.config import Config
from ganns.coordinator.blame import Blame
from ganns.coordinator.publisher import Publisher
from ganns.coordinator.scheduler import Scheduler
from ganns.db.connect import Connection
from ganns.errors import Diverged, LeaseLost, PayloadError
from ganns.queue.commands import revoke_unlocked
from ganns.store import evaluations, exclusions, results, rounds, runs, weights
from ganns.store.exclusions import Kind, Subject
from ganns.training.state import Progress, TrainingState

WENT_BACK_TO = "went_back_to"
"""The only metric of a round that went back: the version of the weights."""


class Return(NamedTuple):
    """The outcome of `go_back`."""

    goes_on: bool
    size: int  # of the weights, in bytes
    version: int  # the good one
    blamed: dict[Subject, str]  # who is left out from now on, and why


def is_finite(tensors: Iterable[torch.Tensor]) -> bool:
    """Tell whether all numbers, and the sum of their squares, are finite."""
    norms = torch._foreach_norm([tensor.detach().float() for tensor in tensors])
    return bool(torch.stack(list(norms)).isfinite().all())


def require_finite(state: TrainingState) -> None:
    """Check the networks of a new version.

    Raises:
        Diverged: if a weight or a statistic is not finite.
    """
    for role, network in state.networks.items():
        if not is_finite(value for value in network.state_dict().values() if value.is_floating_point()):
            raise Diverged(
                f"The step to version {state.progress.version} made weights of {role.upper()} that are not finite. "
                "Try a smaller optimizer.lr_d or optimizer.lr_g in a new run."
            )


def last_good(conn: Connection, run_id: int, config: Config) -> TrainingState:
    """Return the state to go back to: the best version, else the newest checkpoint, else version 0.

    The best one comes first, since it was measured to be good. A checkpoint from shortly before may be bad already,
    although its numbers are finite.
    """
    for find in (weights.best_checkpoint, weights.latest_checkpoint):
        if (found := find(conn, run_id)) is not None:
            try:
                state = TrainingState.from_bytes(config, found[2], found[1])
            except PayloadError:
                continue
            if is_finite(state.tensors().values()):
                return state
    return TrainingState(config)


def go_back(
    publisher: Publisher,
    scheduler: Scheduler,
    before: Progress,
    reason: Diverged,
    seconds: float,
    blame: Blame,
    accused: Collection[int] = (),
) -> Return:
    """Close the open round without results and publish the last good version's weights as the next one.

    Args:
        publisher: of the run; its state becomes the new version.
        scheduler: of the run.
        before: the open round's version.
        reason: the sign that the model has diverged.
        seconds: of training so far.
        blame: the outliers among the accepted results.
        accused: workers whose refused results are the only sign; they are left out the second time.

    Raises:
        Diverged: `reason`, if the run went back before, and there is no one to leave out.
        LeaseLost: another coordinator has the run, or closed the round.
    """
    conn, run_id, round_, state = publisher.connections.main, publisher.run_id, before.version, publisher.state
    good = last_good(conn, run_id, state.config)
    again = evaluations.went_back_at(conn, run_id) is not None
    blamed = blame.who(conn, run_id, good.progress.version, accused if again else ())
    if again and not blamed:
        with conn.transaction():
            publisher.hold_lease()
            runs.set_state(conn, run_id, "diverged")
        raise reason
    units = rounds.list_units(conn, run_id, round_)
    ahead = scheduler.units_ahead(conn, round_)
    skipped = {unit.unit for unit in units if unit.skipped}
    cursor = scheduler.cursor_after(before, units, skipped, len(ahead), rounds.settings_of(conn, run_id, round_))
    state.take_over(good, replace(before, version=round_ + 1, seconds=seconds, cursor=cursor))
    size = publisher.upload_and_save()
    with conn.transaction():
        publisher.hold_lease()
        if not rounds.lock_round(conn, run_id, round_):
            raise LeaseLost(f"Round {round_} of run {run_id} was closed by another coordinator.")
        results.credit(conn, run_id, round_, ())  # results that arrived are late
        metrics = {WENT_BACK_TO: float(good.progress.version)}
        runs.insert_metrics(conn, run_id, round_, images=before.images, seconds=seconds, metrics=metrics, timings={})
        rounds.close_round(conn, run_id, round_)
        revoke_unlocked([unit.job_id for unit in units], connection=conn)
        evaluations.set_went_back(conn, run_id, round_ + 1)
        for who, why in blamed.items():
            exclusions.exclude(conn, run_id, who, Kind.BROKE_MODEL, why)
        if ahead:
            publisher.restart_round(round_ + 1, ahead)
        planned = scheduler.to_open(state, len(ahead), scheduler.choose(conn, round_ + 1, publisher.wish.units))
        goes_on = bool(ahead or planned)
        publisher.publish(planned, goes_on=goes_on)
    blame.forget()
    return Return(goes_on, size, good.progress.version, blamed)
