"""The results of a check.

Each result is written at once to a file, as a line of JSON. So earlier results are not lost if the learner's program
then crashes or never ends.
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
    """The result of one part of a check. `right` is None for a remark, which is neither right nor wrong."""

    right: bool | None
    title: str
    detail: str = ""


@dataclass
class Report:
    """All results of a check, in order."""

    file: Path | None = None  # each result is written there at once
    results: list[CheckResult] = field(default_factory=list)

    def right(self, title: str, detail: str = "") -> None:
        """Report that a part is right."""
        self._add(CheckResult(True, title, detail))

    def wrong(self, title: str, detail: str) -> None:
        """Report that a part is wrong, and why: the expected and the actual values, in small numbers."""
        self._add(CheckResult(False, title, detail))

    def judge(self, title: str, problem: str) -> None:
        """Report that a part is wrong, because of `problem`; right, if there is none ("")."""
        if problem:
            self.wrong(title, problem)
        else:
            self.right(title)

    def remark(self, title: str, detail: str = "") -> None:
        """Report a remark, which is neither right nor wrong."""
        self._add(CheckResult(None, title, detail))

    @contextmanager
    def part(self, title: str) -> Iterator[None]:
        """Run one part; a `LearnersError` makes it wrong, and the check goes on with the next part."""
        try:
            yield
        except LearnersError as error:
            detail = str(error)
            known = any(result.detail == detail for result in self.results)
            self.wrong(title, "The same as above." if known else detail)

    @property
    def passed(self) -> bool:
        """Whether at least one part was right, and none was wrong."""
        answers = [result.right for result in self.results]
        return True in answers and False not in answers

    def _add(self, result: CheckResult) -> None:
        self.results.append(result)
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(result)) + "\n")


def read(file: Path) -> list[CheckResult]:
    """Return the results in a file, without a last line that is incomplete."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    return [CheckResult(**json.loads(line)) for line in lines if line.endswith("\n")]
