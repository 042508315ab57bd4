"""Worker processes on this machine: the stock `procrastinate worker`, n times, with the threads shared out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from rich.console import Console

from ganns import memory
from ganns.db.address import Address
from ganns.errors import GannsError

Process = subprocess.Popen[bytes]


def start_worker(address: Address, name: str, threads: int, output: IO[bytes] | Path | None = None) -> Process:
    """Start one worker in a session of its own, so that a terminal's Ctrl-C reaches it only through us.

    Args:
        address: where the class meets.
        name: as the class sees it.
        threads: for the mathematics; one thread makes results reproducible bit for bit.
        output: a file for what it prints; None leaves it on this terminal.
    """
    environment = (
        memory.WORKER
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


def stop_workers(processes: Sequence[Process], patience_s: float = 12.0) -> None:
    """Ask each to finish its unit and leave; kill those that do not within `patience_s` seconds."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    until = time.monotonic() + patience_s
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            process.kill()
            process.wait()


def run_workers(address: Address, num: int, *, name: str, threads: int) -> None:
    """Start `num` workers and stay until they end or Ctrl-C.

    Raises:
        GannsError: if a worker ended without being asked to.
    """
    import getpass
    import socket

    base = name or f"{getpass.getuser()}@{socket.gethostname()}"
    threads = threads or max(1, (os.cpu_count() or 1) // num)
    names = [base] if num == 1 else [f"{base}-{number + 1}" for number in range(num)]
    console = Console(soft_wrap=True)
    processes = [start_worker(address, one, threads) for one in names]
    console.print(f"{num} worker(s) with {threads} thread(s) each: {', '.join(names)}. Ctrl-C to leave.", markup=False)

    def leave(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        while True:
            for process, one in zip(processes, names, strict=True):
                if process.poll() is not None:
                    raise GannsError(
                        f"Worker {one} ended by itself with code {process.returncode}; what it printed above says "
                        "why. Start it again with `ganns worker`."
                    )
            time.sleep(0.2)
    except KeyboardInterrupt:
        console.print("leaving after the unit in hand (Ctrl-C again: now)")
    finally:
        signal.signal(signal.SIGTERM, previous)
        stop_workers(processes)
