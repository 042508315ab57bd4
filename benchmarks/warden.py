"""Measure what a tick of the warden costs, and how many ticks it needs to end an attack.

    python -m benchmarks.warden

A new embedded server with a class's number of students' sessions. The tick runs on an open connection, as in the
coordinator, once a second. The last line is one JSON object; times are in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks.lesson import Lesson
from ganns.coordinator.connections import connect_own
from ganns.coordinator.warden import Warden
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer


def tick_ms(warden: Warden, conn: Connection) -> float:
    begun = time.perf_counter()
    warden.tick(conn)
    return 1000 * (time.perf_counter() - begun)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--sessions", type=int, default=3, help="of each student: a worker has about three")
    parser.add_argument("--ticks", type=int, default=200)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        server = stack.enter_context(EmbeddedServer(folder / "pg"))
        address = server.address
        owner = stack.enter_context(connect(address))
        migrate(owner)
        Lesson(owner, num_workers=arguments.students, units=arguments.students, spares=0).past(3)
        for number in range(arguments.students):
            login = sql.Identifier(f"s{number:02}")
            owner.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE ganns_student").format(login))
            theirs = Address(make_conninfo(address.conninfo, user=f"s{number:02}"), "the benchmark")
            for _ in range(arguments.sessions):
                stack.enter_context(connect(theirs))
        own = stack.enter_context(connect_own(address, 1, "warden", 0.25, prepare=True))
        warden = Warden(1, print)
        warden.begin(own)
        times = [tick_ms(warden, own) for _ in range(arguments.ticks)]
        locker = stack.enter_context(connect(server.superuser_address))  # others may take no advisory lock
        locker.execute("SELECT pg_advisory_lock(n) FROM generate_series(1, 50000) n")
        with_locks = [tick_ms(warden, own) for _ in range(5)]
    print(
        json.dumps(
            {
                "students": arguments.students,
                "sessions": arguments.students * arguments.sessions,
                "tick_ms": round(statistics.median(times), 3),
                "tick_ms_p95": round(statistics.quantiles(times, n=20)[-1], 3),
                "tick_ms_with_50000_locks": round(statistics.median(with_locks), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
