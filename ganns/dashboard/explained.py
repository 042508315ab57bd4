"""What the Learn page says: the parts of a round, its steps, and what can go wrong.

Each part names a place in the code and a page to read; `tests/dashboard/test_learn.py` holds that both exist.
"""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """A part of the picture, explained."""

    title: str
    text: str
    code: str
    """A file of the repository."""
    name: str
    """What to look for there: a function, `Class.method`, or a table or function in SQL."""
    doc: str
    """A page of the documentation, from the repository's root."""


ONE_ROUND = "docs/explain/one-round.md"
STORAGE = "docs/explain/storage.md"
TABLES = "sql/migrations/0001_training.sql"

PARTS = {
    "coordinator": Part(
        "Coordinator",
        "The process that opens and closes rounds. It alone owns the optimizer, and there is one for each run. If "
        "it dies, the next one goes on with the same weights.",
        "ganns/coordinator/rounds.py",
        "Rounds.train",
        ONE_ROUND,
    ),
    "version": Part(
        "Version",
        "The model after so many rounds; version 0 is the initialisation. A round turns version v into v + 1, by "
        "one step along the mean of its results.",
        "ganns/training/state.py",
        "TrainingState.advance",
        ONE_ROUND,
    ),
    "quorum": Part(
        "Quorum",
        "How many results close the round. The units beyond it are spares, so that one slow laptop does not hold "
        "the class up.",
        "ganns/coordinator/rounds.py",
        "Rounds._collect",
        ONE_ROUND,
    ),
    "notify": Part(
        "Notification",
        "When a result is stored, PostgreSQL wakes the coordinator. It is a hint and may be lost: so the "
        "coordinator counts the results itself, and looks at least once a second.",
        "ganns/coordinator/connections.py",
        "Connections.wait",
        ONE_ROUND,
    ),
    "database": Part(
        "PostgreSQL",
        "The only thing that anybody talks to: no machine opens a port to another. What belongs together is "
        "written in one transaction, so that a crash at any moment leaves nothing half done.",
        TABLES,
        "ganns.rounds",
        STORAGE,
    ),
    "versions": Part(
        "Versions and weights",
        "The weights are uploaded before, in pieces that nobody looks at. The row of the version makes them "
        "visible, all at once.",
        "ganns/store/weights.py",
        "insert_version",
        STORAGE,
    ),
    "rounds": Part(
        "Rounds",
        "One row for each round: which version its units compute with, its quorum and its deadline. A result and "
        "the closing of the round both lock this row, so that a result comes either before the closing or after "
        "it.",
        "ganns/store/rounds.py",
        "open_round",
        ONE_ROUND,
    ),
    "jobs": Part(
        "Units and their jobs",
        "A unit is a slice of images and a seed; a job is its place in the queue. Any worker computes the same "
        "result from it, so it does not matter who does, or how often.",
        "ganns/coordinator/publisher.py",
        "enqueue",
        "docs/reference/tasks.md",
    ),
    "results": Part(
        "Results",
        "What workers uploaded for the open round. The coordinator checks each one and adds them in the order of "
        "the units, whatever order they came in.",
        "ganns/coordinator/collector.py",
        "Collector.receive",
        ONE_ROUND,
    ),
    "ledger": Part(
        "Ledger",
        "Who computed what. It names exactly the results that a version was made of, and also those that came too "
        "late: effort is never forgotten.",
        "ganns/store/results.py",
        "credit",
        "docs/reference/database.md",
    ),
    "worker": Part(
        "Worker",
        "A student's machine. It takes a unit, fetches the weights of the version once, loads the images from its "
        "own disk, computes, and uploads the result. It may come, go, or crash at any moment.",
        "tasks/gradient.py",
        "gradient",
        "docs/explain/workers.md",
    ),
    "job": Part(
        "A unit on its way",
        "A worker claims the unit: from then on only this attempt may submit a result for it. If the worker dies, "
        "another one takes the unit.",
        "tasks/run_cache.py",
        "RunCache.claim",
        ONE_ROUND,
    ),
    "weights": Part(
        "The weights of a version",
        "All the numbers of both networks. A worker fetches them once a round, and keeps them for its further units.",
        "tasks/run_cache.py",
        "CachedRun.load_version",
        STORAGE,
    ),
    "result": Part(
        "A result",
        "Gradients, or how far the weights moved; never images. It says in which direction this slice of images pulls.",
        "tasks/run_cache.py",
        "RunCache.submit",
        "docs/explain/strategies.md",
    ),
    "late": Part(
        "A result that came too late",
        "The round was closed without it. It is not applied, since version v + 1 exists already; it is recorded as "
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
"""What moves, with the words of the legend."""

SAME = {"notification": "notify"}
"""The parts that explain what moves under another name."""

STEPS = (
    ("Open.", "Version v, the round and its units appear in one transaction."),
    ("Claim.", "A worker takes a unit: a slice of images and a seed."),
    ("Fetch.", "It fetches the weights of version v, once."),
    ("Compute.", "It loads its own images from its disk and computes."),
    ("Submit.", "It uploads the result, and the database wakes the coordinator."),
    ("Add.", "The coordinator checks the results and adds them in unit order."),
    ("Step.", "The quorum is there: one step makes v + 1, and the round is closed."),
)

FAULTS = (
    ("requeued", "A worker died.", "It sends no sign of life for 15 seconds, and another one takes its unit."),
    ("late", "A result came too late.", "It is not applied, but the ledger keeps the effort."),
    ("refused", "A result was refused.", "Its numbers cannot be right, and its unit is computed again."),
    ("skipped", "A unit was set aside.", "Three attempts failed, and the round goes on without it."),
)
