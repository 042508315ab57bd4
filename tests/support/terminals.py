"""Follow a page as a reader does: its commands, word for word, typed into terminals.

A test says only who types which section, what takes the place of the page's address and password, and which settings
make a command small. What it types is read from the page.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.support.helpers import ROOT, wait_until

BLOCK = re.compile(r"^( *)```(?:console)?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
"""A block of commands; one that belongs to a list's item is indented as the item is."""


def commands(page: str, title: str | None = None) -> list[str]:
    """Return the command lines of a page's blocks, or of those of one section, in order."""
    text = (ROOT / page).read_text("utf-8")
    if title is not None:
        found = re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        assert found, f"{page} has no section {title!r} any more: correct the test"
        text = found[1]
    lines = [line.removeprefix(indent) for indent, block in BLOCK.findall(text) for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.strip()]


class Running:
    """A command that runs in a terminal of its own."""

    def __init__(self, line: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.line, self.process, self._log = line, process, log

    @property
    def output(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_for(self, pattern: str, timeout_s: float = 120, after: int = 0) -> re.Match[str]:
        """Wait until it has printed something like that, behind the first `after` characters."""

        def printed() -> re.Match[str] | None:
            return re.compile(pattern, re.MULTILINE).search(self.output, after)

        def what() -> str:
            return f"{pattern!r} from `{self.line}`, which printed:\n{self.output[-3000:]}"

        wait_until(lambda: printed() or self.process.poll() is not None, timeout_s, what, every_s=0.1)
        found = printed()
        assert found, f"it ended with {self.process.returncode} before {what()}"
        return found

    def ctrl_c(self, timeout_s: float = 60) -> int:
        """Press Ctrl-C: a terminal interrupts all processes of the command. Return the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(timeout_s)


class Machine:
    """A computer: a folder to work in, a home for `ganns`, and variables that are exported."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        folder.mkdir()
        self.folder, self._stack, self._num = folder, stack, 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        self.variables = kept | {"GANNS_HOME": str(folder / "home"), "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}"}

    def start(self, line: str) -> Running:
        """Type a line into a new terminal, and let it run."""
        self._num += 1
        log = self.folder / f"terminal-{self._num}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self._stack.callback(_end, process)
        return Running(line, process, log)

    def type(self, line: str, timeout_s: float = 120) -> str:
        """Type a line, wait until it is done without an error, and return what it printed."""
        if found := re.fullmatch(r"export (\w+)=(\S+)", line):
            self.variables[found[1]] = found[2]
            return ""
        running = self.start(line)
        code = running.process.wait(timeout_s)
        assert code == 0, f"`{line}` ended with {code}, and printed:\n{running.output[-3000:]}"
        return running.output


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing behind, whatever happened."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
