"""Random arguments of every function that a worker may call, and random notifications, on a real server.

A function takes them, or refuses them with an error for its caller; the run's coordinator, which listens, goes on.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from psycopg import sql

from ganns.config import QuorumConfig, StopConfig
from ganns.db.connect import Connection, connect
from ganns.store import results
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.fuzz import inputs
from tests.support.fakes import tiny

SECONDS = float(os.environ.get("GANNS_FUZZ_S") or 60) / 20
"""About the share of one of the targets of `test_fuzz`."""
REFUSED = ("22", "23", "42", "54", "P0", "0A", "55")
"""The classes of a refusal: odd data, a constraint, rights or types, too complex, our own, not supported, not in order.
Not among them: an internal error (XX), a lost connection (08), a statement that took too long (57)."""


class Function(NamedTuple):
    """A function of the schema for workers."""

    name: str
    types: tuple[str, ...]


FUNCTIONS = """
    SELECT p.proname, (SELECT array_agg(format_type(t, NULL) ORDER BY n)
                       FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS x (t, n))
    FROM pg_proc p WHERE p.pronamespace = 'ganns_api'::regnamespace AND p.prokind = 'f' ORDER BY p.oid"""


def literal(value: Any, kind: str) -> str | None:
    """Return a value as a text that the server is to read as this type."""
    if value is None:
        return None
    if kind == "bytea":
        return "\\x" + str(value).encode("utf-8", "replace").hex()
    if isinstance(value, float) and math.isinf(value):
        return "-Infinity" if value < 0 else "Infinity"
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")


def arguments(kind: str, known: list[int]) -> st.SearchStrategy[str | None]:
    """Draw an argument of a type: mostly one that it may have, with the numbers that are in the tables."""
    plain: st.SearchStrategy[Any] = inputs.scalars | inputs.json_texts
    if kind.endswith("[]"):
        return st.lists(st.sampled_from(["1", "NULL", "x", "-5", '"a b"']), max_size=4).map(
            lambda many: f"{{{','.join(many)}}}"
        )
    if kind in ("bigint", "integer", "smallint"):
        plain = st.sampled_from(known) | st.integers(-2, 3) | st.integers(-(2**63), 2**63) | inputs.numbers
    elif kind == "double precision":
        plain = st.floats() | st.sampled_from([1e300, math.nan, math.inf, 0.5]) | inputs.numbers
    elif kind == "boolean":
        plain = st.booleans()
    elif kind in ("json", "jsonb"):
        plain = inputs.json_texts
    return plain.map(lambda value: literal(value, kind))


def call(conn: Connection, function: Function, values: list[str | None]) -> bool:
    """Call a function, and undo what it did; tell whether it took the arguments."""
    casts = sql.SQL(", ").join(sql.SQL("%s::text::{}").format(sql.SQL(kind)) for kind in function.types)
    statement = sql.SQL("SELECT * FROM ganns_api.{}({})").format(sql.Identifier(function.name), casts)
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(statement, values).fetchall()
            results.list_results(conn, 1, 0)  # what the coordinator reads next
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in REFUSED:
            error.add_note(f"ganns_api.{function.name} with {values}")
            raise
        return False
    return True


@pytest.mark.parametrize(
    "seconds", [pytest.param(2.0, id="a few"), pytest.param(SECONDS, id="many", marks=pytest.mark.slow)]
)
def test_what_workers_send_to_the_database(coordinate, join, database, conn, seconds, capsys):
    coordinator, worker = coordinate(tiny(quorum=QuorumConfig(units=1), stop=StopConfig(rounds=1))), join()
    job = wait_for_job(worker)
    config, result = worker.compute(worker.claim(job))
    for role in result.parts:
        results.put_part(conn, job.id, job.attempt, role, b"replaced below")
    functions = [Function(name, tuple(kinds or ())) for name, kinds in conn.execute(FUNCTIONS).fetchall()]
    assert {"submit", "claim", "fail_unit", "put_part", "task_finish", "register"} <= {one.name for one in functions}
    known = [job.id, job.attempt, worker.id, 1]
    drawn = st.sampled_from(functions).flatmap(
        lambda one: st.tuples(st.just(one), st.tuples(*(arguments(kind, known) for kind in one.types)).map(list))
    )
    taken: dict[str, int] = {}
    refused = notified = 0
    until, number = time.monotonic() + seconds, 0 if seconds == 2.0 else time.time_ns() % 10**9
    with connect(database, application="fuzz") as fuzz:
        fuzz.execute("SET statement_timeout = '10s'")

        @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(drawn, inputs.json_texts | inputs.hints, st.sampled_from(["ganns_run_1", "procrastinate_any_queue_v1"]))
        def check(one: tuple[Function, list[str | None]], text: str, channel: str) -> None:
            nonlocal refused, notified
            if call(fuzz, *one):
                taken[one[0].name] = taken.get(one[0].name, 0) + 1
            else:
                refused += 1
            payload = literal(text, "text")[:1000]
            fuzz.execute("SELECT pg_notify(%s, %s)", (channel, payload))
            notified += 1

        while time.monotonic() < until:
            number += 1
            worker.beat()  # a silent worker's job would be given to another one
            seed(number)(check)()
    assert taken
    assert refused
    assert coordinator.thread.is_alive(), coordinator.error
    assert worker.submit(job, config, result) == "stored"
    worker.finish(job)
    finish_run(coordinator, worker)
    with capsys.disabled():
        calls = sum(taken.values()) + refused
        print(f"\nfuzz: database functions: {calls:,} calls, {refused:,} refused, {notified:,} notifications", end="")
