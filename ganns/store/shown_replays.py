"""Replays that are shown on the dashboard: their numbers, and two pictures each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.queries import execute

KEEP = 20
"""Maximum number of a run's replays; the oldest ones go."""


def put_replay(
    conn: Connection,
    run_id: int,
    round_: int,
    change: str,
    sentences: Sequence[str],
    rows: Sequence[dict[str, Any]],
    curves: bytes | None,
    faces: bytes | None,
) -> int:
    """Store a replay, and return its number.

    Args:
        conn: a connection.
        run_id: the run.
        round_: where the futures part.
        change: in words.
        sentences: what came out of it.
        rows: versions, with the numbers of both futures; without NaN.
        curves: a PNG picture.
        faces: another one.
    """
    with conn.transaction():
        row = execute(
            conn,
            "put_replay",
            run_id=run_id,
            round=round_,
            change=change,
            sentences=list(sentences),
            rows=Jsonb(list(rows)),
            curves=curves,
            faces=faces,
        ).fetchone()
        execute(conn, "forget_replays", run_id=run_id, keep=KEEP)
    assert row is not None
    return int(row["number"])


def list_replays(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return the replays of a run, newest first: the columns of `list_replays` in replay.sql."""
    return execute(conn, "list_replays", run_id=run_id).fetchall()


def get_replay_picture(conn: Connection, run_id: int, number: int, which: str) -> bytes | None:
    """Return a replay's picture, `which` is "curves" or "faces"; None if there is none."""
    row = execute(conn, "get_replay_picture", run_id=run_id, number=number, which=which).fetchone()
    return bytes(row["picture"]) if row and row["picture"] is not None else None
