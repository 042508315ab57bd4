"""A vote of the class: how long a failure will make it wait, and what will be lost.

The votes are in memory: a vote is about the next minute, and ends with the dashboard. There is no login, so a browser
is known only by a number that it made up itself, and anyone who wants to can vote twice. It is a show of hands, not an
election.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from ganns.dashboard.lab.harms import HARMS
from ganns.errors import DashboardError

EDGES_S = (2.0, 5.0, 15.0, 30.0)
WAITS = ("less than 2 s", "2 to 5 s", "5 to 15 s", "15 to 30 s", "more than 30 s")
"""The answers to: how long is the longest wait for a new version? One more than there are edges."""
LOSSES = ("nothing", "the work of some units, which is done again or comes too late", "whole rounds")
"""The answers to: what is lost?"""
MAX_VOTERS = 500


def wait_answer(seconds: float) -> int:
    """Return which of `WAITS` a time is."""
    return sum(seconds >= edge for edge in EDGES_S)


@dataclass
class Ballot:
    """One question to the class, about one harm."""

    number: int
    harm: str
    amount: int
    """Of the harm: milliseconds of a delay; else 0."""
    run: int
    state: Literal["open", "running", "done"] = "open"
    setting: str = ""
    """Says in a sentence how the run waited for results just before the failure."""
    said: str = ""
    """The lab's own sentence about the failure that it made."""
    outcome: dict[str, Any] | None = None
    votes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """(index in `WAITS`, index in `LOSSES`) of each voter."""

    def vote(self, voter: str, wait: int, lost: int) -> None:
        """Take a vote; another one of the same voter replaces it.

        Raises:
            DashboardError: the vote is over, or too many voted.
        """
        if self.state != "open":
            raise DashboardError("This vote is over: the page shows what happened.")
        if voter not in self.votes and len(self.votes) >= MAX_VOTERS:
            raise DashboardError(f"{MAX_VOTERS} have voted, and no more are counted.")
        self.votes[voter] = (wait, lost)

    @property
    def title(self) -> str:
        """The harm's name, with its amount."""
        title = HARMS[self.harm].title
        return f"{title}: {self.amount} ms" if self.harm == "latency" else title

    def counts(self) -> tuple[list[int], list[int]]:
        """Return the number of votes for each of `WAITS`, and for each of `LOSSES`."""
        waits, losses = (Counter(vote[i] for vote in self.votes.values()) for i in (0, 1))
        return [waits[i] for i in range(len(WAITS))], [losses[i] for i in range(len(LOSSES))]

    def shown(self) -> dict[str, Any]:
        """Return what everyone may see; the counts only after the vote, so that no one follows the others."""
        waits, losses = self.counts() if self.state != "open" else ([], [])
        return {
            "number": self.number,
            "state": self.state,
            "harm": self.harm,
            "amount": self.amount,
            "title": self.title,
            "text": HARMS[self.harm].text,
            "num_votes": len(self.votes),
            "waits": [{"label": label, "votes": num} for label, num in _paired(WAITS, waits)],
            "losses": [{"label": label, "votes": num} for label, num in _paired(LOSSES, losses)],
            "said": self.said,
            "outcome": self.outcome,
        }


def _paired(labels: tuple[str, ...], counts: list[int]) -> list[tuple[str, int | None]]:
    return [(label, counts[i] if counts else None) for i, label in enumerate(labels)]
