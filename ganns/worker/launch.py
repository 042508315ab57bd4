"""Worker processes on this machine.

`run_workers` is `ganns worker`: hardened workers under a supervisor. `start_worker` starts one stock `procrastinate
worker`, for the demo and the benchmarks, which own the server too: there nothing goes away.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from rich.console import Console

from ganns.db.address import Address
from ganns.queue.machine import worker_name
from ganns.utils import malloc
from ganns.utils.console import plural
from ganns.worker.display import Display
from ganns.worker.supervisor import Supervisor

Process = subprocess.Popen[bytes]
HARDENED = [sys.executable, "-m", "ganns.worker"]


def start_worker(address: Address, name: str, threads: int, output: IO[bytes] | Path | None = None) -> Process:
    """Start one stock worker in a session of its own, so that a terminal's Ctrl-C reaches it only through us.

    Args:
        address: where the class meets.
        name: as the class sees it.
        threads: for the mathematics; one thread makes results reproducible bit for bit.
        output: a file for what it prints; None leaves it on this terminal.
    """
    environment = (
        malloc.WORKER
        | os.environ
        | {
            "GANNS_DATABASE_URL": address.conninfo,
            "GANNS_WORKER_NAME": name,
            "OMP_NUM_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
        }
    )
    stream = open(output, "ab") if isinstance(output, Path) else output  # noqa: SIM115 (the child keeps it)
    command = [sys.executable, "-m", "procrastinate", "--app=tasks.app", "worker"]
    try:
        return subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    finally:
        if isinstance(output, Path) and stream is not None:
            stream.close()


def stop_workers(processes: Sequence[Process], wait_s: float = 12.0) -> None:
    """Ask each to finish its unit and leave; kill those that do not within `wait_s` seconds."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + wait_s
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()


def run_workers(address: Address, num: int, *, name: str, threads: int, app: str = "") -> int:
    """Keep `num` hardened workers running, each under the eyes of a supervisor, until Ctrl-C; return the exit code."""
    base = name or worker_name()
    threads = threads or max(1, (os.cpu_count() or 1) // num)
    names = [base] if num == 1 else [f"{base}-{number + 1}" for number in range(num)]
    shared = {name: value for name, value in malloc.WORKER.items() if name not in os.environ}
    if address.conninfo:  # else the PG* variables name it, which the children inherit
        shared["GANNS_DATABASE_URL"] = address.conninfo
    if app:
        shared["GANNS_APP"] = app
    variables = {one: shared | {"GANNS_WORKER_NAME": one, "OMP_NUM_THREADS": str(threads)} for one in names}
    console = Console(soft_wrap=True)
    console.print(
        f"{plural(num, 'worker')} with {plural(threads, 'thread')} each: {', '.join(names)}. "
        "Ctrl-C hands the unit back and leaves; twice leaves now.",
        markup=False,
        highlight=False,
    )
    with Display(names, console) as display:
        return Supervisor(HARDENED, variables, display.say, display.on_event).run()
