"""Names of any letters on terminals of any encoding, and names that look like rich's markup."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from rich.console import RenderableType
from typer.testing import CliRunner

from benchmarks.lesson import Lesson
from ganns.cli.app import app
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.top.screen import snapshot
from ganns.utils.checks import ok, problem
from ganns.utils.console import SafeConsole
from ganns.utils.interpreter import MODULE
from ganns.worker.display import Display
from tests.top.test_top import ANNA, RECORDED, RUN, drawn, viewed

ENCODINGS = ["utf-8", "ascii", "cp1252", "cp932"]
NAME = "Zo\u00eb \u8868 \u0436 [/red] [test] \u2713"
MARKUP = ["[/red]", "[test]", "[bold]x[/bold]", "[link=http://x]y", "\\[x]"]


class Terminal:
    """A terminal of one encoding, set as `print_any_text` sets ours."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        self.file = io.TextIOWrapper(self.bytes, encoding=encoding, errors="backslashreplace")
        self.console = SafeConsole(file=self.file, width=160, force_terminal=True)

    def text(self) -> str:
        self.file.flush()
        return self.bytes.getvalue().decode(self.file.encoding)


def expected(encoding: str) -> str:
    """How the name looks there: other letters as escapes."""
    return NAME.encode(encoding, "backslashreplace").decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_top_draws_a_name(encoding: str) -> None:
    people = {"type": "people", "run": 7, "people": [ANNA | {"name": NAME}]}
    shown: RenderableType = snapshot(viewed(*RECORDED[:2], RUN | {"name": NAME}, people), 160)
    terminal = Terminal(encoding)
    terminal.console.print(shown)
    assert expected(encoding) in terminal.text()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_workers_line_has_its_name(encoding: str) -> None:
    terminal = Terminal(encoding)
    with Display([NAME], terminal.console) as display:
        display.on_event(NAME, {"event": "registered", "worker": 3, "device": "cpu", "threads": 2, "host": NAME})
        display.say(NAME, f"starting again: {NAME}")
    assert expected(encoding) in terminal.text()


@pytest.mark.parametrize("name", MARKUP)
def test_markup_in_a_name_is_text_on_a_screen(name: str) -> None:
    people = {"type": "people", "run": 7, "people": [ANNA | {"name": name}]}
    text = "\n".join(drawn(viewed(*RECORDED[:2], RUN | {"name": name}, people), 200, 40))
    assert f"Run 7 {name}: training" in text
    assert text.count(name) >= 2
    terminal = Terminal("utf-8")
    with Display([name], terminal.console) as display:
        display.say(name, f"of {name}")
    assert f"{name}: of {name}" in terminal.text()


def test_commands_list_runs_and_workers_of_such_names(
    conn: Connection, database: Address, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    monkeypatch.setenv("COLUMNS", "100")  # with fewer, a long name ends in "…"
    names = [NAME, *MARKUP]
    for name in names:
        Lesson(conn, num_workers=1, name=name)
    conn.execute("UPDATE ganns.workers SET name = %s", [NAME])
    commands = [["runs"], ["compare", *"123456", "--out", str(tmp_path)], ["top", "--once"]]
    shown = {words[0]: CliRunner().invoke(app, words, catch_exceptions=False).output for words in commands}
    for name in names:
        assert name in shown["runs"]
        assert name in shown["compare"]
    assert MARKUP[-1] in shown["top"]  # the newest run
    assert NAME in shown["top"]


@pytest.mark.parametrize(
    ("words", "encoding"), [(["runs"], "ascii"), (["top", "--once"], "cp1252"), (["runs"], "cp932")], ids=str
)
def test_a_real_program_writes_any_name_into_any_terminal(
    words: list[str], encoding: str, conn: Connection, database: Address
) -> None:
    """Here nothing but the program itself chooses what becomes of a letter that the terminal does not have."""
    Lesson(conn, num_workers=1, name=NAME)
    conn.execute("UPDATE ganns.workers SET name = %s", [NAME])
    variables = {"PYTHONIOENCODING": encoding, "COLUMNS": "140", "GANNS_DATABASE_URL": database.conninfo}
    done = subprocess.run([*MODULE, "ganns", *words], env=os.environ | variables, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    shown = done.stdout.decode(encoding)
    assert shown.isascii() or encoding != "ascii"
    assert "\\u" in shown or "\\x" in shown  # a letter that the encoding lacks stands there as its number


def test_the_doctor_answers_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [ok("python", "3.11"), problem("port", f"closed {NAME}", "open it")]
    monkeypatch.setattr("ganns.doctor.examine", lambda: iter(findings))
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    assert done.stdout.isascii()
    assert [(one["subject"], one["state"]) for one in json.loads(done.stdout)] == [
        ("python", "ok"),
        ("port", "problem"),
    ]
