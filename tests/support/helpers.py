"""Tools that several test files use."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ganns.db.address import Address
from tests.support import warm

ROOT = Path(__file__).resolve().parents[2]


def wait_until(
    predicate: Callable[[], object],
    timeout_s: float = 60,
    what: str | Callable[[], str] = "a condition",
    every_s: float = 0.01,
) -> None:
    """Poll until `predicate` is true; fail with `what` after `timeout_s` seconds.

    Choose `timeout_s` long enough for a machine that is busy with other work. A function as `what` is called at the
    failure, so that it can add logs to the message. Give a predicate that needs a connection a larger `every_s`, so
    that it does not slow down the processes for which it waits.
    """
    until = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < until, f"waited {timeout_s} s for {what if isinstance(what, str) else what()}"
        time.sleep(every_s)


def spawn_worker(
    address: Address, log: Path, name: str = "w", command: list[str] | None = None, module: str = "tasks"
) -> warm.Process:
    """Start the stock `procrastinate` worker of one thread, of the module's app, in a session of its own."""
    environment = os.environ | {
        "GANNS_DATABASE_URL": address.conninfo,
        "GANNS_WORKER_NAME": name,
        "OMP_NUM_THREADS": "1",
    }
    command = command or [sys.executable, "-m", "procrastinate", f"--app={module}.app", "worker"]
    with log.open("ab") as stream:
        return warm.start(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)


def free_port() -> int:
    """Return a free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def workers(address: Address, num: int, folder: Path, module: str = "tasks") -> Iterator[list[warm.Process]]:
    """Run `num` stock workers; print what they logged if the test fails."""
    logs = [folder / f"worker-{number}.log" for number in range(num)]
    processes = [spawn_worker(address, log, f"w{number}", module=module) for number, log in enumerate(logs)]
    try:
        yield processes
    except BaseException:
        for log in logs:
            print(f"--- {log}\n{log.read_text()[-3000:]}")
        raise
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
