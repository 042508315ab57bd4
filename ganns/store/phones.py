"""The GAN of the phones: runs, rounds, units and credit, with the rules of the big ones (`ganns.store.rounds`).

A round is opened with its units in one transaction. A unit is claimed with FOR UPDATE SKIP LOCKED, and only the
attempt that holds it can submit. `submit` locks the round's row FOR SHARE, `close_round` FOR UPDATE: so a result is
either among those that the closing transaction accepts, or it is late. Two dashboards on one database do no harm to
each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ganns.db.connect import Connection
from ganns.db.queries import execute

HOLD_S = 20.0
"""A phone that holds a unit longer than this loses it to another one."""
KEPT_RUNS, KEPT_PHONES, KEPT_VERSIONS, KEPT_UNITS = 3, 2000, 20, 200
"""The newest runs, the most phones, and of a run the newest versions, and the rounds whose units are kept."""


@dataclass(frozen=True)
class Now:
    """The run that is being trained, and its open round (None: there is none)."""

    run: int
    recipe: str
    seed: int
    wait_percent: int
    version: int
    round: int | None
    quorum: int
    open_s: float  # since the round was opened, by the server's clock
    units: int
    results: int


@dataclass(frozen=True)
class Held:
    """A unit that a phone holds, with the attempt that may submit it."""

    run: int
    round: int
    unit: int
    attempt: int
    seed: int


@dataclass(frozen=True)
class Stored:
    """A result in an open round."""

    unit: int
    attempt: int
    phone: int
    gradient: bytes
    loss_d: float
    loss_g: float


@dataclass(frozen=True)
class Version:
    """A version's whole state, as bytes, with its digest ("" where it was read)."""

    version: int
    weights: bytes
    moments: bytes
    digest: str = ""


def may_keep(conn: Connection) -> bool:
    """Tell whether this login may write what phones do."""
    row = execute(conn, "may_keep_phones").fetchone()
    return bool(row and row["may"])


def look(conn: Connection) -> Now | None:
    """Return the run that is being trained; None if there is none."""
    row = execute(conn, "phones_now").fetchone()
    if row is None:
        return None
    return Now(
        row["run"],
        row["recipe"],
        row["seed"],
        row["wait_percent"],
        row["version"],
        row["round"],
        row["quorum"] or 0,
        row["open_s"] or 0.0,
        row["units"],
        row["results"],
    )


def begin_run(conn: Connection, recipe: str, seed: int, wait_percent: int, first: Version) -> int:
    """End the run that is open, begin one with its version 0, delete the oldest ones, and return its number."""
    with conn.transaction():
        execute(conn, "end_phone_runs")
        row = execute(conn, "insert_phone_run", recipe=recipe, seed=seed, wait_percent=wait_percent).fetchone()
        assert row is not None
        _insert_version(conn, row["id"], first)
        execute(conn, "forget_phone_runs", keep=KEPT_RUNS)
        execute(conn, "forget_phones")
        return int(row["id"])


def set_wait(conn: Connection, run: int, percent: int) -> None:
    """From the next round on, close a round with this share of its results."""
    execute(conn, "set_phone_wait", run_id=run, wait_percent=percent)


def newest_version(conn: Connection, run: int) -> Version | None:
    """Return the newest version of a run; None if the run was deleted."""
    row = execute(conn, "get_phone_version", run_id=run).fetchone()
    return None if row is None else Version(row["version"], row["weights"], row["moments"])


def weights_of(conn: Connection, run: int, version: int) -> bytes | None:
    """Return the weights of a version; None if it is not kept any more."""
    row = execute(conn, "phone_weights", run_id=run, version=version).fetchone()
    return None if row is None else bytes(row["weights"])


def join(conn: Connection, key: str, name: str, *, known: bool) -> int | None:
    """Return the number of the phone with this secret; None if it is not there, and cannot be added.

    Args:
        conn: a connection.
        key: the secret; only its digest is stored.
        name: what others see, 1 to 40 characters.
        known: look for a phone that joined before; else add a new one.
    """
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    if known:
        row = execute(conn, "find_phone", key_digest=digest, name=name).fetchone()
    else:
        row = execute(conn, "insert_phone", key_digest=digest, name=name, most=KEPT_PHONES).fetchone()
    return None if row is None else int(row["id"])


def open_round(conn: Connection, run: int, round_: int, quorum: int, seeds: Sequence[int]) -> None:
    """Open a round with a unit for each seed; part of the caller's transaction, or one of its own."""
    execute(conn, "open_phone_round", run_id=run, round=round_, quorum=quorum, seeds=list(seeds))


def claim(conn: Connection, run: int, phone: int, hold_s: float = HOLD_S) -> Held | None:
    """Give a phone a unit of the open round, or one that another has held for `hold_s`; None if there is none."""
    row = execute(conn, "claim_phone_unit", run_id=run, phone_id=phone, hold_s=hold_s).fetchone()
    return None if row is None else Held(row["run_id"], row["round"], row["unit"], row["attempt"], row["seed"])


def release(conn: Connection, held: Held) -> None:
    """Take back the unit of a phone that left, so that another one gets it."""
    execute(conn, "release_phone_unit", run_id=held.run, round=held.round, unit=held.unit, attempt=held.attempt)


def submit(conn: Connection, held: Held, phone: int, gradient: bytes, loss_d: float, loss_g: float) -> bool:
    """Store a result, and return True; a late one is only credited, and returns False.

    Late is a result whose round is closed, or whose unit another phone was given meanwhile.
    """
    mine = {"run_id": held.run, "round": held.round, "unit": held.unit, "attempt": held.attempt, "phone_id": phone}
    digest = hashlib.sha256(gradient).hexdigest()
    with conn.transaction():
        is_open = execute(conn, "share_phone_round", run_id=held.run, round=held.round).fetchone() is not None
        numbers = {"gradient": gradient, "loss_d": loss_d, "loss_g": loss_g}
        if is_open and execute(conn, "store_phone_result", **mine, digest=digest, **numbers).fetchone():
            return True
        execute(conn, "credit_late_phone", **mine, digest=digest)
        return False


def close_round(
    conn: Connection,
    now: Now,
    fold: Callable[[Version, list[Stored]], Version],
    quorum: int,
    seeds: Sequence[int],
) -> tuple[Version, list[Stored]] | None:
    """Close the open round of `now`, publish the next version, and open the next round, in one transaction.

    Args:
        conn: a connection.
        now: the run and its open round.
        fold: makes the next version of this one and the accepted results, which are in the order of units.
        quorum: of the next round.
        seeds: of the next round's units.

    Returns:
        The new version and the accepted results. None if the round was closed by another dashboard, or has too few.
    """
    assert now.round is not None
    with conn.transaction():
        row = execute(conn, "lock_phone_round", run_id=now.run, round=now.round).fetchone()
        found = execute(conn, "phone_results", run_id=now.run, round=now.round).fetchall()
        before = newest_version(conn, now.run)
        if row is None or before is None or len(found) < row["quorum"]:
            return None
        results = [
            Stored(one["unit"], one["attempt"], one["phone_id"], one["gradient"], one["loss_d"], one["loss_g"])
            for one in found
        ]
        after = fold(before, results)
        _insert_version(conn, now.run, after)
        units = [one.unit for one in results]
        execute(conn, "close_phone_round", run_id=now.run, round=now.round, units=units)
        open_round(conn, now.run, after.version, quorum, seeds)
        execute(conn, "thin_phone_units", run_id=now.run, before=after.version - KEPT_UNITS)
        execute(conn, "thin_phone_versions", run_id=now.run, before=after.version - KEPT_VERSIONS)
        return after, results


def credit(conn: Connection, run: int) -> dict[int, tuple[int, int]]:
    """Return {phone: (accepted, late)} of a run. The rows are counted; there is no counter that could be wrong."""
    rows = execute(conn, "phone_credit", run_id=run).fetchall()
    return {row["phone_id"]: (row["accepted"], row["late"]) for row in rows}


def _insert_version(conn: Connection, run: int, one: Version) -> None:
    state = {"weights": one.weights, "moments": one.moments, "digest": one.digest}
    execute(conn, "insert_phone_version", run_id=run, version=one.version, **state)
