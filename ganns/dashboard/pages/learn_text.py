"""The texts of the Learn page: the parts of a round, its steps, and its faults.

Each part names a place in the code and a page to read; `tests/dashboard/test_learn.py` checks that both exist.
"""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """The explanation of a part of the picture."""

    title: str
    text: str
    code: str
    """A file of the repository."""
    name: str
    """A name in that file: a function, `Class.method`, or a table or function in SQL."""
    doc: str
    """A page of the documentation, from the repository's root."""


ONE_ROUND = "docs/explain/one-round.md"
STORAGE = "docs/explain/storage.md"
TABLES = "sql/migrations/0001_training.sql"

PARTS = {
    "coordinator": Explanation(
        "Coordinator",
        "The process that opens and closes rounds. Each run has one, and only it has the optimizer. If it dies, a new "
        "coordinator continues with the same weights.",
        "ganns/coordinator/rounds.py",
        "Rounds.train",
        ONE_ROUND,
    ),
    "version": Explanation(
        "Version",
        "The model after v rounds; version 0 is the initialisation. A round turns version v into v + 1, by one step "
        "along the mean of its results.",
        "ganns/training/state.py",
        "TrainingState.advance",
        ONE_ROUND,
    ),
    "quorum": Explanation(
        "Quorum",
        "The number of results that close the round. Units beyond the quorum are spares, so that one slow laptop does "
        "not delay the class.",
        "ganns/coordinator/rounds.py",
        "Rounds._collect",
        ONE_ROUND,
    ),
    "notify": Explanation(
        "Notification",
        "When a result is stored, PostgreSQL wakes the coordinator. The notification can be lost, so the coordinator "
        "counts the results itself, at least once a second.",
        "ganns/coordinator/connections.py",
        "Connections.wait",
        ONE_ROUND,
    ),
    "database": Explanation(
        "PostgreSQL",
        "All machines connect to PostgreSQL, and none opens a port to another. Changes that belong together are "
        "written in one transaction, so a crash at any moment leaves nothing half done.",
        TABLES,
        "ganns.rounds",
        STORAGE,
    ),
    "versions": Explanation(
        "Versions and weights",
        "The weights are uploaded first, in pieces that no worker reads yet. Then the row of the version makes them "
        "visible, all at once.",
        "ganns/store/weights.py",
        "insert_version",
        STORAGE,
    ),
    "rounds": Explanation(
        "Rounds",
        "One row for each round: the version that its units use, its quorum and its deadline. Storing a result and "
        "closing the round both lock this row, so a result comes either before the closing or after it.",
        "ganns/store/rounds.py",
        "open_round",
        ONE_ROUND,
    ),
    "jobs": Explanation(
        "Units and their jobs",
        "A unit is a slice of images and a seed; a job is its place in the queue. Every worker computes the same "
        "result from it, so any worker may do it, and even twice does no harm.",
        "ganns/coordinator/publisher.py",
        "enqueue",
        "docs/reference/tasks.md",
    ),
    "results": Explanation(
        "Results",
        "The uploads for the open round. The coordinator checks each result and adds the results in the order of the "
        "units, not in the order of arrival.",
        "ganns/coordinator/collector.py",
        "Collector.receive",
        ONE_ROUND,
    ),
    "ledger": Explanation(
        "Ledger",
        "The record of all contributions. It names exactly the results that made a version, and also the late ones: "
        "they count as effort.",
        "ganns/store/results.py",
        "credit",
        "docs/reference/database.md",
    ),
    "worker": Explanation(
        "Worker",
        "A program on a student's machine. It takes a unit, fetches the weights of the version once, loads images from "
        "its own disk, computes, and uploads the result. It may join, leave or crash at any moment.",
        "tasks/gradient.py",
        "gradient",
        "docs/explain/workers.md",
    ),
    "job": Explanation(
        "A unit on its way",
        "A worker claims the unit. From then on, only this attempt may submit its result. If the worker dies, another "
        "worker takes the unit.",
        "tasks/run_cache.py",
        "RunCache.claim",
        ONE_ROUND,
    ),
    "weights": Explanation(
        "The weights of a version",
        "All parameters of both networks. A worker fetches them once in a round, and keeps them for its other units.",
        "tasks/run_cache.py",
        "CachedRun.load_version",
        STORAGE,
    ),
    "result": Explanation(
        "A result",
        "Gradients, or the change of the weights; never images. It is the direction of change for "
        "this slice of images.",
        "tasks/upload.py",
        "ResultUpload.finish",
        "docs/explain/strategies.md",
    ),
    "late": Explanation(
        "A late result",
        "The round was closed without it. It is not applied, because version v + 1 exists already. It is recorded as "
        "effort, and its images come again in the next round.",
        TABLES,
        "ganns_api.submit",
        "docs/explain/faults.md",
    ),
}

MOVING = {
    "job": "a unit",
    "weights": "weights",
    "result": "a result",
    "notification": "a notification",
    "late": "a late result",
}
"""Things that move, with the text of the legend."""

SAME = {"notification": "notify"}
"""A thing that moves, and the part that explains it under another name."""

STEPS = (
    ("Open.", "Version v, the round and its units appear in one transaction."),
    ("Claim.", "A worker takes a unit: a slice of images and a seed."),
    ("Fetch.", "The worker fetches the weights of version v, once."),
    ("Compute.", "The worker loads images from its own disk and computes."),
    ("Submit.", "The worker uploads the result, and the database wakes the coordinator."),
    ("Add.", "The coordinator checks the results and adds them in unit order."),
    ("Step.", "With the quorum complete, one step makes v + 1, and the round closes."),
)

FAULTS = (
    ("requeued", "A worker died.", "After 15 seconds without a heartbeat, another worker takes its unit."),
    ("late", "A result came too late.", "It is not applied, but recorded as effort."),
    ("refused", "A result was refused.", "Its numbers failed the checks, so its unit is computed again."),
    ("skipped", "A unit was set aside.", "Three attempts failed, so the round continues without it."),
)
