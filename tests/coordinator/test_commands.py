"""Instructors steer a run: pause, resume, stop, another quorum. The weights stay the same, whatever is killed."""

from __future__ import annotations

import pytest

from ganns.config import LocalStepsStrategy, QuorumConfig, StopConfig
from ganns.coordinator import cleanup, rounds, state_files
from ganns.coordinator import commands as obeying
from ganns.errors import RunError
from ganns.store import control, lease, runs, weights
from ganns.store import rounds as table
from tests.cli.test_runs import ganns  # noqa: F401 (a fixture)
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.coordinator.test_pipeline import PIPELINE, open_rounds, piped
from tests.coordinator.test_resume import state_files as paths_of_states
from tests.coordinator.test_resume import work_until
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import wait_until

LOCAL = LocalStepsStrategy(unit_images=8, micro_batch=4, outer_momentum=0.5)
STRATEGIES = [tiny().strategy, PIPELINE, LOCAL]
NAMES = ["gradient", "pipeline", "local_steps"]
LONG = StopConfig(rounds=9)  # more than a worker can do unasked before a wish is obeyed
both = pytest.mark.parametrize("strategy", STRATEGIES[:2], ids=NAMES[:2])


def said(coordinator, text: str) -> list[str]:
    return [line for line in coordinator.said if text in line]


def pause_it(coordinator, worker, conn, after: int = 2) -> None:
    """Pause the run after this number of rounds, and work until it is paused."""
    work_until(worker, lambda: len(coordinator.reports) >= after)
    assert control.pause(conn, coordinator.run_id, "ann")
    work_until(worker, lambda: said(coordinator, "paused by ann"))


def shown(conn) -> str:
    return control.shown_state(runs.list_runs(conn)[0])


def each_image_once_an_epoch(conn, num_epochs: int) -> bool:
    counts = conn.execute(
        "SELECT epoch, position, count(*) FROM ganns.ledger, generate_series(start, start + images - 1) AS position "
        "WHERE accepted AND NOT undone GROUP BY epoch, position"
    ).fetchall()
    return len(counts) == num_epochs * 40 and {count for _, _, count in counts} == {1}


@pytest.mark.parametrize("strategy", STRATEGIES, ids=NAMES)
def test_a_paused_run_opens_no_round_and_ends_with_the_same_weights(coordinate, join, conn, strategy):
    config = tiny(strategy=strategy, stop=LONG)
    coordinator, worker = coordinate(config), join()
    work_until(worker, lambda: len(coordinator.reports) >= 2)
    with conn.transaction():  # the coordinator waits for the run's row meanwhile
        control.pause(conn, coordinator.run_id, "ann")
        found = open_rounds(conn)
    assert len(found) == 1 + strategy.pipeline  # is collected and closed as always
    work_until(worker, lambda: said(coordinator, "paused by ann"))
    assert said(coordinator, "paused by ann at version")[0].count("`ganns runs resume 1`")
    assert coordinator.reports[-1].version == runs.get_run(conn, 1).version == found[-1][0] + 1
    assert open_rounds(conn) == []
    assert worker.fetch() is None
    assert (shown(conn), runs.get_run(conn, 1).state) == ("paused", "open")
    control.resume(conn, coordinator.run_id, "bob")
    finish_run(coordinator, worker)
    assert said(coordinator, "bob continues the run")
    assert coordinator.digest == solo_digest(config)
    assert [(one["what"], one["asked_by"]) for one in control.list_controls(conn, 1)] == [
        ("pause", "ann"),
        ("resume", "bob"),
    ]


def test_a_pause_is_no_part_of_the_training_s_time(coordinate, join, conn, monkeypatch):
    wait = obeying.Commands.wait
    monkeypatch.setattr(obeying.Commands, "wait", lambda self, should_stop: wait(self, should_stop) + 3600)
    config = tiny(quorum=QuorumConfig(units=2, deadline_s=500), stop=StopConfig(rounds=9, minutes=50))
    coordinator, worker = coordinate(config), join()
    pause_it(coordinator, worker, conn)
    control.resume(conn, coordinator.run_id, "ann")
    work_until(worker, lambda: coordinator.reports[-1].version == 9)
    coordinator.join()
    # It looks as if the pause had taken an hour longer than it did; all of it is left out.
    assert -3600 < coordinator.reports[-1].seconds < -3000
    assert coordinator.done
    deadlines = conn.execute("SELECT DISTINCT deadline_at - opened_at FROM ganns.rounds").fetchall()
    assert [one.total_seconds() for (one,) in deadlines] == [500.0]


def test_a_pause_taken_back_before_anything_was_closed_leaves_no_trace(coordinate, join, conn):
    coordinator, worker = coordinate(piped(stop=LONG)), join()
    wait_until(lambda: coordinator.run_id is not None, what="the run")
    control.pause(conn, coordinator.run_id, "ann")
    for _ in range(2):
        worker.work(wait_for_job(worker))
    wait_until(lambda: coordinator.reports, what="the end of round 0")  # round 2 was not opened
    assert open_rounds(conn) == [(1, 0)]
    control.resume(conn, coordinator.run_id, "ann")
    finish_run(coordinator, worker)
    assert not said(coordinator, "paused by ann")
    assert coordinator.digest == solo_digest(piped(stop=LONG))


@pytest.mark.parametrize(
    ("strategy", "here"),
    [(STRATEGIES[0], True), (PIPELINE, True), (PIPELINE, False)],
    ids=["gradient", "pipeline", "pipeline, on another machine"],
)
def test_a_coordinator_that_dies_in_a_pause_is_followed_by_one_that_waits(
    coordinate, join, conn, monkeypatch, strategy, here
):
    config = tiny(strategy=strategy, stop=LONG)
    first, worker = coordinate(config), join()
    pause_it(first, worker, conn)
    with monkeypatch.context() as patch:
        patch.setattr(lease, "hold_lease", lambda *args: (_ for _ in ()).throw(ConnectionAbortedError("killed")))
        wait_until(lambda: not first.thread.is_alive(), what="the end of the first")
    with pytest.raises(ConnectionAbortedError, match="killed"):
        first.join()
    if not here:
        for path in paths_of_states(conn).iterdir():
            path.unlink()
    second = coordinate(tiny(strategy=strategy, stop=LONG, resume="latest"))
    wait_until(lambda: said(second, "paused by ann"), what="the second to wait")
    assert not said(second, "pauses the run")  # it is done
    assert open_rounds(conn) == []
    assert worker.fetch() is None
    if not here:
        assert said(second, "going on from its beginning")
    conn.execute("TRUNCATE ganns.weights, ganns.results, ganns.result_parts")  # and the server crashes, too
    control.resume(conn, second.run_id, "ann")
    finish_run(second, worker)
    assert second.digest == solo_digest(config)


POINTS = [
    (tiny().strategy, table, "close_round"),
    (PIPELINE, table, "close_round"),
    (PIPELINE, state_files.StateFiles, "save"),
    (PIPELINE, cleanup.Cleanup, "after_version"),
]


@pytest.mark.parametrize(("strategy", "where", "name"), POINTS, ids=["gradient", "close", "save", "after"])
def test_an_end_at_any_point_on_the_way_into_a_pause_changes_nothing(
    coordinate, join, conn, monkeypatch, strategy, where, name
):
    config, function, killed = tiny(strategy=strategy, stop=LONG), getattr(where, name), []
    first, worker = coordinate(config), join()
    work_until(worker, lambda: len(first.reports) >= 1)

    def then_break(*args, **kwargs):
        function(*args, **kwargs)
        killed.append(name)
        raise ConnectionAbortedError(name)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, then_break)
        control.pause(conn, first.run_id, "ann")
        work_until(worker, lambda: not first.thread.is_alive())
    assert killed
    second = coordinate(tiny(strategy=strategy, stop=LONG, resume="latest"))
    work_until(worker, lambda: said(second, "paused by ann"))
    assert open_rounds(conn) == []
    control.resume(conn, second.run_id, "ann")
    finish_run(second, worker)
    assert second.digest == solo_digest(config)
    assert conn.execute("SELECT count(*) FROM ganns.ledger WHERE accepted").fetchone() == (18,)


@both
def test_a_stopped_run_has_a_checkpoint_and_goes_on(coordinate, join, conn, strategy):
    config = tiny(strategy=strategy, stop=LONG)
    first, worker = coordinate(config), join()
    work_until(worker, lambda: len(first.reports) >= 1)
    control.stop(conn, first.run_id, "ann")
    work_until(worker, lambda: not first.thread.is_alive())
    assert first.join().done is False
    assert said(first, "ann stops the run")
    assert open_rounds(conn) == []
    version, _, _ = weights.latest_checkpoint(conn, 1)
    assert version == runs.get_run(conn, 1).version == first.reports[-1].version < 9
    assert shown(conn) == "stopped (resumable)"
    with pytest.raises(RunError, match="Run 1 has no coordinator: start one with `ganns train resume=1`"):
        control.resume(conn, 1, "ann")
    second = coordinate(tiny(strategy=strategy, stop=LONG, resume="latest"))
    finish_run(second, worker)
    assert second.digest == solo_digest(config)
    assert [one["what"] for one in control.list_controls(conn, 1)] == ["stop", "resume"]


@pytest.mark.parametrize("how", ["stop", "Ctrl-C"])
def test_a_paused_run_can_be_left_at_once(coordinate, join, conn, how):
    coordinator, worker = coordinate(tiny(stop=LONG)), join()
    pause_it(coordinator, worker, conn)
    if how == "stop":
        control.stop(conn, 1, "ann")
    else:
        coordinator.stop.set()
    assert coordinator.join().done is False
    assert weights.latest_checkpoint(conn, 1)[0] == coordinator.reports[-1].version
    assert shown(conn) == ("stopped (resumable)" if how == "stop" else "paused (resumable)")


def test_a_run_that_ends_in_its_last_round_is_finished_whatever_was_wanted(coordinate, join, conn):
    coordinator, worker = coordinate(tiny(stop=StopConfig(rounds=2))), join()
    for _ in range(2):  # and no more: in the time before the report it would do the last round too
        worker.work(wait_for_job(worker))
    wait_until(lambda: coordinator.reports, what="the end of round 0")
    control.pause(conn, 1, "ann")
    finish_run(coordinator, worker)
    assert coordinator.done
    assert shown(conn) == "finished"
    longer = coordinate(tiny(stop=LONG, resume="latest"))  # no pause is wanted any more
    pause_it(longer, worker, conn, after=1)
    longer.stop.set()
    longer.join()
    shorter = coordinate(tiny(stop=StopConfig(rounds=1), resume="latest")).join()
    assert shorter.done
    assert shown(conn) == "finished"


def test_a_model_that_breaks_on_the_way_into_a_pause_goes_back_and_is_paused(coordinate, join, conn, monkeypatch):
    coordinator, worker = coordinate(piped(stop=LONG)), join()
    work_until(worker, lambda: len(coordinator.reports) >= 2)
    with monkeypatch.context() as patch:

        def broken(state):
            patch.undo()
            raise rounds.Diverged("broken.")

        patch.setattr(rounds, "require_finite", broken)
        control.pause(conn, 1, "ann")
        work_until(worker, lambda: said(coordinator, "paused by ann"))
    assert said(coordinator, "the model broke: broken.")
    assert open_rounds(conn) == []
    control.resume(conn, 1, "ann")
    finish_run(coordinator, worker)
    assert coordinator.reports[-1].version == 9


@both
def test_another_quorum_holds_from_the_next_round_and_for_the_next_coordinator(coordinate, join, conn, strategy):
    settings = {"strategy": strategy, "quorum": QuorumConfig(units=2, spares=1), "stop": StopConfig(epochs=10)}
    first, worker = coordinate(tiny(**settings)), join()
    work_until(worker, lambda: len(first.reports) >= 1)
    with conn.transaction():
        control.set_quorum(conn, 1, 4, "ann")
        last = open_rounds(conn)[-1][0]  # it was planned with the configured quorum
    work_until(worker, lambda: len(first.reports) >= last + 2)
    assert said(first, "ann sets the quorum to 4 instead of 2")
    first.stop.set()
    first.join()
    second = coordinate(tiny(**settings, resume="latest"))
    work_until(worker, lambda: len(second.reports) >= 2)
    assert said(second, "ann sets the quorum to 4 instead of 2")
    with conn.transaction():
        control.set_quorum(conn, 1, None, "bob")
        until = open_rounds(conn)[-1][0]
    finish_run(second, worker)
    found = conn.execute(
        "SELECT round, quorum, (SELECT count(*) FROM ganns.units u WHERE (u.run_id, u.round) = (r.run_id, r.round)) "
        "FROM ganns.rounds r ORDER BY round"
    ).fetchall()
    assert [quorum for round_, quorum, _ in found if round_ <= last] == [2] * (last + 1)
    assert {(quorum, units) for round_, quorum, units in found if last < round_ <= until} == {(4, 5)}
    assert {quorum for round_, quorum, _ in found if round_ > until} - {1} == {2}  # 1: at the run's end
    assert each_image_once_an_epoch(conn, 10)


def test_a_quorum_that_is_typed_replaces_the_instructor_s(coordinate, join, conn):
    coordinator, worker = coordinate(tiny(stop=LONG)), join()
    work_until(worker, lambda: len(coordinator.reports) >= 1)
    control.set_quorum(conn, 1, 4, "ann")
    coordinator.stop.set()
    coordinator.join()
    second = coordinate(tiny(quorum=QuorumConfig(units=3), stop=LONG, resume="latest"))
    work_until(worker, lambda: len(second.reports) >= 2)
    assert table.get_open_round(conn, 1).quorum == 3


def test_what_makes_no_sense_is_refused_with_what_to_type(coordinate, join, conn, ganns):  # noqa: F811
    worker = join()
    finish_run(coordinate(tiny(stop=StopConfig(rounds=1))), worker)
    for act in (control.pause, control.resume, control.stop):
        with pytest.raises(RunError, match=r"Run 1 is finished: .* `ganns train resume=1 stop.rounds=...`"):
            act(conn, 1, "ann")
        with pytest.raises(RunError, match="There is no run 7"):
            act(conn, 7, "ann")
    with pytest.raises(RunError, match="Run 1 is finished"):
        control.set_quorum(conn, 1, 2, "ann")
    coordinator = coordinate(tiny(seed=1, stop=LONG))
    wait_until(lambda: coordinator.run_id is not None, what="the run")
    with pytest.raises(RunError, match="Run 2 is not paused; `ganns runs pause 2` would"):
        ganns("runs", "resume", "2")
    for units in (0, -1, 6):
        with pytest.raises(RunError, match=f"A quorum of {units} is out of range for run 2: give a number from 1 to 5"):
            control.set_quorum(conn, 2, units, "ann")
    with pytest.raises(RunError, match="A quorum of 'many' is not a number"):
        ganns("runs", "quorum", "2", "many")
    assert "run 2 waits for 3 results a round, from the next" in ganns("runs", "quorum", "2", "3").output
    assert "3 instead of 2" in ganns("runs").output
    assert "waits for its configured quorum again" in ganns("runs", "quorum", "2", "default").output
    assert "quorum" not in ganns("runs").output
    assert "continue with `ganns runs resume 2`" in ganns("runs", "pause", "latest").output
    assert "pausing" in ganns("runs").output
    with pytest.raises(RunError, match=r"Run 2 is paused already, by \S+@\S+; `ganns runs resume 2`"):
        ganns("runs", "pause", "2")
    assert ganns("runs", "resume", "2").output == "run 2 continues\n"
    assert "continue with `ganns train resume=2`" in ganns("runs", "stop", "2").output
    assert "stopping" in ganns("runs").output
    with pytest.raises(RunError, match="Run 2 was stopped already, by "):
        control.stop(conn, 2, "ann")
    work_until(worker, lambda: not coordinator.thread.is_alive())
    answer = ganns("runs", "pause", "2").output
    assert "it has no coordinator now: start one with `ganns train resume=2`" in answer
    assert "paused (resumable)" in ganns("runs").output
    runs.set_state(conn, 2, "diverged")
    with pytest.raises(RunError, match="Run 2 diverged: there is nothing left to steer"):
        control.pause(conn, 2, "ann")
