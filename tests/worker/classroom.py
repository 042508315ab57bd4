"""A class for the fault tests: a server of its own that may be stopped and killed, a coordinator, workers, a ledger."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg

from ganns.config import Config, QuorumConfig, StopConfig
from ganns.db.address import Address
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.programs import run_program
from tests.support import warm
from tests.support.coordinators import Coordinator
from tests.support.databases import copy_cluster
from tests.support.fakes import tiny
from tests.support.helpers import ROOT, wait_until
from tests.support.invariants import broken

BACK_S = 10 + 80
"""What is promised is 10 s; the rest is for a test machine that does something else at the time."""


def endless(rounds: int = 100_000, **changes: Any) -> Config:
    """Return a run of which a test sees only the beginning."""
    return tiny(quorum=QuorumConfig(units=2), stop=StopConfig(rounds=rounds), **changes)


class Server:
    """An embedded server of the test's own, migrated."""

    def __init__(self, home: Path, **options: Any) -> None:
        copy_cluster(home / "pg")
        self._embedded = EmbeddedServer(home / "pg", **options)
        self.address = self._embedded.start()

    @property
    def embedded(self) -> EmbeddedServer:
        return self._embedded

    def start(self) -> None:
        self._embedded.start()

    def stop(self, mode: str = "fast") -> None:
        done = run_program("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self._embedded.data_dir))
        assert done.returncode == 0
        assert not self._embedded.is_running()


class WorkerProcess:
    """`ganns worker` as a user starts it: the supervisor, whose child computes."""

    def __init__(
        self, address: Address, folder: Path, name: str, app: str = "", queues: str = "", **variables: str
    ) -> None:
        self.name, self._log = name, folder / f"{name}.log"
        environment = os.environ | {
            "GANNS_DATABASE_URL": address.conninfo,
            "GANNS_WORKER_NAME": name,
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        with self._log.open("ab") as stream:
            self.process = warm.start(
                [
                    *(sys.executable, "-m", "ganns", "worker", "--name", name, "--threads", "1"),
                    *(("--app", app) if app else ()),
                    *(("--queues", queues) if queues else ()),
                ],
                cwd=ROOT,
                env=environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def child(self) -> int | None:
        """Return the worker process's number, once it has one (our own, not a shell's)."""
        with suppress(OSError):
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            for pid in path.read_text().split():
                if b"ganns.worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return int(pid)
        return None

    def kill_child(self, number: int = signal.SIGKILL) -> int:
        """Send the child a signal; return its number."""
        wait_until(self.child, what="a child")
        pid = self.child()
        assert pid is not None
        os.kill(pid, number)
        return pid

    def joined(self) -> int:
        """Return how often a child has joined."""
        return len(re.findall("joined as worker", self.log))

    def wait_joined(self, times: int = 1) -> None:
        wait_until(lambda: self.joined() >= times, 120, lambda: f"{self.name} to join: {self.log[-500:]}")

    def end(self) -> None:
        for number in (signal.SIGCONT, signal.SIGINT):
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            if pid := self.child():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()


class Classroom:
    """Everything of one test; ends with it."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._stack = ExitStack()
        self.workers: list[WorkerProcess] = []
        self.coordinators: list[Coordinator] = []
        self._conn: psycopg.Connection[Any] | None = None

    def worker(
        self, name: str | None = None, address: Address | None = None, app: str = "", **variables: str
    ) -> WorkerProcess:
        """Start a worker."""
        name = name or f"w{len(self.workers)}"
        self.workers.append(WorkerProcess(address or self.server.address, self.folder, name, app, **variables))
        return self.workers[-1]

    def coordinate(self, config: Config | None = None) -> Coordinator:
        """Start a coordinator in a thread."""
        self.coordinators.append(Coordinator(self.server.address, config or endless()))
        return self.coordinators[-1]

    def rounds(self) -> int:
        """Return how many rounds the coordinator closed so far."""
        return len(self.coordinators[-1].reports)

    def wait_rounds(self, more: int = 3, timeout_s: float = BACK_S) -> None:
        """Wait for `more` rounds from now on: work goes on."""
        until = self.rounds() + more
        wait_until(
            lambda: self.rounds() >= until or self.coordinators[-1].error,
            timeout_s,
            lambda: f"{more} more rounds: {self.logs()}",
        )
        self.check_coordinators()

    def wait_works(self, worker: WorkerProcess, timeout_s: float = BACK_S) -> None:
        """Wait until `worker` is credited with something new: it works, not only others."""
        before = self.credit(worker.name)
        wait_until(
            lambda: self.credit(worker.name) > before or any(one.error for one in self.coordinators),
            timeout_s,
            lambda: f"{worker.name} to work again: {self.logs()}",
            every_s=0.1,
        )
        self.check_coordinators()

    def check_coordinators(self) -> None:
        """None may have ended with an error: without it, no worker would work."""
        for one in self.coordinators:
            if one.error is not None:
                raise AssertionError(f"a coordinator ended; it said {one.said}") from one.error

    def credit(self, name: str) -> int:
        """Return the units of a worker in the ledger, late ones included; -1 while there is no server."""
        try:
            return int(
                self.one(
                    "SELECT count(*) FROM ganns.ledger l JOIN ganns.workers w ON w.id = l.worker_id WHERE w.name = %s",
                    name,
                )[0]
            )
        except Exception:
            return 1 << 60 if self.server is None else -1

    def one(self, statement: str, *values: Any) -> Any:
        """Run a statement of the test's and return its row; the connection is kept while the server is the same."""
        if self._conn is not None:
            with suppress(psycopg.OperationalError):
                return self._fetch(self._conn, statement, values)
            self._conn.close()
            self._conn = None
        self._conn = psycopg.connect(self.server.address.conninfo, autocommit=True, connect_timeout=5)
        return self._fetch(self._conn, statement, values)

    @staticmethod
    def _fetch(conn: psycopg.Connection[Any], statement: str, values: tuple[Any, ...]) -> Any:
        cursor = conn.execute(statement, values or None)  # type: ignore[call-overload]
        return cursor.fetchone() if cursor.description else None

    def check_ledger(self) -> None:
        """No unit counts twice, and credit, rounds and the run's own count agree (after the coordinator ended)."""
        with psycopg.connect(self.server.address.conninfo, autocommit=True) as conn:
            check_ledger(conn)

    def logs(self) -> str:
        said = [f"--- coordinator, after {len(one.reports)} rounds: {one.said[-5:]}" for one in self.coordinators]
        return "\n".join([*said, *(f"--- {one.name}\n{one.log[-1500:]}" for one in self.workers)])

    def close(self) -> None:
        for coordinator in self.coordinators:
            coordinator.stop.set()
        for worker in self.workers:
            worker.end()
        for coordinator in self.coordinators:
            coordinator.thread.join(60)
        if self._conn is not None:
            self._conn.close()


def check_ledger(conn: psycopg.Connection[Any]) -> None:
    """Assert what must hold in the database, by SQL."""
    assert broken(conn) == {}


def events(log: str) -> list[dict[str, Any]]:
    """Return the JSON lines of a log."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
