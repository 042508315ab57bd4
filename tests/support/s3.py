"""An S3-compatible store on loopback (nanio), which checks signatures; it misbehaves on demand, and counts.

It is skipped where the packages are missing: the program does not need them.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ganns.config import S3Store
from tests.support.helpers import wait_until

BUCKET = "faces"
KEY, SECRET = "AKIDOFTHETESTS", "notToBeFoundInAnyText"
WHY = "pip install -e '.[dev]' has an S3-compatible store for the tests of store=s3"


def require_packages() -> None:
    """Skip the module's tests where a package is missing."""
    for name in ("obstore", "nanio", "uvicorn"):
        pytest.importorskip(name, reason=WHY)


@dataclass
class S3Server:
    """A store with one bucket. `faults[kind]` holds what goes wrong with the next requests of a kind, one each.

    The kinds are "PUT", "GET", "DELETE" and "LIST"; the faults "missing" (404), "refuse" (403, with the access key in
    the answer), "stall" (no answer until the client leaves) and "garble" (one byte of the body is another).
    """

    folder: Path
    faults: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[str, str] = field(default_factory=dict)  # for all requests of a kind
    fired: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)  # answers with status 200, by kind
    port: int = 0
    _server: Any = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> S3Store:
        return S3Store(bucket=BUCKET, endpoint=self.url, **more)

    def blobs(self) -> list[str]:
        """The names of the blobs, without the folder of their run."""
        return sorted(path.name for path in (self.folder / BUCKET / "ganns").glob("*/*-*"))

    def start(self) -> None:
        """Listen, on the port as before."""
        import uvicorn

        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app(), log_config=None, access_log=False, loop="asyncio", http="h11", ws="none", lifespan="off"
        )
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, what="the store")

    def stop(self) -> None:
        """Be gone: connections are refused."""
        if self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(30)
            assert not self._thread.is_alive()
            self._thread = None

    def _app(self) -> Any:
        from nanio.app import build_app
        from nanio.auth.credentials import StaticCredentialResolver
        from nanio.config import Settings

        (self.folder / BUCKET).mkdir(parents=True, exist_ok=True)
        store = build_app(Settings(data_dir=self.folder, credentials=StaticCredentialResolver({KEY: SECRET})))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            is_object = scope["path"].strip("/") != BUCKET
            kind = scope["method"] if is_object else "LIST"
            fault = self.faults[kind].popleft() if self.faults[kind] else self.always.get(kind)
            if fault is not None:
                self.fired[fault] += 1
            if fault == "stall":
                while (await receive())["type"] != "http.disconnect":
                    pass
                return
            if fault in ("missing", "refuse"):
                await _answer(send, 404 if fault == "missing" else 403)
                return

            async def pass_on(message: Any) -> None:
                if message["type"] == "http.response.start" and message["status"] < 300:
                    self.served[kind] += 1
                if fault == "garble" and (body := message.get("body")):
                    message = message | {"body": bytes([body[0] ^ 1]) + body[1:]}
                await send(message)

            await store(scope, receive, pass_on)

        return app


async def _answer(send: Any, status: int) -> None:
    body = f"<Error><Code>AccessDenied</Code><AWSAccessKeyId>{KEY}</AWSAccessKeyId></Error>".encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    await asyncio.sleep(0)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run a store until the end of the block."""
    server = S3Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Run a store, with its credentials in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with s3_server(tmp_path / "s3") as server:
        yield server
