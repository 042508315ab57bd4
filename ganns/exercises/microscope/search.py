"""Play all orders of a scene on real sessions, until each is played or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from ganns.exercises.microscope.player import NotNow, Player
from ganns.exercises.microscope.schedule import DEPTH, Order, Played, SearchResult, search, switches
from ganns.utils.console import plural

SECONDS = 60.0


def search_scene(
    player: Player,
    depth: int = DEPTH,
    seconds: float = SECONDS,
    on_progress: Callable[[SearchResult], None] | None = None,
) -> SearchResult:
    """Play the orders of a scene, those with few switches first.

    Args:
        player: of the scene.
        depth: the largest number of switches between sessions.
        seconds: no order is begun later than this.
        on_progress: called before each order, with what has been found so far.
    """
    ends_at = time.monotonic() + seconds

    def play(order: Order) -> Played | None:
        for _ in range(2):
            with suppress(NotNow):  # which session a deadlock ends can differ from one time to the next
                return player.play(order)
        return None

    def may_go_on(finding: SearchResult) -> bool:
        if on_progress is not None:
            on_progress(finding)
        return time.monotonic() < ends_at

    began_at = time.monotonic()
    finding = search(play, depth, may_go_on)
    finding.seconds = time.monotonic() - began_at
    return finding


def summary(finding: SearchResult) -> list[str]:
    """Return in sentences what a search found."""
    which = "all that there are"
    if not finding.complete:
        which = f"all with at most {_switches(finding.depth)}, and perhaps some more"
    found = [f"Played {plural(finding.num_played, 'order')} in {finding.seconds:.1f} s: {which}."]
    if finding.broken is not None:
        num = switches(finding.broken.order)
        verb, order = "breaks" if finding.num_broken == 1 else "break", " ".join(finding.broken.order)
        found.append(
            f"{finding.num_broken:,} of them {verb} the promise. "
            f"The shortest has {_switches(num)} between sessions: {order}"
        )
    else:
        found.append("The promise held in each of them.")
    if finding.num_waited:
        found.append(f"In {finding.num_waited:,} of them, a statement had to wait for another session.")
    if finding.deadlock is not None:
        found.append(
            f"Deadlock: in {finding.num_deadlocks:,} of them, sessions waited for each other in a circle, and the "
            f"server ended one. The shortest: {' '.join(finding.deadlock.order)}"
        )
    if finding.num_failed > finding.num_deadlocks:
        num = finding.num_failed - finding.num_deadlocks
        found.append(f"In {num:,} of them, the server ended a statement with another error.")
    return found


def _switches(num: int) -> str:
    return f"{num} switch{'' if num == 1 else 'es'}"
