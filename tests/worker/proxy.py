"""A TCP proxy in front of a server's unix socket that can fall half-open: it ACKs, and forwards nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards to `target` (a unix socket). What was swallowed once stays swallowed: its connections are dead."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._frozen = threading.Event()
        self.num_swallowed = 0
        self.num_refused = 0  # accepted while frozen, and never answered
        self._open: list[socket.socket] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def freeze(self) -> None:
        """From now on acknowledge everything and forward nothing."""
        self._frozen.set()

    def thaw(self) -> None:
        """Forward new connections; the old ones stay as they are: half-open."""
        self._frozen.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._accepting.join(5)
        self._listening.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(client)
            if self._frozen.is_set():
                self.num_refused += 1
                threading.Thread(target=self._swallow, args=(client,), daemon=True).start()
                continue
            server = socket.socket(socket.AF_UNIX)
            self._open.append(server)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                continue
            dead = threading.Event()
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink, dead), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, dead: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._frozen.is_set():
                    dead.set()
                if dead.is_set():
                    self.num_swallowed += 1
                else:
                    sink.sendall(data)
            if not dead.is_set():
                sink.shutdown(socket.SHUT_WR)

    def _swallow(self, client: socket.socket) -> None:
        with suppress(OSError):
            while client.recv(65536):
                self.num_swallowed += 1
