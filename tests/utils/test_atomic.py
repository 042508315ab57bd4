"""Files and folders that appear whole, or not at all."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from ganns.utils.atomic import replacing


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
