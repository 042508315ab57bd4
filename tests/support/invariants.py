"""What must hold in a database of runs, whatever was killed: each rule is a query for the rows that break it."""

from __future__ import annotations

from typing import Any

import psycopg

RULES = {
    "units that were counted twice": """
        SELECT run_id, round, unit FROM ganns.ledger WHERE accepted AND NOT undone
        GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    "images that were accepted twice in an epoch": """
        SELECT run_id, epoch, position FROM ganns.ledger, generate_series(start, start + images - 1) AS position
        WHERE accepted AND NOT undone GROUP BY 1, 2, 3 HAVING count(*) > 1""",
    # A run that went back did so in one round, in which nothing was accepted.
    "runs whose count of images or rounds is not the ledger's": """
        SELECT r.id, r.version, r.images, sum(l.images), count(DISTINCT l.round) FROM ganns.runs r
        JOIN ganns.ledger l ON l.run_id = r.id AND l.accepted AND NOT l.undone GROUP BY r.id
        HAVING r.images <> sum(l.images)
            OR r.version <> count(DISTINCT l.round) + num_nonnulls(r.went_back_at_version)""",
    "closed rounds without their quorum": """
        SELECT o.run_id, o.round, o.quorum, count(l.*) FROM ganns.rounds o JOIN ganns.runs r ON r.id = o.run_id
        LEFT JOIN ganns.ledger l
            ON l.run_id = o.run_id AND l.round = o.round AND l.accepted AND NOT l.undone
        WHERE o.closed_at IS NOT NULL AND o.deadline_at IS NULL
          AND o.round + 1 IS DISTINCT FROM r.went_back_at_version
        GROUP BY 1, 2, 3 HAVING count(l.*) < o.quorum""",
    "versions without exactly one closed round": """
        SELECT r.id, r.version, count(o.*) FROM ganns.runs r LEFT JOIN ganns.rounds o
            ON o.run_id = r.id AND o.closed_at IS NOT NULL
        GROUP BY r.id HAVING r.version <> count(o.*)""",
    "runs with another number of metrics than of rounds": """
        SELECT r.id FROM ganns.runs r
        WHERE r.version <> (SELECT count(*) FROM ganns.metrics m WHERE m.run_id = r.id)""",
    "jobs that a dead worker holds": """
        SELECT j.id, j.worker_id FROM procrastinate.procrastinate_jobs j
        LEFT JOIN procrastinate.procrastinate_workers w ON w.id = j.worker_id
        WHERE j.status = 'doing' AND coalesce(w.last_heartbeat, '-infinity') < now() - interval '60 s'
          AND coalesce((SELECT max(e.at) FROM procrastinate.procrastinate_events e
                        WHERE e.job_id = j.id AND e.type = 'started'), '-infinity') < now() - interval '60 s'""",
}
"""Name -> query. They hold at any moment, in one transaction."""
INCOMPLETE = """
    SELECT l.run_id, l.epoch, sum(l.images) FROM (
        SELECT run_id, epoch, images FROM ganns.ledger WHERE accepted AND NOT undone
        UNION ALL SELECT run_id, epoch, images FROM ganns.skipped) l
    JOIN ganns.runs r ON r.id = l.run_id
    WHERE l.epoch < (SELECT max(epoch) FROM ganns.ledger m WHERE m.run_id = l.run_id AND m.accepted AND NOT m.undone)
    GROUP BY l.run_id, l.epoch, r.num_images HAVING sum(l.images) <> r.num_images"""
"""Epochs with too few or too many images, in a run whose rounds wait for all units: no slice is carried over."""
CREDIT = """
    SELECT md5(coalesce(string_agg(
        concat_ws(' ', run_id, round, unit, job_id, attempt, worker_id, epoch, start, images), ','
        ORDER BY run_id, round, unit), ''))
    FROM ganns.ledger WHERE accepted AND NOT undone AND round < %s"""
"""A digest of what was accepted in the rounds before one: it never changes again."""


def broken(conn: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Return the rules that do not hold at this moment, each with the rows that break it."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # all rules see the same state
        return rows_that_break(conn)


def rows_that_break(conn: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """The same, inside a transaction of the caller's."""
    found = {name: conn.execute(query).fetchall() for name, query in RULES.items()}  # type: ignore[call-overload]
    return {name: rows for name, rows in found.items() if rows}
