"""Compare what the class expected of a failure with the run's own rounds and events. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganns.dashboard.lab.votes import LOSSES, WAITS, Ballot, wait_answer
from ganns.monitor.closings import Span
from ganns.queue.rescue import SILENT_S


@dataclass(frozen=True)
class Observed:
    """Holds the observations of a run after a harm."""

    before: Span
    after: Span
    window_s: float
    """The length of each of the two spans."""
    requeued: Sequence[tuple[float, Mapping[str, Any]]]
    """(seconds after the harm, event) of each unit whose job was queued again."""
    went_back: bool

    @property
    def wait(self) -> int:
        """Which of `WAITS` was the longest wait."""
        return wait_answer(self.after.longest_s)

    @property
    def lost(self) -> int:
        """Which of `LOSSES` was lost."""
        if self.went_back:
            return 2
        return 1 if self.requeued or self.after.late else 0


def outcome(ballot: Ballot, seen: Observed) -> dict[str, Any]:
    """Return the answers, the time before and after, why it was so, and how the votes fit: for pages and quizzes."""
    return {
        "wait": seen.wait,
        "lost": seen.lost,
        "window_s": seen.window_s,
        "before": seen.before.as_dict(),
        "after": seen.after.as_dict(),
        "why": explained(ballot.harm, seen),
        "compared": compared(ballot, seen),
    }


def setting(run: Mapping[str, Any]) -> str:
    """Return how a run waits for results: without it, no one can say what a failure does.

    Args:
        run: the answer of `look_at_run`.
    """
    units = run["wanted_units"] or run["quorum"]["units"]
    of = units + run["quorum"]["spares"]
    return f"Each round waited for {units} of {of} results, from {_num(run['workers_alive'], 'worker')}."


def explained(harm: str, seen: Observed) -> list[str]:
    """Return what happened after the harm, as sentences."""
    after, before, said = seen.after, seen.before, []
    if seen.requeued:
        at, event = seen.requeued[0]
        more = f", and {_num(len(seen.requeued) - 1, 'more unit')}" if len(seen.requeued) > 1 else ""
        cause = f": the last heartbeat of its worker was {SILENT_S:.0f} s old" if harm in ("kill", "stop") else ""
        unit = f"unit {event.get('unit', '?')} of round {event.get('round', '?')}{more}"
        said.append(f"After {at:.1f} s, {unit} went to other workers{cause}.")
    elif harm in ("kill", "stop") and after.rounds:
        said.append("No unit had to go to another worker: the rounds closed with the results that came.")
    if after.late:
        said.append(
            f"{_num(after.late, 'result')} came after the round had closed: credited as effort, and not applied."
        )
    if not after.rounds:
        said.append(f"No round closed within {seen.window_s:.0f} s.")
    elif after.full:
        said.append(f"{_num(after.rounds, 'round')} closed, each with its whole quorum: no accepted result was lost.")
    else:
        said.append(f"{_num(after.rounds, 'round')} closed, some with fewer results than the quorum: at the deadline.")
    if before.rounds:
        said.append(
            f"The longest wait for a version was {after.longest_s:.1f} s; in the {seen.window_s:.0f} s before, it was "
            f"{before.longest_s:.1f} s."
        )
    return said


def compared(ballot: Ballot, seen: Observed) -> list[str]:
    """Return how the votes fit, as sentences; nothing without votes."""
    total = len(ballot.votes)
    if not total:
        return []
    waits, losses = ballot.counts()
    return [
        _compared(f"a wait of {WAITS[_most(waits)]}", WAITS[seen.wait], waits, seen.wait, total),
        _compared(f"this to be lost: {LOSSES[_most(losses)]}", LOSSES[seen.lost], losses, seen.lost, total),
    ]


def _compared(expected: str, was: str, counts: Sequence[int], right: int, total: int) -> str:
    if _most(counts) == right:
        return f"{counts[right]} of {total} expected {expected}. So it was."
    return f"{max(counts)} of {total} expected {expected}. It was: {was}, which {counts[right]} of {total} expected."


def _most(counts: Sequence[int]) -> int:
    return max(range(len(counts)), key=lambda i: counts[i])


def _num(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
