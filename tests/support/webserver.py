"""A static web server on loopback that misbehaves on demand, and counts: requests, body bytes, faults that fired."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class WebServer:
    """What is served, and how. `faults[path]` holds what goes wrong with the next requests, one each."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, deque[tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(deque))
    fired: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)  # method, path, headers
    num_bytes: Counter[str] = field(default_factory=Counter)  # of bodies, by path
    ranges: bool = True
    conditional: bool = True  # honours If-Range
    etags: bool = True
    extra: dict[str, dict[str, str]] = field(default_factory=dict)  # headers, by path
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def fault(self, path: str, *what: Any) -> None:
        """Let the next request of `path` end in ("cut", n) | ("stall", n) | ("status", code) | ("redirect", to) |
        ("declare", length) | ("close-delimited", n) | ("garble", position) | ("refuse-range",) | ("none",)."""
        self.faults[path].append(what)

    def ranges_of(self, path: str) -> list[str | None]:
        """The Range header of each GET of a path."""
        return [headers.get("range") for method, name, headers in self.requests if method == "GET" and name == path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    web: WebServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        headers = {key.lower(): value for key, value in self.headers.items()}
        web = self.web
        web.requests.append((self.command, path, headers))
        fault = web.faults[path].popleft() if web.faults[path] else ("none",)
        if fault[0] != "none":
            web.fired[fault[0]] += 1
        content = web.files.get(path)
        if fault[0] == "status" or content is None:
            self.answer(fault[1] if content is not None else 404, {"Content-Length": "0"})
            return
        if fault[0] == "redirect":
            self.answer(302, {"Content-Length": "0", "Location": fault[1]})
            return
        self.serve(path, content, headers, fault)

    def answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def serve(self, path: str, content: bytes, asked: dict[str, str], fault: tuple[Any, ...]) -> None:
        web, etag = self.web, f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": etag} if web.etags else {}
        headers |= web.extra.get(path, {})
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.get("range", ""))
        same = not web.conditional or asked.get("if-range", etag) == etag
        status, start, end = 200, 0, len(content)
        if found and web.ranges and same and fault[0] != "refuse-range":
            start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else end, end)
            if start >= len(content):
                self.answer(416, {"Content-Length": "0", "Content-Range": f"bytes */{len(content)}"})
                return
            status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{len(content)}"
        body = content[start:end]
        if fault[0] == "garble":
            body = body[: fault[1]] + bytes([body[fault[1]] ^ 255]) + body[fault[1] + 1 :]
        if fault[0] == "close-delimited":
            self.close_connection = True
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(fault[1] if fault[0] == "declare" else len(body))
        self.answer(status, headers)
        if self.command == "HEAD":
            return
        if fault[0] in ("cut", "stall", "close-delimited"):
            body = body[: fault[1]]
        # Counted before it is sent: the client, a thread of the test, may have its body and look at the count at once.
        web.num_bytes[path] += len(body)
        try:
            self.wfile.write(body)
        except OSError:
            web.num_bytes[path] -= len(body)
            raise
        if fault[0] == "stall":
            self.wfile.flush()
            web.released.wait(20)
        if fault[0] in ("cut", "stall", "declare"):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close = True, False

    def handle_error(self, *_: Any) -> None:
        """A client that gave up is what some tests want; it is not worth a traceback."""


@contextmanager
def serving() -> Iterator[WebServer]:
    """Serve from a thread until the end of the block."""
    web = WebServer()
    handler = type("Handler", (_Handler,), {"web": web})
    server = _Server(("127.0.0.1", 0), handler)
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
