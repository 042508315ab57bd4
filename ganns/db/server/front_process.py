"""Start the TLS front, and start it again when it ends: see `ganns.db.server.front`.

The listening sockets are this process's. So a front that is killed is replaced on the same port, and clients that come
in between wait instead of being refused.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections import deque
from pathlib import Path
from types import TracebackType

from ganns.db.server.own_certificate import FILE, own_certificate
from ganns.db.server.ports import listen
from ganns.db.server.programs import PASSED_ON, SERVER_USER, is_root
from ganns.errors import DatabaseError
from ganns.utils.interpreter import MODULE

LOG = "front.log"
"""In the server's folder: who connected, and as which port of 127.0.0.1 PostgreSQL knows them; who was refused."""
MAX_ENDS = 5
"""If it ends this often within `ENDS_S` seconds, it is not started again."""
ENDS_S = 30.0
STOP_S = 5.0


class FrontProcess:
    """The front of one server, as a context manager; `check` it now and then."""

    def __init__(self, data_dir: Path, host: str, port: int, server_port: int) -> None:
        """Describe a front on host:port for the server in `data_dir`, which listens on 127.0.0.1:server_port."""
        self._data_dir, self._host, self._port, self._server_port = data_dir, host, port, server_port
        self._listeners: list[socket.socket] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: deque[float] = deque(maxlen=MAX_ENDS)

    def __enter__(self) -> FrontProcess:
        """Listen, and start the process.

        Raises:
            DatabaseError: if the port is in use, or the address is not one of this machine's.
        """
        own_certificate(self._data_dir)
        self._listeners = listen(self._host, self._port)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process, and with it every connection."""
        for listener in self._listeners:
            listener.close()
        if (process := self._process) is not None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None
        return self._process.pid

    def check(self) -> bool:
        """Start the process again if it has ended; return True if it had.

        Raises:
            DatabaseError: if it ends again and again.
        """
        if self._process is not None and self._process.poll() is None:
            return False
        self._ends.append(time.monotonic())
        if len(self._ends) == MAX_ENDS and self._ends[-1] - self._ends[0] < ENDS_S:
            raise DatabaseError(
                f"The process that encrypts ended {MAX_ENDS} times in a row; {self._data_dir / LOG} may say why. "
                "`ganns db serve --insecure` opens the database without encryption."
            )
        self._start()
        return True

    def _start(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        numbers = [listener.fileno() for listener in self._listeners]
        self._process = subprocess.Popen(
            [
                *(*MODULE, "ganns.db.server.front"),
                *("--sockets", ",".join(map(str, numbers)), "--server", str(self._server_port)),
                *("--certificate", str(self._data_dir / FILE), "--log", str(self._data_dir / LOG)),
                *(("--user", SERVER_USER) if is_root() else ()),
            ],
            stdin=subprocess.PIPE,  # it ends with us: then the pipe is closed
            stdout=subprocess.DEVNULL,
            pass_fds=numbers,
            env={
                name: value
                for name, value in os.environ.items()
                if name.upper() in PASSED_ON or name.startswith("PYTHON")  # no address and no token
            },
            start_new_session=True,  # a terminal's Ctrl-C must reach us alone
        )
