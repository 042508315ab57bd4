"""Scenarios of the exercises in SQL: a learner's functions, in a fixed order of steps in three sessions."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ganns.db.address import Address
from ganns.exercises.catalogue import find
from ganns.exercises.learner import LearnersError
from ganns.exercises.report import Report
from ganns.exercises.sessions import DatabaseSession, load, three_sessions

Scenario = Callable[[DatabaseSession, DatabaseSession, DatabaseSession], str]
"""Plays the steps in Ada's and Bob's session, while the third one watches; returns what is wrong, or nothing."""


def check_scenarios(
    number: int, scenarios: Mapping[str, Scenario], file: Path, report: Report, address: Address | None = None
) -> None:
    """Play each scenario with new tables and the learner's functions, and judge it.

    Args:
        number: the exercise's; its second starter file makes the tables.
        scenarios: by title.
        file: the learner's.
        report: takes the verdicts.
        address: of the server; None: that of GANNS_DATABASE_URL.

    Raises:
        LearnersError: if the file is empty, or the server refuses it.
    """
    address = address or Address(os.environ["GANNS_DATABASE_URL"], "GANNS_DATABASE_URL")
    if not file.read_text(encoding="utf-8", errors="replace").strip():
        raise LearnersError(f"{file.name} is empty. Begin with the starter file: `ganns exercise start {number}`.")
    tables = find(number).starters[1]
    with three_sessions(address) as sessions:
        for title, scenario in scenarios.items():
            with report.part(title):
                for session in sessions:
                    session.rollback()
                load(sessions[2], tables)
                load(sessions[2], file)
                report.judge(title, scenario(*sessions))
