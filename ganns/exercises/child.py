"""`python -m ganns.exercises.child NUMBER FILE REPORT`: check a file, in a process that may crash or be killed.

The runner starts it. A check that needs a database reads its address from GANNS_DATABASE_URL.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from ganns.exercises.catalogue import find
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import Report


def check(number: int, file: Path, report: Report) -> Report:
    """Check a file for the exercise with that number. An error that stops the check is also a finding."""
    module = importlib.import_module(f"ganns.exercises.checks.{find(number).name}")
    try:
        module.check(file, report)
    except LearnersError as error:
        report.wrong("the file runs", str(error))
    return report


if __name__ == "__main__":
    check(int(sys.argv[1]), Path(sys.argv[2]), Report(Path(sys.argv[3])))
