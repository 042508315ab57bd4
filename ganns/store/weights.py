"""Versions, their weights in chunks, and checkpoints.

A version's weights are uploaded first, over several connections. One small row makes them visible; the transaction
that opens the next round inserts it. Without that row no reader finds the weights. The same transaction stores where
else they are, if a store has them, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from typing import NamedTuple

from ganns.db.connect import Connection
from ganns.db.queries import execute
from ganns.training.chain import LONGEST
from ganns.training.serialization import digest, split


def upload_weights(
    conns: Sequence[Connection],
    pool: Executor,
    run_id: int,
    version: int,
    generation: int,
    data: bytes | bytearray,
    name: str = "put_weights_chunk",
) -> int:
    """Upload `data` in chunks by the query `name`, divided among the connections; return the number of chunks."""
    chunks = list(enumerate(split(data)))

    def upload(conn: Connection, share: list[tuple[int, memoryview]]) -> None:
        with conn.transaction() if len(share) > 1 else nullcontext():  # one statement is a transaction by itself
            for number, chunk in share:
                execute(
                    conn,
                    name,
                    run_id=run_id,
                    version=version,
                    generation=generation,
                    chunk=number,
                    data=chunk,
                )

    shares = [(conn, chunks[k :: len(conns)]) for k, conn in enumerate(conns) if k < len(chunks)]
    jobs = [pool.submit(upload, conn, share) for conn, share in shares[1:]]
    upload(*shares[0])  # on this thread, which would only wait otherwise
    for job in jobs:
        job.result()
    return len(chunks)


def upload_link(
    conns: Sequence[Connection], pool: Executor, run_id: int, version: int, generation: int, data: bytes | bytearray
) -> None:
    """Upload the link to a version, as `upload_weights` does its weights."""
    upload_weights(conns, pool, run_id, version, generation, data, "put_link_chunk")


def insert_version(
    conn: Connection,
    run_id: int,
    version: int,
    generation: int,
    *,
    num_chunks: int,
    size: int,
    digest: str,
    state_digest: str | None,
    link: tuple[str, int] | None = None,
) -> None:
    """Make an uploaded version visible; part of the caller's transaction.

    Args:
        conn: a connection.
        run_id: the run.
        version: its number.
        generation: of the coordinator that uploaded it.
        num_chunks: of the weights.
        size: of the weights, in bytes.
        digest: of the weights.
        state_digest: of the whole state; None if the version was published before, and only its weights come again.
        link: the digest of the weights that the uploaded link starts from, and its bytes; None: there is none.
    """
    link_from, link_bytes = link or (None, None)
    execute(
        conn,
        "insert_version",
        run_id=run_id,
        version=version,
        generation=generation,
        num_chunks=num_chunks,
        size_bytes=size,
        digest=digest,
        state_digest=state_digest,
        link_from=link_from,
        link_bytes=link_bytes,
    )


class Blob(NamedTuple):
    """Weights outside the database: their SHA-256 in hexadecimal, and their addresses, the first to try first."""

    sha256: str
    addresses: list[str]


def set_places(conn: Connection, run_id: int, version: int, generation: int, blob: Blob | None) -> None:
    """Store where else an uploaded version's weights are, None for nowhere; part of the caller's transaction."""
    if blob is None:
        execute(conn, "no_weight_places", run_id=run_id, version=version)
    else:
        key = {"run_id": run_id, "version": version, "generation": generation}
        execute(conn, "set_weight_places", **key, sha256=blob.sha256, addresses=blob.addresses)


def forget_places(conn: Connection, run_id: int, version: int, generation: int, keep: int) -> int | None:
    """Forget where else old versions' weights are, and return the oldest version whose blob is still needed.

    Needed are the last `keep` versions up to `version`, and all that an open round needs. None means that another
    coordinator has taken the run over: then nothing may be deleted.
    """
    row = execute(
        conn,
        "forget_weight_places",
        run_id=run_id,
        generation=generation,
        before_version=version - keep + 1,
    ).fetchone()
    return None if row is None else int(row["oldest"])


def state_digest(conn: Connection, run_id: int, version: int) -> str | None:
    """Return the digest of a version's whole state; None if it was not published, or is undone."""
    row = execute(conn, "state_digest", run_id=run_id, version=version).fetchone()
    return row["state_digest"] if row else None


def weights_complete(conn: Connection, run_id: int, version: int) -> bool:
    """Tell whether all chunks of a version are there (a crash of the server empties the UNLOGGED table)."""
    row = execute(conn, "count_weights_chunks", run_id=run_id, version=version).fetchone()
    return row is not None and row["num_chunks"] == row["num_found"]


def forget_weights(conn: Connection, run_id: int, version: int, generation: int, keep: int) -> None:
    """Delete weights, but keep the last `keep` versions up to `version` and all that an open round needs.

    Of their links the last `LONGEST` stay: more of them are never fewer bytes than a whole version.
    """
    execute(
        conn,
        "delete_old_weights",
        run_id=run_id,
        version=version,
        generation=generation,
        before_version=version - keep + 1,
    )
    execute(
        conn, "delete_old_links", run_id=run_id, generation=generation, before_version=version - max(keep, LONGEST) + 1
    )


def put_checkpoint(conn: Connection, run_id: int, version: int, data: bytes) -> bool:
    """Store a full state and delete the earlier ones, except the best version's, in one transaction.

    Returns:
        False, and nothing is stored, if this is not the state of the run's version: the run went on elsewhere.
    """
    with conn.transaction():
        stored = _put_checkpoint(conn, run_id, version, data)
        if stored:
            execute(conn, "delete_old_checkpoints", run_id=run_id)
    return stored


def put_best_checkpoint(conn: Connection, run_id: int, version: int, data: bytes) -> bool:
    """Store the full state of the best version so far, and delete the best one before, in one transaction.

    Returns:
        False, and nothing is stored, if this is not the state of the run's version: the run went on elsewhere.
    """
    with conn.transaction():
        stored = _put_checkpoint(conn, run_id, version, data)
        if stored:
            execute(conn, "set_best_version", run_id=run_id, version=version)
            execute(conn, "delete_old_checkpoints", run_id=run_id)
    return stored


def _put_checkpoint(conn: Connection, run_id: int, version: int, data: bytes) -> bool:
    chunks, found = split(data), digest(data)
    for number, chunk in enumerate(chunks):
        stored = execute(
            conn,
            "put_checkpoint_chunk",
            run_id=run_id,
            version=version,
            chunk=number,
            num_chunks=len(chunks),
            digest=found,
            data=chunk,
        ).fetchone()
        if stored is None:
            return False
    return True


def latest_checkpoint(conn: Connection, run_id: int) -> tuple[int, str, bytes] | None:
    """Return (version, digest, state) of the newest complete checkpoint."""
    return _get_checkpoint(conn, run_id, best=False)


def best_checkpoint(conn: Connection, run_id: int) -> tuple[int, str, bytes] | None:
    """Return (version, digest, state) of the best evaluated version; None if no version was evaluated."""
    return _get_checkpoint(conn, run_id, best=True)


def find_checkpoint(conn: Connection, run_id: int, *, best: bool = False) -> tuple[int, str] | None:
    """Return (version, digest) of the newest complete checkpoint, or of the best evaluated version."""
    row = execute(conn, "best_checkpoint" if best else "latest_checkpoint", run_id=run_id).fetchone()
    return None if row is None else (row["version"], row["digest"])


def read_checkpoint(conn: Connection, run_id: int, version: int, digest: str) -> bytes:
    """Return the state of a checkpoint; fewer bytes than it had if it was deleted meanwhile."""
    chunks = execute(conn, "get_checkpoint", run_id=run_id, version=version, digest=digest)
    return b"".join(chunk["data"] for chunk in chunks)


def _get_checkpoint(conn: Connection, run_id: int, *, best: bool) -> tuple[int, str, bytes] | None:
    found = find_checkpoint(conn, run_id, best=best)
    return None if found is None else (*found, read_checkpoint(conn, run_id, *found))


def undo_versions(conn: Connection, run_id: int, version: int) -> None:
    """Go back to `version`: mark later versions and their credit as undone, and delete later rounds."""
    execute(conn, "undo_versions", run_id=run_id, version=version)


def vacuum(conn: Connection) -> None:
    """Make the space of deleted blobs usable again; it cannot run in a transaction."""
    execute(conn, "vacuum_blobs")
