"""A class of real processes for the benchmarks that break things: a server, `ganns worker`s, a coordinator."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from ganns.config import Config, to_dict
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.programs import run_program

ROOT = Path(__file__).resolve().parent.parent
ANSWER_S = 120.0


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = ANSWER_S, every_s: float = 0.02) -> None:
    """Poll until `condition` is true.

    Raises:
        SystemExit: with `what`, after `timeout_s` seconds.
    """
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(every_s)


class Worker:
    """`ganns worker`: the supervisor, and the process below it that computes."""

    def __init__(self, name: str, conninfo: str, folder: Path, start: Callable[..., Any], **variables: str) -> None:
        """Start it."""
        self.name, self.conninfo, self.variables = name, conninfo, variables
        self.log = folder / f"{name}.log"
        self.is_stopped = False  # a SIGSTOP of ours is in force
        self._seen: set[psutil.Process] = set()
        own = {"GANNS_DATABASE_URL": conninfo, "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as stream:
            self.supervisor = start(
                [sys.executable, "-m", "ganns", "worker", "--name", name, "--threads", "1"],
                cwd=ROOT,
                env=os.environ | own | variables,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def child(self) -> psutil.Process | None:
        """Return the process that computes: the oldest below the supervisor. None between two processes."""
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.supervisor.pid).children()
            self._seen.update(children)
            running = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
            return min(running, key=lambda one: one.create_time(), default=None)
        return None

    def kill_supervisor(self) -> None:
        """Kill the supervisor alone; its child notices, hands back, and ends."""
        self.child()
        self.supervisor.kill()
        self.supervisor.wait()

    def end(self) -> None:
        """End everything that this worker started."""
        self.child()
        with suppress(ProcessLookupError):
            self.supervisor.send_signal(signal.SIGCONT)
            self.supervisor.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.supervisor.wait(15)
        self.supervisor.kill()
        self.supervisor.wait()
        for process in self._seen:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # knows by the time of its start whether the number is still the same process


class Classroom:
    """Everything of one benchmark."""

    def __init__(self, folder: Path, start: Callable[..., Any] = subprocess.Popen) -> None:
        """Start the server; `folder` takes everything that is written, and `start` starts the other processes."""
        self.folder, self._start = folder, start
        self.server = EmbeddedServer(folder / "pg")
        self.address = self.server.start()
        with connect(self.address) as conn:
            migrate(conn)
        self.workers: list[Worker] = []
        self.ended: list[Worker] = []  # whose supervisor was killed: their processes may still be leaving
        self.coordinator: Any = None
        self._conn: psycopg.Connection[Any] | None = None

    def start_worker(self, name: str, conninfo: str = "", **variables: str) -> Worker:
        """Start one more worker."""
        conninfo = conninfo or self.address.conninfo
        self.workers.append(Worker(name, conninfo, self.folder, self._start, **variables))
        return self.workers[-1]

    def replace(self, worker: Worker) -> None:
        """Start another worker in the place of one whose supervisor has ended. Its old process may be leaving still.

        It gets a name of its own: so nothing that the old process does counts for it.
        """
        self.workers.remove(worker)
        self.ended.append(worker)
        name = f"{worker.name.partition('-')[0]}-{len(self.ended)}"
        self.start_worker(name, worker.conninfo, **worker.variables)

    def start_coordinator(self, config: Config) -> None:
        """Start a coordinator, which takes up what there is if the config says so."""
        with (self.folder / "coordinator.log").open("ab") as log:
            self.coordinator = self._start(
                [sys.executable, "-m", "tests.support.coordinate", json.dumps(to_dict(config))],
                cwd=ROOT,
                env=os.environ | {"GANNS_DATABASE_URL": self.address.conninfo},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill_coordinator(self) -> bool:
        """Kill the coordinator; return whether the kill ended it, and not the coordinator itself."""
        self.coordinator.kill()
        return bool(self.coordinator.wait() == -signal.SIGKILL)

    def stop_server(self, mode: str) -> None:
        """Stop the server: "fast", or "immediate" as in a crash."""
        run_program("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.server.data_dir))
        assert not self.server.is_running()

    def rows(self, statement: str, values: Sequence[object] | None = None) -> list[Any]:
        """Return a statement's rows; while the server is away, try again."""
        return self.with_connection(lambda conn: conn.execute(statement, values).fetchall())  # type: ignore[call-overload]

    def with_connection(self, use: Callable[[psycopg.Connection[Any]], Any]) -> Any:
        """Call `use` with a connection; again with another one when it is lost."""
        until = time.monotonic() + ANSWER_S
        while True:
            try:
                if self._conn is None or self._conn.closed or self._conn.broken:
                    self._conn = psycopg.connect(self.address.conninfo, autocommit=True, connect_timeout=5)
                return use(self._conn)
            except psycopg.OperationalError:
                if self._conn is not None:
                    self._conn.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """End every process."""
        for worker in (*self.workers, *self.ended):
            worker.end()
        if self.coordinator is not None:
            self.coordinator.kill()
            self.coordinator.wait()
        if self._conn is not None:
            self._conn.close()
        self.server.stop()


@contextmanager
def classroom(prefix: str, start: Callable[..., Any] = subprocess.Popen) -> Iterator[Classroom]:
    """Yield a class with a server and nothing else; keep its logs when something fails."""
    folder = Path(tempfile.mkdtemp(prefix=f"ganns-{prefix}-"))
    os.environ["GANNS_HOME"], os.environ["OMP_NUM_THREADS"] = str(folder / "home"), "1"
    for name in [name for name in os.environ if name.startswith("PG") or name == "GANNS_DATABASE_URL"]:
        del os.environ[name]
    room = Classroom(folder, start)
    try:
        yield room
    except BaseException:
        print(f"The logs are in {folder}", flush=True)
        room.close()
        raise
    room.close()
    shutil.rmtree(folder, ignore_errors=True)
