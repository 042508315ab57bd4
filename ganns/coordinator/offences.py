"""Judge a student's session by the rules of the warden: what it may not do, and for how long. Without a database.

Only limits that a student cannot change bind a student. A session's own settings, such as `statement_timeout`, do not:
every session may change them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ganns.store.sessions import Session


@dataclass(frozen=True)
class SessionLimits:
    """The limits of a session; ages in seconds, by the server's clock."""

    transaction_s: float = 5.0
    """A worker's transactions are one statement each, or a transfer. An open one keeps locks, keeps deleted blobs from
    being vacuumed, and, where it listens, keeps the queue of notifications from being emptied."""
    statement_s: float = 10.0
    """No statement of a worker or a viewer takes longer: a worker gives up after 5 s, a viewer's end after 10 s."""
    transfer_s: float = 120.0
    """Weights and results move in pieces of about a second (`ganns/db/pieces.py`). But an evaluated generator, and the
    result of a task, are one statement each, which takes minutes on a slow link; a worker gives up after this time
    (`ganns.db.connect.STUCK_S`)."""
    blocking_s: float = 1.0
    """The coordinator waits no longer than this for a lock of a student's transaction."""
    advisory_s: float = 5.0
    """No worker takes an advisory lock. Such a lock outlives its transaction, and can be the migrations'."""
    num_locks: int = 1000
    """A worker's session holds fewer than a hundred. The memory for locks is the whole server's: where it is used up,
    no one can log in."""
    notifies_per_s: float = 500.0
    """Notifications that a session sends on our channels; a worker sends a few for each unit."""


@dataclass(frozen=True)
class Seen:
    """Hold what is known of a session beyond its row."""

    blocks_s: float = 0.0  # the coordinator has waited so long for its locks
    advisory_s: float = 0.0  # it has had advisory locks for so long
    notifies_per_s: float = 0.0


def offence(one: Session, seen: Seen, limits: SessionLimits) -> str | None:
    """Return what a session does that none may do, as the end of a sentence about it; None if it does nothing wrong."""
    if one.num_locks > limits.num_locks:
        return f"it held {one.num_locks:,} locks"
    if seen.notifies_per_s > limits.notifies_per_s:
        return f"it sent {seen.notifies_per_s:,.0f} notifications a second"
    if seen.blocks_s > limits.blocking_s:
        return f"the coordinator waited {seen.blocks_s:.1f} s for a lock that it held"
    if seen.advisory_s > limits.advisory_s:
        return f"it kept an advisory lock for {seen.advisory_s:.1f} s"
    if one.transaction_s is None or one.transaction_s <= limits.transaction_s:
        return None
    if one.is_transfer:
        return f"a transfer took {one.transaction_s:.0f} s" if one.transaction_s > limits.transfer_s else None
    open_for = f"it kept a transaction open for {one.transaction_s:.1f} s"
    if one.state != "active" or one.statement_s is None or one.waits_for == "Client":
        return open_for
    if one.statement_s > limits.statement_s:
        return f"a statement took {one.statement_s:.1f} s"
    if one.transaction_s > limits.transaction_s + limits.statement_s:
        return open_for
    # In the middle of a statement. If it is the transaction's only one, it has its own, longer limit. A session that
    # waits for a lock is more likely the victim of the one that holds it.
    has_earlier_ones = one.transaction_s > one.statement_s + 1.0
    return open_for if has_earlier_ones and one.waits_for != "Lock" else None
