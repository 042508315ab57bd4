"""`strategy.per_class`: the class chooses each round's settings; they stand in its row, and hold whatever is killed."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from ganns.cli.solo import solo
from ganns.config import LocalStepsStrategy, OptimizerConfig, QuorumConfig, StopConfig, from_dict
from ganns.data import open_images
from ganns.errors import ConfigError, RunError
from ganns.store import control, rounds, runs
from ganns.training import per_class
from ganns.training.per_class import Row, choose
from ganns.training.solo import train_recorded
from ganns.training.state import TrainingState
from tests.coordinator.test_faults import finish_run
from tests.coordinator.test_kill import kill_and_resume
from tests.coordinator.test_resume import work_until
from tests.support.fakes import solo_digest, tiny
from tests.support.helpers import workers

LOCAL = LocalStepsStrategy(unit_images=12, micro_batch=4)
RULE = replace(LOCAL, per_class=True)
OPTIMIZER = OptimizerConfig(lr_g=1e-4, lr_d=1e-4)


@pytest.fixture(autouse=True)
def small_table(monkeypatch):
    """Units that fit into 40 images; in this process, so not for a coordinator in a process of its own."""
    rows = (Row(1, 4, 5, 1.0), Row(2, 4, 3, 1.5), Row(4, 4, 2, 2.0))
    monkeypatch.setattr(per_class, "TABLE", rows)


def class_sizes(conn, run_id=1):
    return [one.settings and one.settings.class_size for one in rounds.recorded_schedule(conn, run_id)]


def repeated(conn, run_id) -> str:
    """Return the digest of the weights that `ganns solo --schedule` computes."""
    config = from_dict(runs.get_run(conn, run_id).config)
    state = TrainingState(config)
    for _ in train_recorded(config, open_images(config.data, 32), state, rounds.recorded_schedule(conn, run_id)):
        pass
    return state.weights_digest()


def test_off_nothing_is_recorded_and_nothing_changes(coordinate, database, conn, tmp_path):
    config = tiny(strategy=LOCAL)
    with workers(database, 1, tmp_path):
        coordinator = coordinate(config).join(120)
    assert coordinator.digest == solo_digest(config)
    assert class_sizes(conn, coordinator.run_id) == [None, None, None]
    assert conn.execute(
        "SELECT count(*) FROM ganns.rounds WHERE num_nulls(class_size, unit_images, micro_batch, lr_g, lr_d) < 5"
    ).fetchone() == (0,)


def test_the_settings_follow_a_class_that_grows_and_shrinks_and_solo_repeats_it(coordinate, join, conn):
    config = tiny(strategy=RULE, optimizer=OPTIMIZER, stop=StopConfig(rounds=200))
    coordinator, first = coordinate(config), join("first")
    work_until(first, lambda: len(coordinator.reports) >= 2)
    others = [join(f"other {number}") for number in range(3)]
    work_until(first, lambda: 4 in class_sizes(conn))
    for one in others:
        one.fall_silent()
    work_until(first, lambda: class_sizes(conn)[-1] == 1)
    control.set_quorum(conn, coordinator.run_id, 3, "ann")  # comes before the rule's number, not before its settings
    work_until(first, lambda: len(rounds.recorded_schedule(conn, 1)[-1].slices) == 3)
    control.stop(conn, coordinator.run_id, "ann")
    work_until(first, lambda: coordinator.done is not None)
    schedule = rounds.recorded_schedule(conn, 1)
    assert {1, 4} <= set(class_sizes(conn))
    for one in schedule[2:]:
        assert one.settings == choose(config, one.settings.class_size)
    assert {len(one.slices) for one in schedule} >= {1, 3, 4}
    assert repeated(conn, 1) == coordinator.digest


def test_a_reopened_round_keeps_the_settings_in_its_row(coordinate, join, conn):
    """The coordinator ends while the round is open, and the class is another one when the next goes on."""
    config = tiny(strategy=RULE, optimizer=OPTIMIZER, stop=StopConfig(rounds=4))
    workers = [join(f"w{number}") for number in range(4)]
    coordinator = coordinate(config)
    work_until(workers[0], lambda: len(coordinator.reports) >= 1)
    coordinator.stop.set()
    coordinator.join()
    opened = rounds.get_open_round(conn, 1)
    assert opened is not None
    assert opened.settings == choose(config, 4)
    for one in workers[1:]:
        one.fall_silent()
    config.resume = "latest"
    again = coordinate(config)
    finish_run(again, workers[0])
    assert rounds.recorded_schedule(conn, 1)[opened.round].settings == opened.settings
    assert class_sizes(conn)[-1] == 1
    assert repeated(conn, 1) == again.digest


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3])
def test_a_run_whose_coordinator_is_killed_ends_with_the_weights_of_its_schedule(database, conn, tmp_path, seed):
    config = tiny(strategy=RULE, optimizer=OPTIMIZER, stop=StopConfig(rounds=25))
    with workers(database, 2, tmp_path):
        digest, kills = kill_and_resume(database, tmp_path, config, 3, seed)
    assert kills >= 1
    assert len(class_sizes(conn)) == 25
    assert None not in class_sizes(conn)
    assert digest == repeated(conn, 1)


def test_a_carried_slice_of_a_larger_unit_is_not_too_large(coordinate, join, conn):
    """The limit of a unit's change follows its own images: the rule's steps are fewer than those of a carried slice."""
    config = tiny(strategy=RULE, optimizer=OPTIMIZER, quorum=QuorumConfig(units=1, spares=1), stop=StopConfig(rounds=6))
    coordinator, first = coordinate(config), join("first")
    work_until(first, lambda: len(coordinator.reports) >= 2)
    others = [join(f"other {number}") for number in range(3)]
    finish_run(coordinator, first)
    assert len(others) == 3
    assert not [line for line in coordinator.said if "refused" in line]


@pytest.mark.parametrize(("column", "value"), [("lr_g", 2), ("micro_batch", 1), ("unit_images", None)])
def test_the_table_refuses_wrong_settings(coordinate, join, conn, column, value):
    config = tiny(strategy=RULE, stop=StopConfig(rounds=1))
    coordinator = coordinate(config)
    finish_run(coordinator, join())
    with pytest.raises(psycopg.errors.CheckViolation):
        conn.execute(f"UPDATE ganns.rounds SET {column} = %s", (value,))


def test_ganns_solo_repeats_a_run_whose_class_changes(coordinate, join, conn, database, tmp_path, monkeypatch):
    config = tiny(strategy=RULE, optimizer=OPTIMIZER, stop=StopConfig(rounds=8))
    coordinator, first = coordinate(config), join("first")
    work_until(first, lambda: len(coordinator.reports) >= 3)
    others = [join("second"), join("third")]
    finish_run(coordinator, first, *others)
    assert {1, 2} <= set(class_sizes(conn))
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    assert solo(["--schedule", "1", f"hydra.run.dir={tmp_path}"]) == 0
    repeated_state = TrainingState.from_bytes(config, (tmp_path / "state.safetensors").read_bytes())
    assert repeated_state.weights_digest() == coordinator.digest


@pytest.mark.parametrize(
    ("arguments", "part"), [(["--schedule"], "needs a run"), (["--schedule=1", "seed=2"], "seed=2 cannot be set")]
)
def test_a_schedule_needs_a_run_and_takes_no_settings(arguments, part):
    with pytest.raises(ConfigError, match=part):
        solo(arguments)


def test_a_run_that_went_back_has_no_schedule(coordinate, join, conn):
    coordinator = coordinate(tiny(strategy=RULE, stop=StopConfig(rounds=2)))
    finish_run(coordinator, join())
    conn.execute("UPDATE ganns.ledger SET accepted = false WHERE round = 1")
    with pytest.raises(RunError, match="went back"):
        rounds.recorded_schedule(conn, 1)
