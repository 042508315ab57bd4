"""A stand-in for a hub: a local server that answers huggingface_hub when a model is pushed or fetched, or refuses."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

TOKEN = "hf_" + "s3cret" * 5
NAME = "ada/faces"
COMMIT = "1" * 40


class StandIn(BaseHTTPRequestHandler):
    """The endpoints of a hub that we need; `status` makes it refuse, `lfs` says which files go apart."""

    status: ClassVar[dict[str, int]]  # by a piece of the path
    lfs: ClassVar[set[str]]
    repos: ClassVar[dict[str, dict[str, Any]]]
    blobs: ClassVar[dict[str, bytes]]
    asked: ClassVar[list[str]]

    def do_POST(self) -> None:
        """Answer a question."""
        body, path = self.body(), self.path.partition("?")[0]
        self.asked.append(f"POST {path}")
        refusal = next((code for piece, code in self.status.items() if piece in path), None)
        if refusal is None and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            refusal = 401
        if refusal is not None:
            self.answer(refusal, {"error": f"refused {TOKEN}"})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            known = name in self.repos
            self.repos.setdefault(name, {"visibility": asked.get("visibility"), "files": {}, "commits": []})
            self.answer(409 if known else 200, {"url": f"{self.hub}/{name}"})
        elif path == "/api/validate-yaml":
            assert json.loads(body)["content"].startswith("---\n")
            self.answer(200, {"errors": [], "warnings": []})
        elif path == f"/api/models/{NAME}/preupload/main":
            files = [one["path"] for one in json.loads(body)["files"]]
            modes = [
                {"path": one, "uploadMode": "lfs" if one in self.lfs else "regular", "shouldIgnore": False}
                for one in files
            ]
            self.answer(200, {"files": modes})
        elif path == f"/{NAME}.git/info/lfs/objects/batch":
            objects = [
                one | {"actions": {"upload": {"href": f"{self.hub}/blobs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.answer(200, {"transfer": "basic", "objects": objects})
        elif path == f"/api/models/{NAME}/commit/main":
            self.commit([json.loads(line) for line in body.splitlines()])
            self.answer(200, {"commitUrl": f"{self.hub}/{NAME}/commit/1", "commitOid": COMMIT})
        else:
            self.answer(500, {"error": f"the stand-in does not know {path}"})

    def do_HEAD(self) -> None:
        """Describe a file."""
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        """Send a file of a repository: /OWNER/NAME/resolve/REVISION/FILE."""
        self.asked.append(f"{self.command} {self.path}")
        if "/resolve/" not in self.path:
            self.send_error(501, "the stand-in does not know it")
            return
        owner, name, _, _, file = self.path.strip("/").split("/")
        refusal = next((code for piece, code in self.status.items() if piece in self.path), None)
        files = self.repos.get(f"{owner}/{name}", {}).get("files")
        data = (files or {}).get(file, b"")
        self.send_response(refusal or (200 if data else 404))
        if files is None:
            self.send_header("X-Error-Code", "RepoNotFound")
        elif not data:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def do_PUT(self) -> None:
        """Take a large file."""
        self.blobs[self.path.rpartition("/")[2]] = self.body()
        self.answer(200, {})

    def commit(self, lines: list[dict[str, Any]]) -> None:
        repo = self.repos[NAME]
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                repo["commits"].append(value["summary"])
            elif line["key"] == "file":
                repo["files"][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                data = self.blobs[value["oid"]]
                assert hashlib.sha256(data).hexdigest() == value["oid"]
                repo["files"][value["path"]] = data

    @property
    def hub(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """Run one that HF_ENDPOINT names; nothing of this user's own hub settings is read."""
    from huggingface_hub import constants

    handler = type("Handler", (StandIn,), {"status": {}, "lfs": set(), "repos": {}, "blobs": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # The protocol that our hub speaks beside Git LFS has no stand-in; its switch is read when the library is imported.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()
