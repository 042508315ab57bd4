"""Start worker processes on this machine.

`run_workers` is `ganns worker`: hardened workers under a supervisor. `start_worker` starts one stock `procrastinate
worker`, for the demo and the benchmarks: they run the server too, so no connection is lost there.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ganns.db.address import Address
from ganns.errors import TaskUsageError
from ganns.queue.machine import worker_name
from ganns.queue.options import check_place
from ganns.utils.console import SafeConsole, plural
from ganns.utils.interpreter import MODULE
from ganns.worker.display import Display
from ganns.worker.keeper import Keeper
from ganns.worker.supervisor import Supervisor

Process = subprocess.Popen[bytes]
KEEPER_S = 2.0
"""At the end, the longest wait for the database."""
HARDENED = [*MODULE, "ganns.worker"]
MALLOC = {
    "GLIBC_TUNABLES": ":".join(
        (
            "glibc.malloc.hugetlb=1",
            # Activations and gradients have the same size in every unit. So the worker keeps free memory: returning it
            # to the system at once costs thousands of page faults for each tensor.
            "glibc.malloc.mmap_threshold=1073741824",
            "glibc.malloc.trim_threshold=4294967296",
            "glibc.malloc.arena_max=1",  # the only arena that can grow as one piece
        )
    )
}
"""Between two units a worker keeps the memory that a unit needs. For glibc only; see `ganns.db.server.programs`."""


def start_worker(address: Address, name: str, threads: int, output: IO[bytes] | Path | None = None) -> Process:
    """Start one stock worker in a session of its own: a terminal's Ctrl-C does not reach it, only we can stop it.

    Args:
        address: the class's database.
        name: the worker's name.
        threads: the threads of torch; with one thread, results are reproducible bit for bit.
        output: a file for the worker's output; None means this terminal.
    """
    environment = (
        MALLOC
        | os.environ
        | {
            "GANNS_DATABASE_URL": address.conninfo,
            "GANNS_WORKER_NAME": name,
            "OMP_NUM_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
        }
    )
    stream = open(output, "ab") if isinstance(output, Path) else output  # noqa: SIM115 (the child needs it)
    command = [*MODULE, "procrastinate", "--app=tasks.app", "worker"]
    try:
        return subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    finally:
        if isinstance(output, Path) and stream is not None:
            stream.close()


def stop_workers(processes: Sequence[Process], wait_s: float = 12.0) -> None:
    """Ask each worker to finish its unit and leave; kill those that still run after `wait_s` seconds."""
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


def run_workers(
    address: Address, num: int, *, name: str, threads: int, app: str | None = None, queues: str = ""
) -> int:
    """Keep `num` hardened workers running under a supervisor until Ctrl-C; return the exit code.

    Raises:
        TaskUsageError: if `queues` names none, or one that cannot be, or the app cannot be loaded.
    """
    if app is not None and not app.strip():
        raise TaskUsageError("--app is empty: write the dotted path of your App, as in `--app my_tasks.app`.")
    wanted = [one.strip() for one in queues.split(",")] if queues else []
    if not all(wanted):
        raise TaskUsageError(f"--queues={queues!r} has an empty name: write names with commas, as in `--queues a,b`.")
    for one in wanted:
        check_place(one, None)
    base = name or worker_name()
    threads = threads or max(1, (os.cpu_count() or 1) // num)
    names = [base] if num == 1 else [f"{base}-{number + 1}" for number in range(num)]
    shared = {name: value for name, value in MALLOC.items() if name not in os.environ}
    if address.conninfo:  # otherwise the children inherit the PG* variables
        shared["GANNS_DATABASE_URL"] = address.conninfo
    if app:
        shared["GANNS_APP"] = app
    if wanted:
        shared["GANNS_QUEUES"] = ",".join(wanted)
    variables = {one: shared | {"GANNS_WORKER_NAME": one, "OMP_NUM_THREADS": str(threads)} for one in names}
    console = SafeConsole(soft_wrap=True)
    console.print(
        f"{plural(num, 'worker')} with {plural(threads, 'thread')} each: {', '.join(names)}. "
        f"Ctrl-C hands the {'task' if app else 'unit'} back and ends; Ctrl-C twice ends at once.",
        markup=False,
        highlight=False,
    )
    keeper = Keeper(address, lambda worker, job: supervisor.terminate(worker, job))
    with Display(names, console) as display:
        supervisor = Supervisor(HARDENED, variables, display.say, display.on_event, keeper=keeper, keep_spare=True)
        code = supervisor.run()
    keeper.close(KEEPER_S)
    if supervisor.unusable is not None:
        raise TaskUsageError(supervisor.unusable)
    return code
