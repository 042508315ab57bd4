"""Predict, break, explain: the votes, what was observed, and the words that compare them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from benchmarks.lesson import Lesson
from ganns.dashboard.context import Dashboard
from ganns.dashboard.lab import quiz
from ganns.dashboard.lab.outcome import Observed, outcome
from ganns.dashboard.lab.predictions import Predictions
from ganns.dashboard.lab.votes import LOSSES, MAX_VOTERS, WAITS, Ballot, wait_answer
from ganns.dashboard.pages.vote import MAX_EACH
from ganns.db.address import Address
from ganns.db.connect import Connection
from ganns.errors import DashboardError
from ganns.monitor.closings import Span, span
from tests.dashboard.ballots import CALM, killed, voter
from tests.dashboard.browsing import PASSWORD, instructing, visiting
from tests.dashboard.conftest import PHONE, WIDE, serving


def round_(number: int, opened_at: float, closed_at: float | None, late: int = 0, accepted: int = 4) -> dict[str, Any]:
    times = {"opened_at": opened_at, "closed_at": closed_at}
    return {"round": number, "quorum": 4, "accepted": accepted, "late": late, "images": 64 * accepted, **times}


def test_a_span_has_the_longest_wait_also_one_that_goes_on() -> None:
    rows = [round_(0, 0, 9), round_(1, 9, 12), round_(2, 12, 30, late=2), round_(3, 30, None, accepted=0)]
    assert span(rows, 10, 40) == Span(rounds=2, longest_s=18, images=512, late=2, full=True)
    assert span(rows, 31, 91).longest_s == 61  # since the opening, and until now
    assert span([], 0, 40) == Span(rounds=0, longest_s=40, images=0, late=0, full=True)
    assert not span([round_(0, 0, 9, accepted=3)], 0, 10).full


def test_each_time_has_one_answer() -> None:
    assert [wait_answer(seconds) for seconds in (0, 1.99, 2, 5, 29.9, 30, 1e6)] == [0, 0, 1, 2, 3, 4, 4]
    assert len(WAITS) == 5


def test_a_vote_counts_once_and_votes_are_few_and_hidden_while_it_is_open() -> None:
    ballot = Ballot(1, "kill", 0, 7)
    ballot.vote(voter(0), 0, 0)
    ballot.vote(voter(0), 3, 1)  # changed
    ballot.vote(voter(1), 3, 0)
    assert ballot.counts() == ([0, 0, 0, 2, 0], [1, 1, 0])
    shown = ballot.shown()
    assert shown["num_votes"] == 2
    assert {one["votes"] for one in shown["waits"] + shown["losses"]} == {None}
    for number in range(2, MAX_VOTERS):
        ballot.vote(voter(number), 0, 0)
    with pytest.raises(DashboardError, match="no more are counted"):
        ballot.vote(voter(MAX_VOTERS), 0, 0)
    ballot.state = "running"
    with pytest.raises(DashboardError, match="This vote is over"):
        ballot.vote(voter(0), 0, 0)
    assert [one["votes"] for one in ballot.shown()["waits"]] == [MAX_VOTERS - 2, 0, 0, 2, 0]


def test_what_was_expected_is_explained_by_what_happened() -> None:
    found = killed().outcome
    assert found is not None
    assert (WAITS[found["wait"]], LOSSES[found["lost"]]) == ("15 to 30 s", LOSSES[1])
    assert found["why"] + found["compared"] == [
        "After 15.2 s, unit 4 of round 31 went to other workers: the last heartbeat of its worker was 15 s old.",
        "1 result came after the round had closed: credited as effort, and not applied.",
        "9 rounds closed, each with its whole quorum: no accepted result was lost.",
        "The longest wait for a version was 17.4 s; in the 40 s before, it was 1.2 s.",
        "2 of 3 expected a wait of less than 2 s. It was: 15 to 30 s, which 1 of 3 expected.",
        "2 of 3 expected this to be lost: nothing. It was: the work of some units, which is done again or comes too "
        "late, which 1 of 3 expected.",
    ]


def test_spares_and_a_run_that_stands_still_are_explained_too() -> None:
    ballot = Ballot(1, "stop", 0, 7, votes={voter(0): (0, 0)})
    calm = outcome(ballot, Observed(CALM, CALM, 40.0, [], went_back=False))
    assert calm["why"][0] == ("No unit had to go to another worker: the rounds closed with the results that came.")
    assert calm["compared"] == [
        "1 of 1 expected a wait of less than 2 s. So it was.",
        "1 of 1 expected this to be lost: nothing. So it was.",
    ]
    still = Span(rounds=0, longest_s=40.0, images=0, late=0, full=True)
    stands = outcome(Ballot(1, "restart", 0, 7), Observed(CALM, still, 40.0, [], went_back=True))
    assert (stands["wait"], stands["lost"], stands["why"][0]) == (4, 2, "No round closed within 40 s.")


def in_a_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it on a thread of its own: the browser's driver may have a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def test_a_harm_is_watched_and_its_events_are_counted(
    database: Address, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANNS_HOME", str(tmp_path))
    lesson = Lesson(conn, num_workers=2, units=2, spares=0)
    lesson.past(5, samples=0, evaluate_every=10**6)
    lesson.open()
    lesson.claim(0)
    lesson.claim(1)
    dashboard = Dashboard(database)
    predictions = Predictions(dashboard, window_s=1.5)

    def harm() -> None:
        """Let a unit be queued again, as the rescue does, and close the round afterwards."""
        conn.execute("UPDATE ganns.units SET attempt = 2, claimed_at = NULL, claimed_by = NULL WHERE unit = 1")
        lesson.claim(1)
        lesson.submit(0)
        lesson.submit(1)
        lesson.close()

    async def until(holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.02)

    async def class_and_lab() -> dict[str, Any]:
        assert predictions.shown() is None
        with pytest.raises(DashboardError, match="repairs a harm"):
            predictions.ask("continue", 0, lesson.run)
        predictions.ask("kill", 0, lesson.run)
        predictions.vote(1, voter(0), 0, 0)
        with pytest.raises(DashboardError, match="the present one"):
            predictions.vote(2, voter(0), 0, 0)
        async with predictions.breaking("stop", 0) as said:  # not what the class was asked about
            said.append("Stopped lab-1.")
        assert predictions.ballot is not None
        assert predictions.ballot.state == "open"
        with pytest.raises(RuntimeError):
            async with predictions.breaking("kill", 0):
                raise RuntimeError("the lab could not do it")
        assert predictions.ballot.state == "open"
        async with predictions.breaking("kill", 0) as said:
            await until(lambda: bool(dashboard.watcher._watched))
            said.append("Killed lab-1.")
        await until(lambda: dashboard.watcher._watched[("run", lesson.run)].looked_at > 0)  # it listens
        harm()
        with pytest.raises(DashboardError, match="still being watched"):
            predictions.ask("stop", 0, lesson.run)
        await until(lambda: predictions.ballot is not None and predictions.ballot.state == "done")
        assert not dashboard.watcher._watched
        shown = predictions.shown()
        assert shown is not None
        predictions.ask("stop", 0, lesson.run)
        assert predictions.ballot.number == 2
        await predictions.close()
        return shown

    dashboard.open()
    try:
        shown = in_a_loop(class_and_lab())
    finally:
        dashboard.close()
    assert (shown["said"], shown["num_votes"]) == ("Killed lab-1.", 1)
    found = shown["outcome"]
    assert found["after"]["rounds"] == 1
    assert found["lost"] == 1
    assert "unit 1 of round 5 went to other workers" in found["why"][0]
    [day] = quiz.days()
    asked, answered = quiz.quiz_of(day), quiz.answers_of(day)
    assert "Each round waited for 2 of 2 results, from 2 workers. Killed lab-1. How long was" in asked
    assert "other workers" not in asked
    assert f"2. b) {LOSSES[1]}. The class voted: a) 1, b) 0, c) 0.\n   - {found['why'][0]}\n" in answered


def test_a_phone_votes_and_sees_what_happened(class_database: Address, tmp_path: Any, page: Page) -> None:
    with (
        serving(class_database, tmp_path, "--failure-lab", GANNS_DASHBOARD_PASSWORD=PASSWORD) as site,
        instructing(site.url) as instructor,
    ):
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        page.goto(site.url + "/vote")
        expect(page.get_by_text("There is no vote now.")).to_be_visible()
        instructor.post("/lab/ask/kill", json={"number": 0}).raise_for_status()
        page.get_by_label("15 to 30 s").check()
        page.get_by_label("nothing").check()
        page.get_by_role("button", name="Vote").click()
        expect(page.get_by_text("Your vote counts.")).to_be_visible()
        expect(page.get_by_role("region", name="Kill a third: the class votes")).to_contain_text("1 vote.")
        accessible(page)
        with visiting(site.url) as bot:  # one that votes on and on is stopped
            vote = {"number": 1, "wait": 0, "lost": 0}
            answers = [bot.post("/vote", json=vote | {"voter": voter(n)}).status_code for n in range(MAX_EACH)]
            assert (answers[0], answers[-1]) == (200, 429)

        def answer(route: Route) -> None:
            route.fulfill(json={"ballot": killed().shown() | {"left_s": 0}})

        page.route("**/vote/state", answer)
        result = page.get_by_role("region", name="Kill a third: expected, and observed")
        expect(result.locator("li.observed")).to_have_count(2)
        expect(result.locator("li.observed").first).to_contain_text("15 to 30 s")
        expect(result.get_by_role("row", name="longest wait for one")).to_contain_text("17 s")
        expect(result).to_contain_text("2 of 3 expected a wait of less than 2 s.")
        accessible(page)
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        accessible(page)


def accessible(page: Page) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        violations = Axe().run(page).response["violations"]
        assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
