"""Get any version that a run had: its state was kept, or it is replayed from the version before that was kept.

The rounds between are computed again in this process, with the recorded settings and accepted units, as `ganns solo
--schedule` does it. The database has the digest of each version's weights, so each replayed version is compared with
the run's, bit for bit. Where they differ, the version cannot be had: another kind of processor has computed a unit, or
a result was wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from ganns.data import ImageSet
from ganns.errors import RunError
from ganns.store import replay
from ganns.store.kept_versions import KeptVersions
from ganns.store.replay import ClosedRound
from ganns.store.runs import Run
from ganns.training.published import encode_weights
from ganns.training.round_settings import RecordedRound
from ganns.training.serialization import digest, pack
from ganns.training.solo import train_recorded
from ganns.training.state import TrainingState
from ganns.utils.console import plural


def published_digest(state: TrainingState) -> str:
    """Return the digest of the version's weights as workers fetch them, which the database has of each version."""
    published = state.weights_of(state.progress.version)
    return digest(pack(encode_weights(published, state.config.codec.down)))


def schedule_of(rounds: dict[int, ClosedRound]) -> list[RecordedRound]:
    """Return rounds as `train_recorded` takes them."""
    return [RecordedRound(one.settings, {n: unit.slice for n, unit in one.units.items()}) for one in rounds.values()]


def reach(
    kept: KeptVersions, images: ImageSet, version: int, say: Callable[[str], None] = lambda text: None
) -> TrainingState:
    """Return the state of a version, exactly as the run had it.

    Args:
        kept: the run's kept versions.
        images: the run's.
        version: the wanted one.
        say: is told what is replayed.

    Raises:
        RunError: if it cannot be had; the message names the nearest versions that can.
    """
    run, numbers = kept.run, kept.numbers()
    kept.require(version)
    state = next((one for n in reversed(numbers) if n <= version and (one := kept.load(n)) is not None), None)
    if state is None:
        why = f"it began with the weights of {kept.config.start_from}, and no state of its own from before is kept"
        raise _refused(run, version, why, None, numbers)
    base = state.progress.version
    if base == version:
        return state
    rounds = replay.list_rounds(kept.conn, run.id, base, version)
    if (gap := next((n for n in range(base, version) if n not in rounds or not rounds[n].units), None)) is not None:
        why = f"in round {gap} the run went back to an earlier version"
        raise _refused(run, version, why, gap, numbers)
    say(f"replaying {plural(version - base, 'round')}, from version {base}, the last one before that was kept")
    digests = replay.list_digests(kept.conn, run.id, base, version)
    for _ in train_recorded(kept.config, images, state, schedule_of(rounds)):
        now = state.progress.version
        if digests.get(now) != published_digest(state):
            why = (
                f"round {now - 1}, computed again, gives other weights than the run had: another kind of machine "
                f"computed a unit of it, or a result was wrong (`ganns verify {run.id}/{now - 1}/UNIT` tells which)"
            )
            raise _refused(run, version, why, now - 1, numbers)
    return state


def _refused(run: Run, version: int, why: str, last: int | None, numbers: list[int]) -> RunError:
    """Return the error for a version that cannot be had.

    Args:
        run: the run.
        version: the wanted one.
        why: the reason.
        last: the version before that can be had; None: there is none.
        numbers: the versions that are kept.
    """
    near = [*([] if last is None else [last]), *[n for n in numbers if n > version][:1]]
    near.sort(key=lambda one: abs(one - version))
    words = " or ".join(f"{run.id}@{one}" for one in near)
    there = f"The nearest round that can be had is {words}." if near else "No round of it can be had."
    return RunError(
        f"{run.id}@{version} cannot be had: {why}. {there} `db.keep_state_every=100` keeps the state of every 100th "
        "version of a run."
    )
