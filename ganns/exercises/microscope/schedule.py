"""Choose the next session: orders of steps, and the search for the shortest order that breaks a promise.

An order is a tuple of choices: "ada" is ada's next step, "kill:ada" the end of her session. A session whose statement
waits for a lock cannot be chosen; that is not an error but a legal state, and the others go on.

All orders of a scene have about the same number of steps. What makes one hard to read, and unlikely, is the number of
*switches* between sessions. So the shortest order is the one with the fewest switches, and the search plays orders with
few switches first. (Musuvathi and Qadeer 2007, "Iterative context bounding": most bugs need very few of them.)
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Order = tuple[str, ...]
KILL = "kill:"
DEPTH = 8
"""The number of switches up to which the search plays all orders."""


@dataclass(frozen=True)
class Played:
    """The outcome of a played order."""

    order: Order
    options: tuple[Order, ...]  # at each point, the choices that there were
    held: bool
    deadlock: bool = False
    waited: bool = False
    failed: bool = False  # the server ended a statement with an error

    @property
    def length(self) -> tuple[int, int]:
        """The key by which orders are compared: few switches first, then few steps."""
        return switches(self.order), len(self.order)


@dataclass
class SearchResult:
    """The result of a search."""

    num_played: int = 0
    num_broken: int = 0
    num_deadlocks: int = 0
    num_failed: int = 0
    num_waited: int = 0  # orders in which a statement had to wait
    depth: int = 0  # all orders with at most this many switches were played
    complete: bool = True  # and these are all orders
    seconds: float = 0.0
    broken: Played | None = None  # the shortest order that breaks the promise
    deadlock: Played | None = None  # the shortest order with a deadlock
    waiting: Played | None = None  # the shortest order that holds and has a statement that waits
    holding: Played | None = None  # the longest order that holds

    def add(self, one: Played) -> None:
        """Count one more order."""
        self.num_played += 1
        self.num_broken += not one.held
        self.num_deadlocks += one.deadlock
        self.num_failed += one.failed
        self.num_waited += one.waited
        if not one.held:
            self.broken = _shorter(self.broken, one)
        if one.deadlock:
            self.deadlock = _shorter(self.deadlock, one)
        if one.held and one.waited:
            self.waiting = _shorter(self.waiting, one)
        if one.held and (self.holding is None or one.length > self.holding.length):
            self.holding = one

    @property
    def shown(self) -> Order:
        """The order that is worth looking at: a broken one, or one with a deadlock, or one with waiting."""
        best = self.broken or self.deadlock or self.waiting or self.holding
        return best.order if best else ()


def _shorter(one: Played | None, other: Played) -> Played:
    return other if one is None or other.length < one.length else one


def switches(order: Sequence[str]) -> int:
    """Return how often an order goes from one session to another one."""
    return sum(here != there for here, there in itertools.pairwise(order))


def usual_choice(options: Sequence[str], last: str) -> str:
    """Return the choice without need for a switch: the same session, else the first one; none is killed."""
    living = [one for one in options if not one.startswith(KILL)]
    return last if last in living else living[0]


def take_turns(options: Sequence[str], last: str) -> str:
    """Return the choice of sessions that take turns."""
    living = [one for one in options if not one.startswith(KILL)]
    return living[(living.index(last) + 1) % len(living)] if last in living else living[0]


def search(
    play: Callable[[Order], Played | None], depth: int = DEPTH, may_go_on: Callable[[SearchResult], bool] | None = None
) -> SearchResult:
    """Play every order with at most `depth` switches, those with few switches first.

    Args:
        play: plays the choices of a prefix, and goes on with `usual_choice` to the end; None if it cannot be played.
        depth: the largest number of switches.
        may_go_on: asked before each order; False ends the search.

    Each order is played once: an order branches only where `play` chose by itself.
    """
    finding = SearchResult()
    waiting: list[tuple[int, int, Order]] = [(0, 0, ())]  # a prefix, and the switches that its orders have at least
    num_pushed = 0
    while waiting:
        least, _, prefix = heapq.heappop(waiting)
        if may_go_on is not None and not may_go_on(finding):
            finding.complete = False
            finding.depth = max(0, least - 1)  # those with fewer switches have all been played
            return finding
        one = play(prefix)
        if one is None:
            finding.complete = False
            continue
        if switches(one.order) <= depth:
            finding.add(one)
        else:
            finding.complete = False
        for at in range(len(prefix), len(one.order)):
            for other in one.options[at]:
                if other != one.order[at]:
                    branch = (*one.order[:at], other)
                    # Each other session that can go on needs at least one more switch.
                    still = {name for name in one.options[at] if not name.startswith(KILL)} - {other}
                    at_least = switches(branch) + len(still)
                    if at_least <= depth:
                        num_pushed += 1
                        heapq.heappush(waiting, (at_least, num_pushed, branch))
                    else:
                        finding.complete = False
    finding.depth = depth
    return finding
