"""The search over orders, without a database: sessions are lists of steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest

from ganns.exercises.microscope.schedule import (
    Order,
    Played,
    SearchResult,
    search,
    switches,
    take_turns,
    usual_choice,
)


def playing(steps: dict[str, int], holds: Callable[[Order], bool], played: list[Order]) -> Callable[[Order], Played]:
    """Return a `play` for sessions with these numbers of steps, none of which ever waits."""

    def play(prefix: Order) -> Played:
        left, order, options = dict(steps), [], []
        while any(left.values()):
            now = tuple(name for name, num in left.items() if num)
            at = len(order)
            choice = prefix[at] if at < len(prefix) else usual_choice(now, order[-1] if order else "")
            left[choice] -= 1
            order.append(choice)
            options.append(now)
        played.append(tuple(order))
        return Played(tuple(order), tuple(options), holds(tuple(order)))

    return play


@pytest.mark.parametrize("steps", [{"a": 4, "b": 4}, {"a": 2, "b": 2, "c": 2}, {"a": 1, "b": 3, "c": 2, "d": 1}])
def test_every_order_is_played_exactly_once(steps: dict[str, int]) -> None:
    everything = set(permutations("".join(name * num for name, num in steps.items())))
    played: list[Order] = []
    finding = search(playing(steps, lambda order: True, played), depth=99)
    assert finding.complete
    assert finding.num_played == len(everything)
    assert sorted(played) == sorted(everything)


def test_up_to_a_depth_exactly_the_orders_with_few_switches_are_played() -> None:
    everything = set(permutations("aaaabbbb"))
    played: list[Order] = []
    finding = search(playing({"a": 4, "b": 4}, lambda order: True, played), depth=3)
    assert not finding.complete
    assert finding.depth == 3
    few = {order for order in everything if switches(order) <= 3}
    assert finding.num_played == len(few)
    assert few <= set(played)


def test_the_shortest_broken_order_is_found_whatever_comes_first() -> None:
    bad = {tuple("ababab"), tuple("aabbab"), tuple("abbbaa"), tuple("babaab")}
    finding = search(playing({"a": 3, "b": 3}, lambda order: order not in bad, []), depth=99)
    assert finding.num_broken == 4
    assert finding.broken is not None
    assert finding.broken.order == tuple("abbbaa")
    assert finding.shown == tuple("abbbaa")


def test_a_search_that_is_ended_says_up_to_where_it_is_complete() -> None:
    played: list[Order] = []

    def may_go_on(finding: SearchResult) -> bool:
        return finding.num_played < 40

    finding = search(playing({"a": 4, "b": 4}, lambda order: True, played), depth=99, may_go_on=may_go_on)
    assert not finding.complete
    assert finding.num_played == 40
    everything = set(permutations("aaaabbbb"))
    assert {order for order in everything if switches(order) <= finding.depth} <= set(played)


def test_choices() -> None:
    assert usual_choice(("a", "b", "kill:a"), "b") == "b"
    assert usual_choice(("b", "kill:b"), "a") == "b"
    assert take_turns(("a", "b", "c"), "b") == "c"
    assert take_turns(("a", "b", "kill:a"), "b") == "a"
    assert take_turns(("a",), "") == "a"
