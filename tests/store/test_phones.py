"""The rounds of the phones: who gets a unit, which results count, and what is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.store import phones
from ganns.store.phones import Held, Now, Stored, Version


def count(before: Version, accepted: list[Stored]) -> Version:
    """A version that says what it was made of."""
    content = b",".join(one.gradient for one in accepted)
    return Version(before.version + 1, before.weights + content + b";", b"", hashlib.sha256(content).hexdigest())


def begin(conn: Connection, units: int = 3, quorum: int = 2) -> Now:
    run = phones.begin_run(conn, "plain", 7, 80, Version(0, b"", b"", ""))
    phones.open_round(conn, run, 0, quorum, range(units))
    return now(conn)


def now(conn: Connection) -> Now:
    found = phones.look(conn)
    assert found is not None
    return found


def join(conn: Connection, num: int) -> list[int]:
    found = [phones.join(conn, f"secret {one}", f"phone {one}", known=False) for one in range(num)]
    return [one for one in found if one is not None]


def claim(conn: Connection, run: int, phone: int, **options: float) -> Held:
    held = phones.claim(conn, run, phone, **options)
    assert held is not None
    return held


def close(conn: Connection, at: Now, seeds: Sequence[int] = (1, 2, 3)) -> tuple[Version, list[Stored]] | None:
    return phones.close_round(conn, at, count, 2, seeds)


def ledger(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT round, unit, attempt, phone_id, accepted FROM ganns.phone_ledger ORDER BY round, unit, attempt"
    ).fetchall()


def test_each_unit_is_given_once_also_while_another_phone_claims(conn: Connection, database: Address) -> None:
    run, [ada, ben, cem] = begin(conn).run, join(conn, 3)
    with connect(database, autocommit=False) as other:
        first = claim(other, run, ada)  # its transaction is open: SKIP LOCKED
        second = claim(conn, run, ben)
        other.commit()
    third = claim(conn, run, cem)
    assert [(one.unit, one.attempt, one.seed) for one in (first, second, third)] == [(0, 1, 0), (1, 1, 1), (2, 1, 2)]
    assert phones.claim(conn, run, ada) is None


def test_a_round_is_closed_by_its_quorum_and_what_comes_after_is_late(conn: Connection) -> None:
    at, [ada, ben, cem] = begin(conn), join(conn, 3)
    held = [claim(conn, at.run, one) for one in (ada, ben, cem)]
    assert phones.submit(conn, held[2], cem, b"cem", 1.0, 2.0)
    assert close(conn, at) is None, "one result is no quorum"
    assert phones.submit(conn, held[0], ada, b"ada", 1.0, 2.0)
    assert now(conn).results == 2
    closed = close(conn, at)
    assert closed is not None
    version, accepted = closed
    assert (version.version, version.weights) == (1, b"ada,cem;"), "in the order of units"
    assert [one.phone for one in accepted] == [ada, cem]
    assert not phones.submit(conn, held[1], ben, b"ben", 1.0, 2.0)
    assert not phones.submit(conn, held[1], ben, b"ben", 1.0, 2.0), "late twice is credited once"
    assert ledger(conn) == [(0, 0, 1, ada, True), (0, 1, 1, ben, False), (0, 2, 1, cem, True)]
    assert phones.credit(conn, at.run) == {ada: (1, 0), ben: (0, 1), cem: (1, 0)}
    assert phones.weights_of(conn, at.run, 1) == b"ada,cem;", "a late result changes nothing"
    after = now(conn)
    assert (after.version, after.round, after.units, after.results) == (1, 1, 3, 0)
    assert close(conn, at) is None, "another dashboard closes the same round"


def test_a_result_counts_once_and_only_from_the_phone_that_holds_the_unit(conn: Connection) -> None:
    at, [ada, ben] = begin(conn), join(conn, 2)
    held = claim(conn, at.run, ada)
    assert not phones.submit(conn, held, ben, b"not mine", 0.0, 0.0)
    assert not phones.submit(conn, replace(held, attempt=2), ada, b"no such attempt", 0.0, 0.0)
    assert phones.submit(conn, held, ada, b"mine", 0.0, 0.0)
    assert not phones.submit(conn, held, ada, b"again", 0.0, 0.0)
    rows = conn.execute("SELECT unit, gradient FROM ganns.phone_units WHERE digest IS NOT NULL").fetchall()
    assert rows == [(0, b"mine")]


def test_a_unit_of_a_phone_that_left_or_is_too_slow_is_given_on(conn: Connection) -> None:
    at, [ada, ben, cem] = begin(conn, units=1, quorum=1), join(conn, 3)
    slow = claim(conn, at.run, ada)
    assert phones.claim(conn, at.run, ben) is None
    gone = claim(conn, at.run, ben, hold_s=0.0)
    assert (gone.unit, gone.attempt) == (0, 2)
    assert not phones.submit(conn, slow, ada, b"slow", 0.0, 0.0)
    phones.release(conn, slow)  # of an attempt before: it changes nothing
    assert phones.claim(conn, at.run, cem) is None
    phones.release(conn, gone)
    last = claim(conn, at.run, cem)
    assert phones.submit(conn, last, cem, b"last", 0.0, 0.0)
    phones.release(conn, last)  # it has a result
    closed = close(conn, at)
    assert closed is not None
    assert closed[0].weights == b"last;"
    assert ledger(conn) == [(0, 0, 1, ada, False), (0, 0, 3, cem, True)]


def test_a_closing_waits_for_a_submission_and_counts_it(conn: Connection, database: Address) -> None:
    at, [ada, ben, cem] = begin(conn), join(conn, 3)
    held = [claim(conn, at.run, one) for one in (ada, ben, cem)]
    for one, phone in zip(held[:2], (ada, ben), strict=True):
        phones.submit(conn, one, phone, b"x", 0.0, 0.0)
    conn.execute("SET lock_timeout = '50ms'")
    with connect(database) as other, other.transaction():
        assert phones.submit(other, held[2], cem, b"y", 0.0, 0.0)  # not yet committed
        with pytest.raises(psycopg.errors.LockNotAvailable):
            close(conn, at)
    closed = close(conn, at)
    assert closed is not None
    assert [one.gradient for one in closed[1]] == [b"x", b"x", b"y"]


def test_a_phone_is_known_by_its_secret_which_is_not_stored(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    number = phones.join(conn, "my secret", "ada", known=False)
    assert phones.join(conn, "my secret", "Ada", known=True) == number
    assert phones.join(conn, "another", "ada", known=True) is None
    rows = conn.execute("SELECT name, key_digest FROM ganns.phones").fetchall()
    assert rows == [("Ada", hashlib.sha256(b"my secret").digest())]
    monkeypatch.setattr(phones, "KEPT_PHONES", 1)
    assert phones.join(conn, "one more", "ben", known=False) is None


def test_what_is_kept_is_bounded(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "KEPT_VERSIONS", 2)
    monkeypatch.setattr(phones, "KEPT_UNITS", 1)
    at, [ada] = begin(conn, units=1, quorum=1), join(conn, 1)
    for _ in range(4):
        phones.submit(conn, claim(conn, at.run, ada), ada, b"x", 0.0, 0.0)
        assert phones.close_round(conn, at, count, 1, [0]) is not None
        at = now(conn)
    versions = conn.execute("SELECT version FROM ganns.phone_versions ORDER BY 1").fetchall()
    assert versions == [(2,), (3,), (4,)]
    assert conn.execute("SELECT DISTINCT round FROM ganns.phone_units ORDER BY 1").fetchall() == [(3,), (4,)]
    assert conn.execute("SELECT count(*) FROM ganns.phone_units WHERE gradient IS NOT NULL").fetchone() == (0,)
    first = at.run
    for _ in range(phones.KEPT_RUNS):
        at = begin(conn)
    open_ = conn.execute("SELECT run_id FROM ganns.phone_rounds WHERE closed_at IS NULL").fetchall()
    assert open_ == [(at.run,)], "the rounds of earlier runs are closed"
    runs = conn.execute("SELECT min(id), count(*) FROM ganns.phone_runs").fetchone()
    assert runs == (first + 1, phones.KEPT_RUNS)
    assert ledger(conn) == []
    held = Held(first, 3, 0, 1, 0)
    assert not phones.submit(conn, held, ada, b"x", 0.0, 0.0), "its run was deleted"


def test_who_may_only_read_is_told(conn: Connection) -> None:
    assert phones.may_keep(conn)
    conn.execute("SET ROLE ganns_viewer")
    assert not phones.may_keep(conn)
