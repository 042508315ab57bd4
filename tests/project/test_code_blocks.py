"""The Python and SQL on the pages runs as it stands there.

Blocks of one page run in order, Python ones in one namespace. `<!-- not run: why -->` before a block leaves it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from ganns.db.connect import Connection
from tests.support.helpers import ROOT

BLOCK = re.compile(r"(<!-- not run: .+? -->\n+)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = {"docs/reference/tasks.md": "tests/queue/test_reference_page.py"}  # they need a worker


def blocks(page: Path, language: str) -> list[str]:
    found = BLOCK.findall(page.read_text("utf-8"))
    return [text for left_out, named, text in found if named == language and not left_out]


def pages(language: str) -> list[str]:
    every = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page.relative_to(ROOT).as_posix() for page in every if blocks(page, language)]


def exported_faces(folder: Path) -> None:
    """Make what `ganns export latest --out faces` would."""
    from ganns.config import Config, ModelConfig
    from ganns.export.model import write_model
    from ganns.training.state import TrainingState

    (folder / "faces").mkdir()
    write_model(folder / "faces", TrainingState(Config(model=ModelConfig(image_size=32, features_g=8))), averaged=True)


PREPARED: dict[str, Callable[[Path], None]] = {"docs/howto/results.md": exported_faces}


@pytest.mark.parametrize("page", sorted(set(pages("python")) - set(ELSEWHERE)))
def test_python(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page in PREPARED:
        PREPARED[page](tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for text in blocks(ROOT / page, "python"):
        exec(compile(text, page, "exec"), names)


def test_what_runs_elsewhere_does() -> None:
    for page, test in ELSEWHERE.items():
        assert page in pages("python")
        assert page in (ROOT / test).read_text("utf-8")


@pytest.mark.parametrize("page", pages("sql"))
def test_sql(page: str, conn: Connection) -> None:
    for text in blocks(ROOT / page, "sql"):
        with conn.transaction(force_rollback=True):  # roles belong to the whole server
            conn.execute(text.encode())


def test_a_mistake_in_a_block_would_be_found(conn: Connection) -> None:
    found = BLOCK.findall(
        "<!-- not run: why -->\n```sql\nSELECT 1\n```\n\n```sql\nSELECT nothing FROM ganns.runs\n```\n"
    )
    assert [bool(left_out) for left_out, _, _ in found] == [True, False]
    with pytest.raises(psycopg.errors.UndefinedColumn):
        conn.execute(found[1][2].encode())
