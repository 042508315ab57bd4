"""Text of other people on a terminal, in a log and on a page."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys

import pytest
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ganns.utils.console import SafeConsole, cells, say
from ganns.utils.printable import MAX_LENGTH, PrintableRecord, printable
from tests.support.helpers import ROOT

EVIL = "\x1b[2J\x1b]0;mine\x07eve\u202e\u2066\x9b31m\x00\x7f\u2028"
HUGE = "x" * 50_000_000


class Nameless(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("injected")


def test_a_terminal_obeys_nothing() -> None:
    assert printable(EVIL) == "?[2J?]0;mine?eve???31m??" + " "
    assert printable("Zoë, 王 and a\u00a0space") == "Zoë, 王 and a space"
    assert printable("a\r\nb\tc\rd", lines=True) == "a\nb\tc\nd"
    assert printable("a\r\nb") == "a??b"
    assert printable("\ud800") == "?"  # half a character, as in the name of a file that is not UTF-8


def test_a_text_has_a_length_and_keeps_its_end() -> None:
    text = printable("begin" + HUGE + "ValueError: the end")
    assert len(text) < MAX_LENGTH + 60
    assert text.startswith("beginxxx")
    assert text.endswith("xxxValueError: the end")
    assert "characters left out" in text


def test_an_error_without_a_text_has_one() -> None:
    assert printable(Nameless()) == "<Nameless without a text: RuntimeError>"


def test_a_console_prints_no_control_character_but_its_own() -> None:
    output = io.StringIO()
    console = SafeConsole(file=output, force_terminal=True, width=200)
    table = Table("name")
    table.add_row(*cells(f"[red]{EVIL}", HUGE)[:1])
    with Live(console=console, get_renderable=lambda: Text(EVIL), refresh_per_second=1):
        console.print(EVIL, markup=False)
        console.print(table)
        console.print(Text(EVIL, style="bold"))
    shown = output.getvalue()
    assert "[red]?[2J?]0;mine?eve" in shown
    assert not re.search("\x1b\\][0-9]|\x07|\u202e|\u2066|\x9b|\x7f|\x1b\\[2J", shown)
    assert "\x1b[1m" in shown  # rich's own styles stay


def test_a_log_is_printable() -> None:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    try:
        raise ValueError(f"{EVIL}{HUGE}")
    except ValueError:
        exc_info = sys.exc_info()
    handler.handle(PrintableRecord("x", logging.ERROR, "x.py", 1, "of %s", (EVIL + HUGE,), exc_info))
    text = output.getvalue()
    assert "of ?[2J" in text
    assert "Traceback" in text
    assert "\x1b" not in text
    assert len(text) < 15 * MAX_LENGTH


def test_a_line_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"a\n{EVIL}")
    assert capsys.readouterr().out.startswith("a\n?[2J")


def test_an_error_that_nothing_catches() -> None:
    text = (
        "from ganns.utils.printable import keep_logs_printable\nimport threading\nkeep_logs_printable()\n"
        "def fail(): raise ValueError('thread' + chr(27) + '[2J')\n"
        "t = threading.Thread(target=fail); t.start(); t.join()\nraise ValueError('main' + chr(27) + '[2J')"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ValueError: thread?[2J" in done.stderr
    assert "ValueError: main?[2J" in done.stderr


@pytest.mark.parametrize(
    "pattern", [r"typer\.echo\(", r"(?<![A-Za-z])Console\((?!\))", r"^\s*print\((?!.*(OmegaConf|stdin))"]
)
def test_every_command_prints_through_them(pattern: str) -> None:
    """A new command that prints by other means would print what a worker sends."""
    own = ("utils/console.py", "utils/printable.py", "exercises/", "testing/")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "ganns").rglob("*.py"))
        if not path.relative_to(ROOT / "ganns").as_posix().startswith(own)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert found == []
    assert issubclass(SafeConsole, Console)
