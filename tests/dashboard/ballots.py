"""A vote that ended, as the failure lab keeps it in memory."""

from __future__ import annotations

from ganns.dashboard.lab.outcome import Observed, outcome
from ganns.dashboard.lab.votes import Ballot
from ganns.monitor.closings import Span

CALM = Span(rounds=40, longest_s=1.2, images=4000, late=0, full=True)


def voter(number: int) -> str:
    return f"{number:032x}"


def killed() -> Ballot:
    """Return the vote on a kill that made the class wait, of which two of three expected something else."""
    ballot = Ballot(1, "kill", 0, 7, state="done", said="Killed lab-2.")
    ballot.setting = "Each round waited for 4 of 4 results, from 3 workers."
    for number, vote in enumerate(((0, 0), (0, 0), (3, 1))):
        ballot.votes[voter(number)] = vote
    after = Span(rounds=9, longest_s=17.4, images=900, late=1, full=True)
    event = {"event": "requeued", "unit": 4, "round": 31}
    ballot.outcome = outcome(ballot, Observed(CALM, after, 40.0, [(15.2, event)], went_back=False))
    return ballot
