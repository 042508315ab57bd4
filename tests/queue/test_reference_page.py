"""The examples of docs/reference/tasks.md run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.queue.commands import workers
from tests.support import warm
from tests.support.helpers import ROOT, wait_until

PAGE = (ROOT / "docs/reference/tasks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


CONSOLE = re.search(r"```console\n(.*?)```", PAGE, re.DOTALL)


def test_the_smallest_example(database: Address, tmp_path: Path) -> None:
    """Exactly what is printed, in the folder of my_tasks.py; only the address is this test's."""
    assert CONSOLE is not None
    lines = CONSOLE[1].splitlines()
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    assert typed[0].startswith("export GANNS_DATABASE_URL=")
    (tmp_path / "my_tasks.py").write_text(BLOCKS[0])
    script = "\n".join([*typed[1:], "kill -INT %1 2>/dev/null; wait"])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "GANNS_DATABASE_URL": database.conninfo,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-mc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180
    )
    assert "\n3\n" in f"\n{done.stdout}", done.stdout + done.stderr
    assert lines[-1] == "3"


def test_the_stock_workers_line(database: Address, tmp_path: Path) -> None:
    [line] = re.findall(r"`(python -m procrastinate --app=my_tasks\.app worker)`", PAGE)
    (tmp_path / "my_tasks.py").write_text(BLOCKS[0])
    environment = os.environ | {"GANNS_DATABASE_URL": database.conninfo}
    worker = warm.start([sys.executable, *line.split()[1:]], cwd=tmp_path, env=environment)
    try:
        with connect(database) as conn:
            wait_until(lambda: [row["worker"] for row in workers(conn)], what="the worker")
    finally:
        worker.kill()
        worker.wait()


def test_the_full_examples_calls_are_accepted(database: Address) -> None:
    """Its tasks are defined, and its canvases planned; no test waits for a thousand empty steps."""
    definitions, calls = BLOCKS[1].split("header = ")
    names: dict = {}
    exec(BLOCKS[0].replace('["my_tasks"]', "[]"), names)
    exec(definitions, names)
    first = "header = " + calls.split("print(")[0].replace(".delay()", ".plan()")
    exec(first, names)
    [outer, body] = names["result"]
    assert (len(outer["group"]), outer["quorum"], outer["deadline_s"], outer["grace_s"]) == (100, 80, 600, 2)
    assert body["task"].endswith("average")
