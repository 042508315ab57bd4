"""What a check says: one result after the other, each as it is found.

A result goes to a file as a line of JSON at once. If the learner's program then crashes, or never ends, what was found
before is not lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ganns.exercises.learner import LearnersError


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at. `right` is None for a remark, which is neither."""

    right: bool | None
    title: str
    detail: str = ""


@dataclass
class Report:
    """All results of a check, in order."""

    file: Path | None = None  # where each goes at once
    results: list[CheckResult] = field(default_factory=list)

    def right(self, title: str, detail: str = "") -> None:
        """Say that something is as it should be."""
        self._add(CheckResult(True, title, detail))

    def wrong(self, title: str, detail: str) -> None:
        """Say that something is not as it should be, and why: what was expected and what came, in small numbers."""
        self._add(CheckResult(False, title, detail))

    def remark(self, title: str, detail: str = "") -> None:
        """Say something that is neither right nor wrong."""
        self._add(CheckResult(None, title, detail))

    @contextmanager
    def part(self, title: str) -> Iterator[None]:
        """Look at something; an error of the learner's makes it wrong, and the check goes on with the next thing."""
        try:
            yield
        except LearnersError as error:
            detail = str(error)
            known = any(result.detail == detail for result in self.results)
            self.wrong(title, "The same as above." if known else detail)

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong, and something was right."""
        answers = [result.right for result in self.results]
        return True in answers and False not in answers

    def _add(self, result: CheckResult) -> None:
        self.results.append(result)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(result)) + "\n")


def read(file: Path) -> list[CheckResult]:
    """Return the results in a file; a last line that was cut off is left out."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    return [CheckResult(**json.loads(line)) for line in lines if line.endswith("\n")]
