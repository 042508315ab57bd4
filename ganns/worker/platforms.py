"""The differences between Linux, macOS and Windows, all in one file.

**Not tested on a real Windows or Mac**, because there was none. tests/worker/test_platforms.py passes other names of
systems to the functions, and stand-ins for the modules that only Windows has.

| | Linux, macOS | Windows |
|---|---|---|
| the pipe to the child | inherited (`pass_fds`) | an inherited handle, made a descriptor there |
| Ctrl-C reaches | only the supervisor: the child has its own session | the same: the child has its own process group |
| the signal that asks the child to leave | SIGINT | CTRL_BREAK_EVENT, the only one for a group |
| asyncio | any loop | the selector loop: the proactor loop cannot wait on sockets, as psycopg does |
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ganns.queue.events import FD_VARIABLE

HANDLE_VARIABLE = "GANNS_SUPERVISOR_HANDLE"
_CREATE_NEW_PROCESS_GROUP = 0x200  # subprocess has the name on Windows only


def _msvcrt() -> ModuleType:
    return __import__("msvcrt")


def child_options(
    writing: int, system: str = sys.platform, msvcrt: Callable[[], ModuleType] = _msvcrt
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (options of Popen, variables) for a child that inherits only one descriptor: the pipe's end `writing`.

    The child gets a session (process group) of its own: a terminal's Ctrl-C reaches only the supervisor.
    """
    if system != "win32":
        return {"pass_fds": (writing,), "start_new_session": True}, {FD_VARIABLE: str(writing)}
    handle = msvcrt().get_osfhandle(writing)
    os.set_inheritable(writing, True)
    startup = getattr(subprocess, "STARTUPINFO", dict)(lpAttributeList={"handle_list": [handle]})
    options = {"startupinfo": startup, "close_fds": True, "creationflags": _CREATE_NEW_PROCESS_GROUP}
    return options, {HANDLE_VARIABLE: str(handle)}


def adopt_pipe(system: str = sys.platform, msvcrt: Callable[[], ModuleType] = _msvcrt) -> None:
    """In the child: prepare the inherited pipe for `report`, so that writing never blocks."""
    if system == "win32" and (handle := os.environ.get(HANDLE_VARIABLE)):
        os.environ[FD_VARIABLE] = str(msvcrt().open_osfhandle(int(handle), os.O_WRONLY))
    number = os.environ.get(FD_VARIABLE, "")
    if not number.isdecimal():
        return
    os.set_inheritable(int(number), False)  # a task's own child processes must not inherit it
    if system != "win32":  # Python cannot do it on Windows before 3.12: there, writing to a full pipe (64 kB) waits
        os.set_blocking(int(number), False)


def ask_to_leave(process: subprocess.Popen[bytes], system: str = sys.platform) -> None:
    """Ask a child to hand back its jobs and exit."""
    try:
        process.send_signal(signal.SIGINT if system != "win32" else getattr(signal, "CTRL_BREAK_EVENT", 1))
    except OSError:
        return  # it has ended already


def leave_signals(system: str = sys.platform) -> list[int]:
    """Return the signals with which a person or the system asks a process to end."""
    if system == "win32":
        return [signal.SIGINT, getattr(signal, "SIGBREAK", 21)]
    return [signal.SIGINT, signal.SIGTERM]


def on_leave(loop: asyncio.AbstractEventLoop, callback: Callable[[], None], system: str = sys.platform) -> None:
    """In the child: call `callback` in the loop when one of `leave_signals` comes."""
    for number in leave_signals(system):
        if system != "win32":
            loop.add_signal_handler(number, callback)
        else:  # no add_signal_handler there; this handler runs between two bytecodes of the main thread
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback))


def loop_factory(system: str = sys.platform) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return a function that creates an event loop for psycopg."""
    return asyncio.SelectorEventLoop if system == "win32" else asyncio.new_event_loop


@dataclass(frozen=True)
class Vitals:
    """The system's figures about a process."""

    is_stopped: bool  # by a signal
    cpu_s: float  # the processors' seconds that it used
    num_turns: int = 0  # how often its first thread got a processor; a stopped and continued process gets one at once


def vitals(pid: int, system: str = sys.platform) -> Vitals | None:
    """Return the vitals of a process; None if the system does not tell them without another package."""
    if not system.startswith("linux"):
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        turns = Path(f"/proc/{pid}/schedstat")  # not in every kernel
        return Vitals(
            fields[0] == "T",
            (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            int(turns.read_text().split()[2]) if turns.exists() else 0,
        )
    except (OSError, ValueError, IndexError):
        return None  # it has ended


def parent_is_gone(parent: int, system: str = sys.platform) -> bool:
    """Return True if the process that started us, `parent`, has ended: then the system gives us another parent.

    Windows gives no other parent, and may give the old number to another process: there the answer is always False.
    """
    return system != "win32" and os.getppid() != parent
