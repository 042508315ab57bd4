"""Pushing to a hub and drawing with its models; a local server stands in for it, and refuses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ganns.cli.app import app
from ganns.errors import ConfigError, ExportError, MissingExtra, PushError
from ganns.export.hub import Hub
from ganns.export.model import write_model
from ganns.training.state import TrainingState
from tests.support.fakes import tiny
from tests.support.hub import COMMIT, NAME, TOKEN, StandIn, stand_in


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
    with pytest.raises(MissingExtra, match=r"^ganns push needs .* pip install .*\[hub\]'"):
        Hub(NAME)


# ------------------------------------------------------------------------------------------- drawing with a model


@pytest.fixture
def model(hub: type[StandIn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files of a model that was pushed; the library's cache is empty, and the working folder too."""
    from huggingface_hub import constants

    (tmp_path / "model").mkdir()
    write_model(tmp_path / "model", TrainingState(tiny()), averaged=True)
    files = {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}
    hub.repos[NAME] = {"files": files}
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return files


def sampled(*arguments: str) -> str:
    """What `ganns sample` prints; its own error comes out."""
    done = CliRunner().invoke(app, ["sample", "--count", "4", *arguments], catch_exceptions=False)
    return " ".join(done.output.split())


def test_images_are_drawn_with_a_model_of_the_hub(hub: type[StandIn], model: dict[str, bytes], tmp_path: Path) -> None:
    assert sampled("--from", NAME, "--out", "hub.png") == f"4 images from {NAME}: hub.png"
    sampled("--from", str(tmp_path / "model"), "--out", "folder.png")
    assert Path("hub.png").read_bytes() == Path("folder.png").read_bytes()
    assert not any("README" in one for one in hub.asked)
    weights = [one for one in hub.asked if "generator.safetensors" in one]
    assert all(f"/resolve/{COMMIT}/" in one for one in weights), "both files are of one commit"
    hub.status = {"": 503}  # the hub is down: what was fetched before is enough
    sampled("--from", NAME, "--out", "again.png")
    assert Path("again.png").read_bytes() == Path("hub.png").read_bytes()


def test_a_folder_comes_before_a_repository_of_its_name(
    hub: type[StandIn], model: dict[str, bytes], tmp_path: Path
) -> None:
    Path(NAME).parent.mkdir()
    (tmp_path / "model").rename(NAME)
    sampled("--from", NAME)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "changed", "said"),
    [
        (
            "ada/nothing",
            {},
            r"^There is no folder ada/nothing, and the hub .* has no model ada/nothing, .*hf auth login",
        ),
        (NAME, {"config.json": b""}, r"^ada/faces on the hub .* is no model that `ganns push` made: a file is missing"),
        (NAME, {"generator.safetensors": b""}, r"is no model that `ganns push` made"),
        (NAME, {"config.json": b"{}"}, r"config\.json is not the description of an exported model"),
        (NAME, {"generator.safetensors": b"other"}, r"generator\.safetensors is damaged"),
    ],
)
def test_what_is_no_model_of_ours(
    name: str, changed: dict[str, bytes], said: str, hub: type[StandIn], model: dict[str, bytes]
) -> None:
    model |= changed
    with pytest.raises(ExportError, match=said):
        sampled("--from", name)
    assert ("config.json" in changed) <= (not any("safetensors" in one for one in hub.asked))


def test_without_a_network_the_folder_and_the_hub_are_named(
    hub: type[StandIn], model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # it tries for half a minute
    with pytest.raises(ExportError, match=rf"^There is no folder ada/faces, .*:{unused_port} \(.*HF_ENDPOINT\.$"):
        sampled("--from", NAME)


def test_a_folder_that_is_missing_asks_no_hub(hub: type[StandIn], model: dict[str, bytes]) -> None:
    with pytest.raises(ExportError, match=r"^There is no exported model in export/runs/run-7"):
        sampled("--from", "export/runs/run-7")
    assert hub.asked == []


def test_the_extra_is_named_when_a_hub_is_needed(model: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"^There is no folder ada/faces; .* pip install .*\[hub\]'"):
        sampled("--from", NAME)
