"""Python processes that start at once: forks of one that has imported torch and the program already.

Importing costs two seconds of a processor, and the suite starts some hundred processes. `start` gives a real process
all the same: with its own number, arguments, environment, folder, files, session and signals, that can be stopped and
killed, and whose own `python -m ...` children are forks, too. What a fork cannot show, such as that an import works
in a fresh interpreter, is tested with real starts: tests/cli/test_app.py, tests/project and the slow tests.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import importlib
import io
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = (
    *("ganns.cli.app", "ganns.coordinator", "ganns.launch.train"),
    *("procrastinate.cli", "tasks.audit", "tasks.evaluate", "tasks.gradient"),
)
_AT_THE_START = ("CUDA", "LD_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "TORCH")
"""Beginnings of variables that Python or torch reads only once: with others than ours, a process starts by itself."""
_ROOM = "-" * 4000
"""An argument of the first process; its forks write their own arguments there, so that `ps` shows them."""
_first: tuple[socket.socket, subprocess.Popen[Any]] | None = None
_lock = threading.Lock()


def _fixed(environment: Mapping[str, str]) -> dict[str, str]:
    of_ours = ("PYTHONUNBUFFERED", "PYTHONSAFEPATH")  # a fork heeds them
    return {k: v for k, v in environment.items() if k.startswith(_AT_THE_START) and k not in of_ours}


_BEFORE = _fixed(os.environ)


def _without_torchs(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what torch has set in this process since (CUDA_MODULE_LOADING, TORCHINDUCTOR_CACHE_DIR): each process
    sets its own, and with them no process could be a fork any more."""
    ours = {k for k, v in _fixed(os.environ).items() if k not in _BEFORE and environment.get(k) == v}
    return {k: v for k, v in environment.items() if k not in ours}


def _module(command: Sequence[str]) -> int:
    """Return where a command's module is, in `python -m module` or `python -P -m module`; 0 if it is neither."""
    options = list(command[:3])
    return 2 if options[:2] == [sys.executable, "-m"] else 3 if options == [sys.executable, "-P", "-m"] else 0


def _forkable(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Tell whether a fork is as good as a start by exec: of `python -m` with the same variables."""
    return sys.platform == "linux" and bool(_module(command)) and _fixed(environment) == _BEFORE


# ---------------------------------------------------------------------------------------------- in pytest's process


class Process:
    """A process that was forked elsewhere, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, command: Sequence[str], pid: int, told: socket.socket, stdout: IO[Any] | None) -> None:
        self.args, self.pid, self.stdout = list(command), pid, stdout
        self.returncode: int | None = None
        self._told = told

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            text = self._told.recv(100)
            self._told.close()  # only now the system forgets the process: its number stays its own until then
            self.returncode = int(text) if text else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        if self.stdout:
            self.stdout.close()


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    stdin: int = subprocess.DEVNULL,
    stdout: Any = None,
    stderr: Any = None,
    text: bool = False,
    pass_fds: Sequence[int] = (),
    start_new_session: bool = False,
) -> Process | subprocess.Popen[Any]:
    """Start `[sys.executable, "-m", module, ...]`, as `subprocess.Popen` would."""
    environment = _without_torchs(os.environ if env is None else env)
    if not _forkable(command, environment):
        return subprocess.Popen(
            command,
            env=environment,
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=text,
            pass_fds=pass_fds,
            start_new_session=start_new_session,
        )
    reading = None
    opened = []
    if stdout == subprocess.PIPE:
        number, stdout = os.pipe()
        opened.append(stdout)
        reading = os.fdopen(number, "r" if text else "rb")
    fds = []
    for stream, default in ((stdin, 0), (stdout, 1), (stderr, 2)):
        if stream == subprocess.DEVNULL:
            opened.append(os.open(os.devnull, os.O_RDWR))
            fds.append(opened[-1])
        elif stream == subprocess.STDOUT:
            fds.append(fds[1])
        else:
            fds.append(default if stream is None else stream if isinstance(stream, int) else stream.fileno())
    asked = {
        "command": list(map(str, command)),
        "env": environment,
        "cwd": str(cwd),
        "session": start_new_session,
        "pass_fds": list(pass_fds),
    }
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(_first_process(), [b"."], [theirs.fileno()])
    socket.send_fds(ours, [b"{"], [*fds, *pass_fds])
    ours.sendall(json.dumps(asked)[1:].encode() + b"\n")
    for number in opened:
        os.close(number)
    pid = ours.recv(100)
    assert pid, "the process that others are forked from ended"
    return Process(command, int(pid), ours, reading)


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run(..., capture_output=True, text=True)` would."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = start(command, env=env, cwd=cwd, stdout=out, stderr=err)
        try:
            process.wait(timeout)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, process.returncode, out.read(), err.read())


def _first_process() -> socket.socket:
    """Return a connection to the process that others are forked from."""
    global _first
    with _lock:
        if _first is None:
            ours, theirs = socket.socketpair()
            environment = _without_torchs(os.environ)
            kept = {name: value for name, value in environment.items() if not name.startswith(("PYTEST", "GANNS"))}
            command = [sys.executable, "-m", "tests.support.warm", str(theirs.fileno()), _ROOM]
            with theirs:
                process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=kept,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C in the terminal is for pytest, which then ends it
                )
            _first = ours, process
            atexit.register(_end)
        return _first[0]


def _end() -> None:
    """Close the connection: the first process ends."""
    assert _first is not None
    _first[0].close()
    _first[1].wait(30)


# ------------------------------------------------------------------------------------------------------ in the forks


class _Popen(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, which forks where that is as good: what is called before exec does not come back."""

    def __init__(self, args: Any, *more: Any, **options: Any) -> None:
        environment = _without_torchs(options.get("env") or os.environ)
        if not more and isinstance(args, list) and _forkable(args, environment):
            kept = set(options.get("pass_fds", ()))
            options["preexec_fn"] = lambda: _become(args, environment, kept)
        super().__init__(args, *more, **options)


def _become(command: list[str], environment: Mapping[str, str], kept: set[int]) -> None:
    """Be what the command asks for, from here to the end. Files, folder and session are its own already."""
    code = 1
    try:
        gc.collect()  # what closes its file when it is forgotten does so before the numbers are used again
        for number in sorted(int(name) for name in os.listdir("/proc/self/fd")):
            if number > 2 and number not in kept:
                with suppress(OSError):  # the listing's own is closed already
                    os.close(number)
        signal.set_wakeup_fd(-1)
        for one in signal.valid_signals():
            if callable(signal.getsignal(one)):
                signal.signal(one, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        logging.root.handlers.clear()
        at_once = bool(environment.get("PYTHONUNBUFFERED"))
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
        sys.stdout, sys.stderr = (_stream(1, "strict", at_once), _stream(2, "backslashreplace", at_once))
        _show_arguments(command)
        module = _module(command)
        if module == 3 or environment.get("PYTHONSAFEPATH"):
            del sys.path[0]
        else:
            sys.path[0] = os.getcwd()
        sys.argv = list(command[module:])
        code = _run(command[module])
        threading._shutdown()  # type: ignore[attr-defined] # waits for threads, as the end of a program does
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _stream(number: int, errors: str, at_once: bool) -> io.TextIOWrapper:
    """Return standard output or error as Python makes them when it starts."""
    raw = io.FileIO(number, "wb", closefd=False)
    return io.TextIOWrapper(
        raw if at_once else io.BufferedWriter(raw),  # type: ignore[arg-type]
        encoding="utf-8",
        errors=errors,
        line_buffering=number == 2 or os.isatty(number),
        write_through=at_once,
    )


def _run(module: str) -> int:
    """Run a module as `python -m` does; return the exit code."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _show_arguments(command: Sequence[str]) -> None:
    """Let `ps` show the command: write it over the first process's arguments, as setproctitle does."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    text = b"\0".join(one.encode() for one in command)[: end - begin - 1]
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, text, len(text))


def _start_asked(told: socket.socket) -> None:
    """Start what is asked for on the connection; tell its number, and how it ended. This process then ends, too."""
    text, fds, *_ = socket.recv_fds(told, 1 << 16, 32)
    while not text.endswith(b"\n"):
        text += told.recv(1 << 16)
    asked = json.loads(text)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Out of the way first: a file's number here may be the number that another one has there.
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD, 500) for number in fds]
    told = socket.socket(fileno=fcntl.fcntl(told.detach(), fcntl.F_DUPFD, 500))
    for number, target in zip(moved[3:], asked["pass_fds"], strict=True):
        os.dup2(number, target)
    process = _Popen(
        asked["command"],
        env=asked["env"],
        cwd=asked["cwd"],
        stdin=moved[0],
        stdout=moved[1],
        stderr=moved[2],
        pass_fds=asked["pass_fds"],
        start_new_session=asked["session"],
    )
    for number in (*moved, *asked["pass_fds"]):
        os.close(number)
    told.sendall(str(process.pid).encode())
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    told.sendall(str(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status).encode())
    told.recv(1)  # nothing, when the number may be given to another process
    os._exit(0)


def main() -> None:
    """Import, and fork for each connection that comes in, until the process that started this one is gone."""
    asks = socket.socket(fileno=int(sys.argv[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in PRELOADED:
            importlib.import_module(name)
    assert threading.active_count() == 1
    subprocess.Popen = _Popen  # type: ignore[misc]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        text, fds, *_ = socket.recv_fds(asks, 1, 1)
        if not text:
            return
        told = socket.socket(fileno=fds[0])
        if os.fork() == 0:
            try:
                asks.close()
                _start_asked(told)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        told.close()


if __name__ == "__main__":
    main()
