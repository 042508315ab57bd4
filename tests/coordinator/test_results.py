"""From a run to what is shown of it: samples in the database, export, sample, timelapse and push, by the commands."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from ganns.cli.app import app
from ganns.config import Config, StopConfig
from ganns.coordinator import train_run
from ganns.db.address import Address
from ganns.errors import ConfigError, ExportError, GannsError, RunError
from ganns.export.model import describe
from ganns.observers.watch import Watch
from ganns.store import weights
from ganns.store.runs import find_run
from ganns.store.samples import list_samples
from tests.support.fakes import FakeWorker, publish_state, tiny
from tests.support.helpers import wait_until
from tests.support.hub import NAME, stand_in


def train(database: Address, config: Config, folder: Path) -> Watch:
    """Train as `ganns train` does, with one worker on this thread."""
    watch, worker, stop = Watch(config, folder, Console(file=io.StringIO()), address=database), None, threading.Event()
    failed: list[BaseException] = []

    def coordinate() -> None:
        try:
            with watch:
                train_run(config, database, watch, stop)
                watch.last_grid()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=coordinate, daemon=True)
    thread.start()
    worker = FakeWorker(database, "ada@somewhere")
    try:
        wait_until(lambda: not thread.is_alive() or (worker.work() and False), 120, what="the end of the run")
    finally:
        stop.set()
        thread.join(20)
        worker.conn.close()
    assert not failed, failed
    return watch


@pytest.fixture
def ganns(database: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a command on the test's database, in an empty folder."""
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*words: str) -> Result:
        result = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result

    return run


def test_from_training_to_pictures(
    database: Address, conn: Any, ganns: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(stop=StopConfig(rounds=5), sample_every=2, tensorboard=True)
    train(database, config, tmp_path / "run")
    run = find_run(conn, "latest")
    assert [one.version for one in list_samples(conn, run.id)] == [0, 2, 4, 5]
    assert len(list((tmp_path / "run" / "samples").glob("*.png"))) == 4
    assert list((tmp_path / "run" / "tensorboard").glob("events.*"))

    assert f"run {run.id}, version 5, is in export/run-{run.id}" in ganns("export").output
    assert describe(f"export/run-{run.id}").version == 5
    text = Path(f"export/run-{run.id}/README.md").read_text()
    assert f"| ada | 10 | {run.images} | 0 |" in text
    assert "somewhere" not in text
    assert "| d\\_loss |" in text
    with pytest.raises(ExportError, match="is there already"):
        ganns("export", "latest", "--out", f"export/run-{run.id}")
    ganns("export", str(run.id), "--out", f"export/run-{run.id}", "--force", "--raw")
    assert not describe(f"export/run-{run.id}").averaged
    ganns("export", "--force")

    ganns("sample", "--out", "run.png")
    ganns("sample", "--from", f"export/run-{run.id}", "--out", "folder.png")
    ganns("sample", "--seed", "5", "--out", "other.png")
    assert Path("run.png").read_bytes() == Path("folder.png").read_bytes()
    assert Path("run.png").read_bytes() == (tmp_path / "run" / "samples" / "version-000005.png").read_bytes()
    assert Path("run.png").read_bytes() != Path("other.png").read_bytes()

    assert "a walk of 4 images in 60 frames" in ganns("sample", "--walk", "walk.gif", "--count", "4").output
    assert f"4 grids, version 0 to 5: {Path('learned.gif')}" in ganns("timelapse", "latest", "learned.gif").output
    ganns("timelapse", str(tmp_path / "run"), "files.mp4")
    with stand_in(monkeypatch) as hub:
        assert "version 5, is at http://127.0.0.1:" in ganns("push", "latest", NAME, "--private").output
        files = hub.repos[NAME]["files"]
        assert files["README.md"].decode() == text
        assert set(files) == {"README.md", "config.json", "generator.safetensors", "samples.png"}
    for name, frames in (("walk.gif", 60), ("learned.gif", 4)):
        with Image.open(name) as gif:
            assert gif.n_frames == frames


def test_the_best_version_is_another_one(database: Address, conn: Any, ganns: Any, tmp_path: Path) -> None:
    watch = train(database, tiny(stop=StopConfig(rounds=2)), tmp_path / "run")
    run = find_run(conn, "latest")
    with pytest.raises(RunError, match="was evaluated yet"):
        ganns("export", "--best")
    assert watch.state is not None
    watch.state.progress = type(watch.state.progress)(1)
    watch.state.save(tmp_path / "best")
    data = (tmp_path / "best").read_bytes()
    publish_state(conn, run.id, 1, data)
    assert weights.put_best_checkpoint(conn, run.id, 1, data)
    assert "version 1" in ganns("sample", "--best").output
    assert "version 2" in ganns("sample").output
    ganns("export", "--best")
    assert describe(f"export/run-{run.id}").version == 1


@pytest.mark.parametrize(
    ("words", "error", "answer"),
    [
        (["sample", "--from", "x", "--raw"], ConfigError, "leave out the run, --best and --raw"),
        (["sample", "7", "--from", "x"], ConfigError, "leave out the run"),
        (["sample", "--from", "x"], ExportError, "There is no exported model in x"),
        (["sample", "--walk", "x.png"], ExportError, "call it x.gif or .mp4"),
        (["timelapse", "latest", "x.webm"], ExportError, "call it x.gif or .mp4"),
        (["timelapse", "nowhere", "x.gif"], RunError, "'nowhere' is not a run"),
        (["export"], RunError, "There is no run in this database yet"),
        (["push", "latest", "faces"], ConfigError, "write OWNER/NAME"),
    ],
)
def test_a_mistake_is_answered_in_one_sentence(
    words: list[str], error: type[GannsError], answer: str, ganns: Any
) -> None:
    with pytest.raises(error, match=answer):
        ganns(*words)
    assert list(Path().iterdir()) == []


def test_a_resumed_run_draws_with_its_own_settings(database: Address, conn: Any, tmp_path: Path) -> None:
    """What is typed when a run is resumed need not say its seed or its model: they are the run's."""
    config = tiny(stop=StopConfig(rounds=2), sample_every=2, seed=9)
    train(database, config, tmp_path / "first")
    typed = Config(stop=StopConfig(rounds=4), resume="latest", sample_every=0)
    watch = train(database, typed, tmp_path / "second")
    assert watch.state is not None
    assert watch.state.config.seed == 9
    assert [version for version, _ in watch.grids.saved] == [2, 4]
    first, second = (tmp_path / name / "samples" / "version-000002.png" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
