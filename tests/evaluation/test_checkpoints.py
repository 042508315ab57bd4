"""At most two checkpoints of a run are kept: the best version's and the newest."""

from __future__ import annotations

import pytest

from ganns.db.connect import Connection
from ganns.store import runs, weights


@pytest.fixture
def run_id(conn: Connection) -> int:
    return runs.create_run(conn, name="", config={}, fingerprint="", num_images=2, permutation_digest="")


def kept(conn: Connection) -> list[int]:
    return [row[0] for row in conn.execute("SELECT DISTINCT version FROM ganns.checkpoints ORDER BY 1")]


def newest_and_best(conn: Connection, run_id: int) -> tuple[bytes | None, bytes | None]:
    found = weights.latest_checkpoint(conn, run_id), weights.best_checkpoint(conn, run_id)
    return found[0] and found[0][2], found[1] and found[1][2]


def test_the_best_is_kept_beside_the_newest(conn: Connection, run_id: int) -> None:
    assert newest_and_best(conn, run_id) == (None, None)
    weights.put_checkpoint(conn, run_id, 10, b"ten")
    assert newest_and_best(conn, run_id) == (b"ten", None)
    weights.put_checkpoint(conn, run_id, 25, b"twenty-five")
    weights.put_best_checkpoint(conn, run_id, 20, b"twenty")  # an evaluation ends later than its version
    assert newest_and_best(conn, run_id) == (b"twenty-five", b"twenty")
    weights.put_checkpoint(conn, run_id, 30, b"thirty")
    assert kept(conn) == [20, 30]
    weights.put_best_checkpoint(conn, run_id, 40, b"forty")
    assert kept(conn) == [40]
    assert newest_and_best(conn, run_id) == (b"forty", b"forty")
    weights.put_checkpoint(conn, run_id, 41, b"x" * 3_000_000)
    assert kept(conn) == [40, 41]
    assert weights.latest_checkpoint(conn, run_id)[2] == b"x" * 3_000_000


def test_a_best_version_that_was_undone_is_forgotten(conn: Connection, run_id: int) -> None:
    weights.put_best_checkpoint(conn, run_id, 20, b"twenty")
    weights.undo_versions(conn, run_id, 10)
    assert newest_and_best(conn, run_id) == (None, None)
    assert kept(conn) == []
