"""`ganns worker` in a student's folder: its files hide no module of ours, and the student's own app is found there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganns.db.connect import connect
from ganns.utils.interpreter import MODULE
from tests.support.helpers import ROOT, wait_until

OURS = [path for folder in ("ganns", "tasks") for path in (ROOT / folder).rglob("*.py")]


def imported() -> list[str]:
    """The first part of everything that the program imports, the standard library included."""
    names = set()
    for path in OURS:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return sorted(names - {"__future__"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file of the name of each module that we import; whoever imports one of them leaves a mark."""
    names = imported()
    assert {"tasks", "random", "queue", "torch", "psycopg", "ganns"} <= set(names)
    for name in (*names, "my_tasks"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').write({name + ' '!r})\n")
    return tmp_path


def hidden(folder: Path) -> str:
    return (folder / "mark").read_text() if (folder / "mark").exists() else ""


@pytest.mark.parametrize("command", [[str(Path(sys.executable).with_name("ganns"))], [*MODULE, "ganns"]])
def test_a_command_imports_nothing_from_the_folder(folder, command):
    done = subprocess.run([*command, "worker", "--help"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert hidden(folder) == ""


def test_python_m_ganns_imports_nothing_of_ours_from_the_folder(folder):
    """Python itself imports some modules before our first line: for them, `ganns` or `python -P -m ganns` helps."""
    for path in folder.glob("*.py"):
        if path.stem not in ("tasks", "random", "queue", "typer", "rich", "psycopg", "torch"):
            path.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "ganns", "worker", "--help"], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert hidden(folder) == ""


def test_a_worker_runs_the_students_tasks_among_such_files(folder, database):
    """The supervisor, its child and the child's spare; the task itself may import what lies beside it."""
    (folder / "my_tasks.py").write_text(
        "from ganns.queue.app import App\nfrom ganns.queue.decorator import task\n"
        "app = App(import_paths=['my_tasks'])\n"
        "@task(app=app, name='add')\ndef add(x, y):\n    return x + y\n"
    )
    log = folder / "log"
    command = [str(Path(sys.executable).with_name("ganns")), "worker", "--app", "my_tasks.app"]
    environment = os.environ | {"GANNS_DATABASE_URL": database.conninfo}
    with log.open("wb") as stream:
        worker = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        with connect(database) as conn:
            conn.execute('SELECT ganns.task_apply(\'[{"task": "add", "queue": "default", "args": {"x": 1, "y": 2}}]\')')
            wait_until(
                lambda: conn.execute("SELECT value FROM ganns.task_results").fetchone() == (3,), 120, log.read_text
            )
    finally:
        worker.terminate()
        worker.wait(30)
    assert hidden(folder) == ""


def test_processes_that_draw_are_started_without_the_folder(folder):
    code = (
        "from ganns.utils.interpreter import leave_out_the_folder; leave_out_the_folder()\n"
        "import operator; from ganns.data.processes import in_processes\n"
        "if __name__ == '__main__': print(list(in_processes(operator.add, [(1, 2), (3, 4)])))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[3, 7]\n", done.stderr
    assert hidden(folder) == ""
