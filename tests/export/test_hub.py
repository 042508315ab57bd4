"""Pushing to a hub, for which a local server stands in: what arrives there, and what is said when it refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganns.errors import ConfigError, MissingExtra, PushError
from ganns.export.hub import Hub
from tests.support.hub import NAME, TOKEN, StandIn, stand_in


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[StandIn]]:
    """The stand-in, which HF_ENDPOINT names."""
    with stand_in(monkeypatch) as handler:
        yield handler


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
