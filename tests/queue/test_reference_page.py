"""The examples of docs/reference/tasks.md run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ganns.db.address import Address
from tests.support.helpers import ROOT

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/reference/tasks.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_smallest_example(database: Address, tmp_path: Path) -> None:
    (tmp_path / "my_tasks.py").write_text(BLOCKS[0])
    environment = os.environ | {"GANNS_DATABASE_URL": database.conninfo, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    worker = subprocess.Popen(
        [sys.executable, "-m", "procrastinate", "--app=my_tasks.app", "worker"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code = "from my_tasks import add; print(add.delay(1, 2).get(timeout=60))"
        output = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert output.stdout == "3\n"
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
