"""Files and folders that appear whole, or not at all."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest

from ganns.utils.atomic import replacing, write_text
from tests.support.helpers import ROOT


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("options", [{}, {"locked": True}, {"sync": True}])
def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path, options: dict[str, bool]) -> None:
    path = tmp_path / "folder" / "a.txt"
    for text in ("one", "two"):
        with replacing(path, **options) as part:
            assert part.suffix == ".txt"
            part.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    with suppress(ZeroDivisionError), replacing(path, **options) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert (path.read_text(), left(path.parent)) == ("two", ["a.txt"])


def test_a_folder_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for name in ("one", "two"):
        with replacing(path) as part:
            part.mkdir()
            (part / name).touch()
        assert left(path) == [name]
    with suppress(ZeroDivisionError), replacing(path) as part:
        part.mkdir()
        raise ZeroDivisionError
    assert (left(path), left(tmp_path)) == (["two"], ["model"])


def test_what_a_killed_process_left_is_deleted(tmp_path: Path) -> None:
    with replacing(tmp_path / "pack", locked=True) as part:
        part.mkdir()
        (part / "old").touch()
        with replacing(tmp_path / "pack", locked=True) as again:
            assert again == part
            assert not again.exists()
            again.mkdir()
        part.mkdir()
    assert left(tmp_path) == ["pack"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError) as raised, replacing(tmp_path / "a.png") as part:
        part.write_text("a picture")
    assert raised.value.filename == str(tmp_path / "a.png")
    assert left(tmp_path) == ["a.png"]


@pytest.mark.skipif(os.name == "nt", reason="no rights of this kind")
def test_a_private_text_is_its_owners(tmp_path: Path) -> None:
    for private, mode in ((True, 0o600), (False, 0o666)):
        before = os.umask(0)
        try:
            write_text(tmp_path / "a.txt", "Zo\u00eb", private=private)
        finally:
            os.umask(before)
        assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode
        assert (tmp_path / "a.txt").read_text("utf-8") == "Zo\u00eb"


WHOLE = {
    **dict.fromkeys(("coordinator/state_files.py", "data/packed/format.py", "db/backup.py"), "inside `replacing`"),
    **dict.fromkeys(("export/folder.py", "export/model.py", "export/onnx.py"), "in the folder that `replacing` yields"),
    **dict.fromkeys(("data/sources/celeba_layout.py", "data/sources/synthetic.py"), "in the folder that it yields"),
    **dict.fromkeys(("notebook/background.py", "dashboard/lab/worker.py", "worker/launch.py"), "a log"),
    **dict.fromkeys(
        ("db/certificate.py", "db/server/entrance.py", "db/server/own_certificate.py"), "inside `replacing`"
    ),
    **dict.fromkeys(("cli/microscope.py", "exercises/microscope/library.py"), "inside `replacing`"),
    **dict.fromkeys(("cli/exercise.py", "export/certificate.py"), "inside `replacing`"),
    "demo/dashboard.py": "a log",
    "data/http/transfer.py": "a part of a download, which is resumed and checked",
    "data/packed/local.py": "rows that are marked when they are whole",
    "db/server/embedded.py": "PostgreSQL's own file, whose owner and mode have to stay",
    "db/server/programs.py": "in a new folder, which is renamed",
    "exercises/report.py": "a report, line by line",
    "training/serialization.py": "`TrainingState.save`, whose callers rename",
    "utils/atomic.py": "this is it",
}


def test_every_file_is_written_through_it() -> None:
    """A new module that writes a file by other means would leave half of it when it is killed."""
    writes = re.compile(r"\.write_(text|bytes)\(|\bopen\([^)]*[\"'][wax]b?\+?[\"']|\bos\.fdopen\([^)]*[\"'][wax]")
    found = {
        path.relative_to(ROOT / "ganns").as_posix()
        for path in (ROOT / "ganns").rglob("*.py")
        if writes.search(path.read_text("utf-8"))
    }
    assert found == WHOLE.keys()
