"""At most two checkpoints of a run are kept: the best version's and the newest."""

from __future__ import annotations

import pytest

from ganns.db.connect import Connection
from ganns.store import runs, weights
from tests.support.fakes import publish_state


@pytest.fixture
def run_id(conn: Connection) -> int:
    return runs.create_run(conn, name="", config={}, fingerprint="", num_images=2, permutation_digest="")


def put(conn: Connection, run_id: int, version: int, data: bytes, store=weights.put_checkpoint) -> None:
    publish_state(conn, run_id, version, data)
    assert store(conn, run_id, version, data)


def kept(conn: Connection) -> list[int]:
    return [row[0] for row in conn.execute("SELECT DISTINCT version FROM ganns.checkpoints ORDER BY 1")]


def newest_and_best(conn: Connection, run_id: int) -> tuple[bytes | None, bytes | None]:
    found = weights.latest_checkpoint(conn, run_id), weights.best_checkpoint(conn, run_id)
    return found[0] and found[0][2], found[1] and found[1][2]


def test_the_best_is_kept_beside_the_newest(conn: Connection, run_id: int) -> None:
    assert newest_and_best(conn, run_id) == (None, None)
    put(conn, run_id, 10, b"ten")
    assert newest_and_best(conn, run_id) == (b"ten", None)
    put(conn, run_id, 25, b"twenty-five")
    put(conn, run_id, 20, b"twenty", weights.put_best_checkpoint)  # an evaluation ends later than its version
    assert newest_and_best(conn, run_id) == (b"twenty-five", b"twenty")
    put(conn, run_id, 30, b"thirty")
    assert kept(conn) == [20, 30]
    put(conn, run_id, 40, b"forty", weights.put_best_checkpoint)
    assert kept(conn) == [40]
    assert newest_and_best(conn, run_id) == (b"forty", b"forty")
    put(conn, run_id, 41, b"x" * 3_000_000)
    assert kept(conn) == [40, 41]
    assert weights.latest_checkpoint(conn, run_id)[2] == b"x" * 3_000_000


def test_a_best_version_that_was_undone_is_forgotten(conn: Connection, run_id: int) -> None:
    put(conn, run_id, 20, b"twenty", weights.put_best_checkpoint)
    weights.undo_versions(conn, run_id, 10)
    assert newest_and_best(conn, run_id) == (None, None)
    assert kept(conn) == []


def test_a_state_that_is_not_the_runs_version_is_not_stored(conn: Connection, run_id: int) -> None:
    """From a coordinator that slept, while another one went on from version 10 and made its own version 12."""
    put(conn, run_id, 10, b"ten")
    publish_state(conn, run_id, 12, b"mine")
    weights.undo_versions(conn, run_id, 10)
    assert not weights.put_checkpoint(conn, run_id, 12, b"mine")
    publish_state(conn, run_id, 12, b"theirs")
    assert not weights.put_checkpoint(conn, run_id, 12, b"mine")
    assert not weights.put_best_checkpoint(conn, run_id, 12, b"mine")
    assert newest_and_best(conn, run_id) == (b"ten", None)
    assert weights.put_checkpoint(conn, run_id, 12, b"theirs")
    assert newest_and_best(conn, run_id) == (b"theirs", None)


def test_a_checkpoint_that_was_stored_while_its_version_was_undone_does_not_count(
    conn: Connection, run_id: int
) -> None:
    put(conn, run_id, 10, b"ten")
    conn.execute("CREATE TABLE ganns.kept AS SELECT * FROM ganns.checkpoints")
    put(conn, run_id, 12, b"mine")
    conn.execute("INSERT INTO ganns.checkpoints SELECT * FROM ganns.kept")
    conn.execute("UPDATE ganns.versions SET undone = true WHERE version = 12")  # and the checkpoint's row stays
    assert newest_and_best(conn, run_id) == (b"ten", None)
