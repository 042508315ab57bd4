"""Forward a port as ssh does, without encryption: `python tests/support/forward.py 15432:127.0.0.1:5432`."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def main() -> None:
    here, host, there = sys.argv[1].split(":")
    with socket.create_server(("127.0.0.1", int(here))) as listening, suppress(KeyboardInterrupt):
        while True:
            near, _ = listening.accept()
            far = socket.create_connection((host, int(there)))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()


main()
