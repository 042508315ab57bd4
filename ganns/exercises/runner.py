"""Check a learner's file in a separate process with a time limit, so that it cannot stop or hang the program."""

from __future__ import annotations

import importlib
import os
import re
import signal
import site
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ganns import paths
from ganns.exercises.catalogue import Exercise, find
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import CheckResult, Report, read
from ganns.utils.interpreter import MODULE

SECRET = re.compile(r"^PG|DATABASE_URL|TOKEN|SECRET|PASSW|CREDENTIAL|(API|ACCESS|PRIVATE)_?KEY|AUTH", re.IGNORECASE)
"""Names of variables that a learner's program does not get."""
LOGIN = re.compile(r"://[^/\s]*:[^/\s]*@")
"""An address with a password, in any variable."""
NUM_KEPT = 2000
"""Number of characters that are shown of the learner's output: the last ones."""


def run_check(exercise: Exercise, file: Path, time_limit_s: float | None = None) -> tuple[Report, str]:
    """Return the report on a file, and the end of its output.

    The file runs with an empty home: in the user's own are the address that `ganns join` stored, and other programs'
    passwords. (It is no wall: a program that knows where to look can read what its user can.)

    Args:
        exercise: the file's exercise.
        file: the learner's file.
        time_limit_s: replaces the exercise's own limit.
    """
    limit = exercise.time_limit_s if time_limit_s is None else time_limit_s
    with tempfile.TemporaryDirectory(prefix="ganns-exercise-") as folder, _database(exercise) as address:
        found, home = Path(folder) / "results", Path(folder) / "home"
        (home / ".ganns").mkdir(parents=True)
        code, printed = _run(exercise, file, found, in_home(without_secrets(os.environ), home) | address, limit)
        report = Report(results=read(found))
        if code is None:
            report.wrong(
                "it ends",
                f"After {limit:g} s it had not ended, so it was stopped, in the part after the last line above. "
                "Look for a loop that never ends, or a call that waits.",
            )
        elif code != 0:
            report.wrong("it ends", f"The program ended the check in the middle of it, with the exit code {code}.")
        elif not report.results:
            report.wrong("it ends", "The program ended the check before its first result.")
    return report, printed


@contextmanager
def _database(exercise: Exercise) -> Iterator[dict[str, str]]:
    """Start a PostgreSQL only for exercises, if this one needs it: a learner's SQL may do anything there."""
    if not exercise.needs_database:
        yield {}
        return
    from ganns.db.server.embedded import EmbeddedServer

    with EmbeddedServer(paths.home() / "exercises" / "pg") as server:
        yield {"GANNS_DATABASE_URL": server.address.conninfo}


def _run(
    exercise: Exercise, file: Path, found: Path, variables: dict[str, str], limit_s: float
) -> tuple[int | None, str]:
    """Return the exit code, or None after the time limit, and the end of the output."""
    process = subprocess.Popen(
        [*MODULE, "ganns.exercises.runner", str(exercise.number), str(file.resolve()), str(found)],
        # One thread: bits that are compared must not depend on the number of processors.
        env=variables | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,  # input() must not wait
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    tail = _Tail(process.stdout)
    try:
        code: int | None = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end(process)
    return code, tail.text()


def without_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without databases' addresses, passwords and tokens: a learner's file may be a copied one."""
    return {name: value for name, value in variables.items() if not SECRET.search(name) and not LOGIN.search(value)}


def in_home(variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the variables with another home, for this program and for all others."""
    others = {name: value for name, value in variables.items() if not name.startswith("XDG_")}
    named = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    # Packages of `pip install --user` are below the old home.
    return others | named | {"GANNS_HOME": str(home / ".ganns"), "PYTHONUSERBASE": site.getuserbase()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its children."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()


class _Tail:
    """A thread that reads a stream to its end and keeps only the last part: a program may print for ever."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), 65536):
                self._kept = (self._kept + chunk)[-NUM_KEPT:]

    def text(self) -> str:
        self._thread.join(5)  # a grandchild in its own session may keep the pipe open
        return self._kept.decode(errors="replace").strip()


def summary(results: list[CheckResult]) -> str:
    """Return one sentence with the number of right parts."""
    judged = [result for result in results if result.right is not None]
    num_right = sum(bool(result.right) for result in judged)
    return f"{num_right} of {len(judged)} right"


def check(number: int, file: Path, report: Report) -> Report:
    """Check a file as the exercise with that number, in this process. An error that stops the check is a result."""
    module = importlib.import_module(f"ganns.exercises.checks.{find(number).name}")
    try:
        module.check(file, report)
    except LearnersError as error:
        report.wrong("the file runs", str(error))
    return report


if __name__ == "__main__":
    check(int(sys.argv[1]), Path(sys.argv[2]), Report(Path(sys.argv[3])))
