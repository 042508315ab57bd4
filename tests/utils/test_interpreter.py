"""A student's module is found in the working directory, and hides nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganns.utils.interpreter import import_own


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("this", None)
    yield tmp_path
    sys.modules.pop("this", None)


def test_an_installed_module_of_the_same_name_does_not_hide_it(folder: Path) -> None:
    """`this` is a module of Python's library; torch-fidelity installs a package `tests`."""
    (folder / "this.py").write_text("import queue\napp = queue.Queue\n")
    (folder / "queue.py").write_text("raise SystemExit('the queue of the working directory')\n")
    import_own("this")
    import queue

    assert sys.modules["this"].app is queue.Queue
    assert sys.modules["this"].__file__ == str(folder / "this.py")


def test_a_module_with_a_mistake_is_not_half_imported(folder: Path) -> None:
    (folder / "this.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        import_own("this")
    assert "this" not in sys.modules


def test_without_one_nothing_happens(folder: Path) -> None:
    import_own("this")
    assert "this" not in sys.modules
    folder.rmdir()
    import_own("this")
    assert "this" not in sys.modules
