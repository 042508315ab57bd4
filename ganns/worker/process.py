"""A worker process with its two pipes: its reports and its log; also a spare one that has loaded its modules."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from ganns.queue.events import PID_VARIABLE
from ganns.worker import platforms

SPARE_VARIABLE = "GANNS_SPARE"
"""Set for a spare process: it loads the tasks' modules, then waits for a line with its variables, or for the end."""
Put = Callable[[tuple[Any, dict[str, object]]], None]
"""A function that gets (the process's owner, an event)."""


class Process:
    """A process that reports through a pipe. Its events go to its owner; a spare one has none yet."""

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], put: Put, owner: object, *, spare: bool = False
    ) -> None:
        """Start the process.

        Raises:
            OSError: if the system has no process or memory left for now.
        """
        self.owner, self._put = owner, put
        reading, writing = os.pipe()
        options, pipe_variables = platforms.child_options(writing)
        own = {PID_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"} | ({SPARE_VARIABLE: "1"} if spare else {})
        try:
            self.popen: subprocess.Popen[bytes] = subprocess.Popen(
                list(command),
                env={**os.environ, **variables, **pipe_variables, **own},
                stdin=subprocess.PIPE if spare else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                **options,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)  # our copy: now the pipe ends with the child
        assert self.popen.stdout is not None
        # Threads, because Windows cannot select on pipes. They end with the child.
        for target, stream in ((self._read_reports, os.fdopen(reading, "rb")), (self._read_log, self.popen.stdout)):
            threading.Thread(target=target, args=(stream,), daemon=True).start()

    def is_running(self) -> bool:
        """Return True if the process has not ended."""
        return self.popen.poll() is None

    def hand_over(self, owner: object, variables: Mapping[str, str]) -> bool:
        """Let a spare process work for `owner`; return False if it has ended."""
        stream, self.owner = self.popen.stdin, owner
        if stream is None or not self.is_running():
            return False
        try:
            with stream:
                stream.write(json.dumps(dict(variables)).encode() + b"\n")
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End the process now, if it runs."""
        if self.is_running():
            self.popen.kill()
            self.popen.wait()

    def _tell(self, event: dict[str, object]) -> None:
        if self.owner is not None:
            self._put((self.owner, event | {"pid": self.popen.pid}))

    def _read_reports(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    self._tell(event)

    def _read_log(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._tell({"event": "log", "text": line.decode(errors="replace").rstrip()})
