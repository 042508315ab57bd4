"""Evaluations: their metrics, and the networks with which workers compute them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from ganns.db.connect import Connection
from ganns.db.pieces import Pace
from ganns.db.queries import execute
from ganns.errors import WeightsMissing
from ganns.store.downloads import Download
from ganns.training.serialization import digest, split

TASK, QUEUE = "evaluate", "evaluations"
"""The name of the task that computes a part of an evaluation, and its queue."""


def put_generator(conn: Connection, run_id: int, generation: int | None, data: bytes | bytearray) -> UUID:
    """Store the averaged generator to evaluate, in one transaction; return the evaluation's name."""
    evaluation, chunks, found = uuid4(), split(data), digest(data)
    with conn.transaction():
        for number, chunk in enumerate(chunks):
            execute(
                conn,
                "put_generator_chunk",
                evaluation=evaluation,
                chunk=number,
                num_chunks=len(chunks),
                run_id=run_id,
                generation=generation,
                digest=found,
                data=chunk,
            )
    return evaluation


def forget_generator(conn: Connection, evaluation: UUID) -> None:
    """Delete an evaluation's generator; a worker that asks for it later ends its part."""
    execute(conn, "delete_generator", evaluation=evaluation)


def forget_left_generators(conn: Connection, run_id: int, generation: int) -> None:
    """Delete generators that coordinators before `generation` left, and all that are hours old."""
    execute(conn, "delete_left_generators", run_id=run_id, generation=generation)


def generator_download(evaluation: str, pace: Pace | None = None) -> Download:
    """Return the download of the generator under evaluation; it raises WeightsMissing once the evaluation is over."""
    return Download("api_evaluated_generator", {"evaluation": evaluation}, pace)


def put_feature_network(conn: Connection, run_id: int, data: bytes | bytearray, accuracy: float) -> None:
    """Store the run's feature network, unless it has one."""
    execute(conn, "put_feature_network", run_id=run_id, accuracy=accuracy, digest=digest(data), data=data)


def feature_network_download(run_id: int, pace: Pace | None = None) -> Download:
    """Return the download of the run's feature network; it raises WeightsMissing if the run has none yet."""
    return Download("api_feature_network", {"run_id": run_id}, pace)


def stored_feature_network(conn: Connection, run_id: int) -> tuple[bytes, str] | None:
    """Return (bytes, digest) of the run's feature network; None if it has none yet."""
    found = feature_network_download(run_id)
    try:
        found.run(conn)
    except WeightsMissing:
        return None
    return found.result()


def put_evaluation(
    conn: Connection,
    run_id: int,
    version: int,
    *,
    features: str,
    images: int,
    metrics: dict[str, float],
    seconds: float,
) -> None:
    """Store the metrics of a version."""
    execute(
        conn,
        "put_evaluation",
        run_id=run_id,
        version=version,
        features=features,
        images=images,
        metrics=Jsonb(metrics),
        seconds=seconds,
    )


def list_evaluations(conn: Connection, run_id: int) -> list[dict[str, Any]]:
    """Return {version, features, images, metrics, seconds, at} of each evaluation, in order."""
    return execute(conn, "list_evaluations", run_id=run_id).fetchall()


def went_back_at(conn: Connection, run_id: int) -> int | None:
    """Return the version with which the run went back to an earlier one's weights; None if it never did."""
    row = execute(conn, "went_back_at", run_id=run_id).fetchone()
    return row["went_back_at_version"] if row else None


def set_went_back(conn: Connection, run_id: int, version: int) -> None:
    """Store that the run went back with `version`; part of the caller's transaction."""
    execute(conn, "set_went_back", run_id=run_id, version=version)
