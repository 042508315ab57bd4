"""`ganns push` against a stand-in for a hub: a local server that answers what huggingface_hub asks, or refuses to."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ganns.errors import ConfigError, MissingExtra, PushError
from ganns.push import Hub

TOKEN = "hf_" + "s3cret" * 5
NAME = "ada/faces"


class StandIn(BaseHTTPRequestHandler):
    """The endpoints of a hub that a push needs; `status` makes it refuse, `lfs` says which files go apart."""

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
            self.answer(200, {"commitUrl": f"{self.hub}/{NAME}/commit/1", "commitOid": "1" * 40})
        else:
            self.answer(500, {"error": f"the stand-in does not know {path}"})

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


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """The stand-in, which HF_ENDPOINT names; nothing of this user's own hub settings is read."""
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Something to push."""
    (tmp_path / "README.md").write_text("---\ntags:\n  - gan\n---\n# Faces\n")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "generator.safetensors").write_bytes(bytes(range(256)) * 300)
    return tmp_path


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own upload of large files
@pytest.mark.parametrize("lfs", [set(), {"generator.safetensors"}], ids=["small", "large"])
def test_every_file_arrives_in_one_commit(lfs: set[str], hub: type[StandIn], folder: Path) -> None:
    hub.lfs = lfs
    place = Hub(NAME).push(folder, "Run 7, version 30")
    assert place.endswith(f"/{NAME}/commit/1")
    repo = hub.repos[NAME]
    assert repo["files"] == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert repo["commits"] == ["Run 7, version 30"]
    assert len(hub.blobs) == len(lfs)


def test_a_repository_that_exists_is_added_to(hub: type[StandIn], folder: Path) -> None:
    Hub(NAME).push(folder, "first")
    Hub(NAME).push(folder, "second", private=True)
    assert hub.repos[NAME]["commits"] == ["first", "second"]
    assert hub.repos[NAME]["visibility"] != "private"


def test_a_new_repository_can_be_private(hub: type[StandIn], folder: Path) -> None:
    Hub(NAME).push(folder, "first", private=True)
    assert hub.repos[NAME]["visibility"] == "private"


@pytest.mark.parametrize(
    ("place", "status", "advice"),
    [
        ("repos/create", 401, "HF_TOKEN is not valid there"),
        ("repos/create", 403, "HF_TOKEN may not write to ada/faces"),
        ("preupload", 404, "there is no ada/faces, or HF_TOKEN may not see it"),
        ("commit/main", 403, "HF_TOKEN may not write to ada/faces"),
        ("commit/main", 500, "Internal Server Error"),
    ],
)
def test_a_refusal_is_an_error_of_ours_without_the_token(
    place: str, status: int, advice: str, hub: type[StandIn], folder: Path
) -> None:
    hub.status = {place: status}
    with pytest.raises(PushError, match=rf"refused ada/faces \({status}\): .*{advice}") as raised:
        Hub(NAME).push(folder, "first")
    assert TOKEN not in str(raised.value)


def test_a_hub_that_does_not_answer_is_named(hub: type[StandIn], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(PushError, match=rf"The hub http://127\.0\.0\.1:{port} does not answer .* HF_ENDPOINT"):
        Hub(NAME).push(folder, "first")
    assert hub.asked == []


@pytest.mark.parametrize("name", ["faces", "ada/", "ada/fa ces", "a/b/c", "https://hub/ada/faces"])
def test_a_name_must_have_an_owner(name: str, hub: type[StandIn]) -> None:
    with pytest.raises(ConfigError, match="is not the name of a repository: write OWNER/NAME"):
        Hub(name)


def test_without_a_token_nothing_is_asked(hub: type[StandIn], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)  # whatever this machine's user has logged in with
    with pytest.raises(PushError, match="set HF_TOKEN to one that may write"):
        Hub(NAME)


def test_the_package_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"^ganns push needs .* pip install 'ganns\[hub\]'"):
        Hub(NAME)
