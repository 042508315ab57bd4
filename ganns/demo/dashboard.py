"""The dashboard of `ganns demo`, with the failure lab: a separate process on its database, only for this machine."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from ganns.db.address import Address
from ganns.utils.installation import install_command
from ganns.utils.interpreter import MODULE
from ganns.worker.launch import Process, stop_workers

HOST, PORT = "127.0.0.1", 8080
NICENESS = 5
"""While it loads it wants a core for a second, and so do the workers: they come first."""
LEAVE_S = 12.0
"""It ends within that time, or is ended. Only the lab's workers take long: they return their units first."""


@contextmanager
def open_dashboard(address: Address, log: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Serve a dashboard within this block, and say its address and password when it answers; do not wait for it.

    Args:
        address: the demo's database.
        log: a file for the dashboard's output.
        say: prints a line; also called on a second thread.
    """
    if find_spec("nicegui") is None:
        say(f"To watch it in a browser: {install_command('dashboard')}")
        yield
        return
    processes: list[Process] = []
    password = secrets.token_hex(5)
    with reserved_port() as port:
        try:
            processes.append(start_dashboard(address, port, log, password))
            announce(processes[0], port, log, say, password)
            yield
        finally:
            stop_workers(processes, LEAVE_S)


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield 8080 if it is free, else another port; no other demo gets the same one within this block.

    The dashboard listens only after it has loaded. Until then this function holds the UDP port of the same number,
    which is unused here: if two demos begin together, the second finds it taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        for wanted in (PORT, *[0] * 20):
            with suppress(OSError), socket.create_server((HOST, wanted)) as free:
                port = int(free.getsockname()[1])
                held.bind((HOST, port))
                break
        yield port


def start_dashboard(address: Address, port: int, log: Path, password: str) -> Process:
    """Start it with the failure lab; its output goes to `log`, which only this user may read.

    A terminal's Ctrl-C does not reach it directly: we stop it, like the workers.
    """
    log.touch(mode=0o600)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [*MODULE, "ganns", "dashboard", "--host", HOST, "--port", str(port), "--failure-lab"],
            env=os.environ
            | {
                "GANNS_DATABASE_URL": address.conninfo,
                "GANNS_DASHBOARD_PASSWORD": password,
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    with suppress(OSError, AttributeError):  # Windows has no such function
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
    return process


def announce(process: Process, port: int, log: Path, say: Callable[[str], None], password: str) -> None:
    """Say address and password when the dashboard answers, or say that it did not start; wait on a second thread."""

    def wait() -> None:
        while process.poll() is None:
            with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                say(f"Watch it in a browser: http://localhost:{port}/")
                say(f"Break it: log in at http://localhost:{port}/login with {password}, and open the failure lab")
                return
            time.sleep(0.2)
        if process.returncode > 0:  # else we stopped it
            say(f"The dashboard did not start; the demo goes on without it. Why: {log}")

    threading.Thread(target=wait, name="announce", daemon=True).start()
