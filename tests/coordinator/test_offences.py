"""The rules of the warden, without a database: what ends a session, and what does not."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ganns.coordinator.offences import Seen, SessionLimits, offence
from ganns.db.queries import query
from ganns.store.sessions import TRANSFERS, Session

LIMITS = SessionLimits()
IDLE = Session(1, 2, datetime(2026, 1, 1, tzinfo=UTC), "idle", "SELECT 1", "Client", None, 3600.0, 1, 0)
OPEN = replace(IDLE, state="idle in transaction", transaction_s=6.0, statement_s=6.0)
BUSY = replace(IDLE, state="active", waits_for="", transaction_s=6.0, statement_s=6.0)


def shown(name: str) -> str:
    """Return a statement of ours as the server shows it."""
    return re.sub(r"%\(\w+\)[sb]", "$1", query(name))


UPLOAD = replace(BUSY, query=shown("api_put_part"), waits_for="Client", transaction_s=100.0, statement_s=100.0)


@pytest.mark.parametrize(
    "one",
    [
        IDLE,
        replace(OPEN, transaction_s=4.0),
        BUSY,  # a statement of its own, below its longer limit
        replace(BUSY, waits_for="Lock", transaction_s=9.0, statement_s=7.0),  # the victim of someone else
        UPLOAD,
    ],
)
def test_what_a_worker_does_is_no_offence(one: Session) -> None:
    assert offence(one, Seen(), LIMITS) is None


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (OPEN, "kept a transaction open for 6.0 s"),
        (replace(OPEN, state="idle in transaction (aborted)"), "kept a transaction open"),
        (replace(BUSY, transaction_s=11.0, statement_s=11.0, waits_for="Timeout"), "a statement took 11.0 s"),
        (replace(BUSY, statement_s=2.0), "kept a transaction open"),  # its second statement
        (replace(BUSY, statement_s=5.0, transaction_s=16.0, waits_for="Lock"), "kept a transaction open for 16.0 s"),
        (replace(BUSY, waits_for="Client"), "kept a transaction open"),  # it reads no answer
        (replace(UPLOAD, transaction_s=121.0, statement_s=121.0), "a transfer took 121 s"),
        (replace(UPLOAD, statement_s=50.0), "kept a transaction open"),  # locks that an earlier statement took
        (replace(UPLOAD, state="idle in transaction"), "kept a transaction open"),
        (replace(UPLOAD, query=f"{UPLOAD.query}, ganns_api.task_fetch(NULL, 7)"), "kept a transaction open"),
        (replace(UPLOAD, waits_for="Timeout", statement_s=100.0), "a statement took 100.0 s"),  # put_part(pg_sleep(..))
        (replace(UPLOAD, query="SELECT ganns_api.put_part(1); SELECT 2"), "kept a transaction open"),
        (replace(IDLE, num_locks=1001), "held 1,001 locks"),
    ],
)
def test_what_holds_up_a_class_is_one(one: Session, reason: str) -> None:
    found = offence(one, Seen(), LIMITS)
    assert found is not None
    assert reason in found


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen(blocks_s=1.5), "the coordinator waited 1.5 s for a lock that it held"),
        (Seen(advisory_s=5.5), "kept an advisory lock for 5.5 s"),
        (Seen(notifies_per_s=6000.0), "sent 6,000 notifications a second"),
    ],
)
def test_an_idle_session_can_do_harm(seen: Seen, reason: str) -> None:
    assert reason in str(offence(IDLE, seen, LIMITS))
    assert offence(IDLE, Seen(), LIMITS) is None


def test_every_statement_that_carries_a_blob_is_a_transfer() -> None:
    for name in TRANSFERS:
        assert replace(UPLOAD, query=shown(name)).is_transfer
    assert not BUSY.is_transfer
