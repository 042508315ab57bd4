"""Students with a login of their own, on the test's database; and a worker by hand that has only a student's rights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from psycopg.conninfo import make_conninfo

from ganns.config import StopConfig
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.queries import execute
from ganns.store import students, worker_api
from ganns.store.students import NewLogin
from tests.support.fakes import FakeWorker, Job, tiny
from tests.support.helpers import wait_until


def open_round(coordinate, conn: Connection, **changes) -> int:
    """Open a round that stays as it is: the coordinator has left. Return the run."""
    coordinator = coordinate(tiny(stop=StopConfig(rounds=1000), **changes))
    wait_until(lambda: conn.execute("SELECT 1 FROM ganns.rounds").fetchone(), what="a round")
    coordinator.stop.set()
    coordinator.join()
    assert coordinator.run_id is not None
    return coordinator.run_id


@dataclass
class Student:
    """A student with the address that the line has."""

    new: NewLogin
    address: Address

    @property
    def login(self) -> str:
        return self.new.login


@pytest.fixture
def enrol(conn: Connection, database: Address) -> Iterator[Callable[..., Student]]:
    """Return a function that adds a student; roles belong to the whole server, so all are removed afterwards."""
    made: list[Student] = []

    def add(label: str, max_workers: int = 4) -> Student:
        new = students.add(conn, label, max_workers=max_workers)
        conninfo = make_conninfo(database.conninfo, user=new.login, password=new.password)
        made.append(Student(new, Address(conninfo, "the tests")))
        return made[-1]

    yield add
    conn.execute("RESET ROLE")
    for one in made:
        if students.find(conn, one.login) is not None:
            students.remove(conn, one.login)


@dataclass
class StudentWorker(FakeWorker):
    """A fake worker that calls what the job manager calls: procrastinate's own functions are not for students."""

    def __post_init__(self) -> None:
        """Connect and register, as a starting worker does."""
        self.conn = connect(self.address, application=self.name)
        try:
            self._register()
        except BaseException:
            self.conn.close()
            raise

    def _register(self) -> None:
        self.id = self.one("SELECT worker_id FROM procrastinate_register_worker_v1()")["worker_id"]
        execute(
            self.conn,
            "tasks_register",
            worker_id=self.id,
            name=self.name,
            abilities=[],
            memory_mb=0,
            tasks=["gradient", "evaluate"],
            rules="[]",
            prepares="{}",
        )
        worker_api.register(self.conn, self.id, self.name, {})

    def fetch(self) -> Job | None:
        """Take the next job."""
        self.beat()
        row = execute(self.conn, "tasks_fetch", queues=None, worker_id=self.id).fetchone()
        assert row is not None
        arguments = json.loads(row["args"]) if isinstance(row["args"], str) else row["args"]
        return Job(row["id"], row["attempts"], arguments) if row["id"] is not None else None

    def finish(self, job: Job, status: str = "succeeded") -> None:
        """End the job, as the job manager does for its holder."""
        assert self.end(job, status)

    def end(self, job: Job, status: str = "succeeded") -> bool:
        """Like `finish`; return the server's answer."""
        statement = "SELECT ganns_api.task_finish(%s, %s, %s, false, %s, NULL, NULL, NULL, NULL, false, 60) AS ended"
        state = {"succeeded": "SUCCESS", "failed": "FAILURE"}[status]
        return bool(self.one(statement, job.id, job.attempt, status, state)["ended"])
