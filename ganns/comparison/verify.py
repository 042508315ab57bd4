"""Compute a unit of a run again, and compare it with what the ledger keeps of its accepted result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ganns.comparison.versions import reach
from ganns.data import ImageSet
from ganns.errors import RunError, WeightsMissing
from ganns.queue.machine import describe
from ganns.store import replay, worker_api
from ganns.store.kept_versions import KeptVersions
from ganns.store.replay import Author, LedgerLine
from ganns.training.audit import NOISE, Case, allowed, are_alike, compute_case
from ganns.training.compression import get_codec
from ganns.training.published import as_published, decode_weights
from ganns.training.result_digest import result_digest, sketched_distance
from ganns.training.serialization import unpack
from ganns.training.strategies import build_computer
from ganns.training.unit import Tensors, UnitComputer


@dataclass(frozen=True)
class Verified:
    """The outcome of a verification."""

    author: Author
    images: int
    alike: bool  # both machines compute the same bits
    same: bool  # bit for bit
    distance: float  # relative, of the gradient or change, estimated from the sketches; 0 if they are equal
    expected: float  # the largest distance of two right results, for unlike machines; 0 for alike ones
    agreed: bool


def verify(
    kept: KeptVersions, images: ImageSet, round_: int, unit: int, say: Callable[[str], None] = lambda text: None
) -> Verified:
    """Compute a unit of a closed round again, and compare.

    Raises:
        RunError: if the unit has no accepted result, the ledger no digest of it, or its version cannot be had.
    """
    line = _line(kept, round_, unit)
    assert line.digest is not None
    assert line.sketch is not None
    config, codec = kept.config, get_codec(kept.config.codec.up)
    computer = build_computer(config)
    weights = _weights(kept, images, computer, line.weights_version, say)
    case = Case(round_, unit, line.slice, line.settings, weights, {}, {}, line.machine)
    seed = (config.seed, round_, unit)

    def compute(noise: float = 0.0) -> tuple[str, bytes]:
        result = compute_case(computer, images, config, case, noise=noise)
        assert result is not None  # nothing stops it
        return result_digest(result, codec, seed)

    alike = are_alike(line.machine, describe() | {"device": "cpu"})
    digest, sketch = compute()
    num = line.slice.num_images
    if digest == line.digest:
        return Verified(line.author, num, alike, same=True, distance=0.0, expected=0.0, agreed=True)
    distance = sketched_distance(line.sketch, sketch)
    if alike:
        if compute()[0] != digest:
            raise RunError(f"This machine computes unit {unit} of round {round_} in two ways: it can verify nothing.")
        return Verified(line.author, num, alike, same=False, distance=distance, expected=0.0, agreed=False)
    coarse = line.machine.get("device") != "cpu" or config.strategy.mixed_precision
    usual = sketched_distance(compute(NOISE["other" if coarse else "cpu"])[1], sketch)
    most = allowed("distance", usual)
    return Verified(line.author, num, alike, same=False, distance=distance, expected=most, agreed=distance <= most)


def _line(kept: KeptVersions, round_: int, unit: int) -> LedgerLine:
    """Return the unit's accepted line of the ledger.

    Raises:
        RunError: if there is none, or it has no digest.
    """
    run_id = kept.run.id
    line = replay.find_unit(kept.conn, run_id, round_, unit)
    if line is None:
        this = replay.list_rounds(kept.conn, run_id, round_, round_ + 1).get(round_)
        if this is None:
            raise RunError(f"Run {run_id} has no closed round {round_}: it has {kept.run.version} rounds, from 0 on.")
        units = ", ".join(map(str, this.units)) or "none"
        raise RunError(f"Round {round_} of run {run_id} accepted no result of unit {unit}, but of units: {units}.")
    if line.digest is None or line.sketch is None:
        raise RunError(
            f"The result of unit {unit} of round {round_} of run {run_id} was accepted before the ledger kept digests, "
            "so there is nothing to compare with."
        )
    return line


def _weights(
    kept: KeptVersions, images: ImageSet, computer: UnitComputer, version: int, say: Callable[[str], None]
) -> Tensors:
    """Return the weights that the unit was computed at: those in the database, else a kept or replayed version's."""
    down = kept.config.codec.down
    try:
        return decode_weights(
            unpack(*worker_api.fetch_weights(kept.conn, kept.run.id, version)), down, computer.weight_shapes()
        )
    except WeightsMissing:
        return as_published(reach(kept, images, version, say).weights_of(version), down)
