"""A run computed again from one of its rounds on: unchanged it is the run, and a change shows."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from benchmarks.hostile_workers import ATTACKS, Scene
from ganns import paths
from ganns.cli.app import app
from ganns.comparison.change import Change, parse
from ganns.comparison.replay import compare_futures
from ganns.comparison.verify import verify
from ganns.comparison.versions import reach
from ganns.config import (
    DbConfig,
    GradientStrategy,
    HomeCodec,
    LocalStepsStrategy,
    OptimizerConfig,
    QuorumConfig,
    StopConfig,
    from_dict,
)
from ganns.coordinator.warm_start import start_state
from ganns.data import images_of
from ganns.errors import ConfigError, PluginError, RunError
from ganns.queue.machine import describe
from ganns.store import replay, runs, shown_replays
from ganns.store.kept_versions import KeptVersions
from ganns.training import per_class
from ganns.training.per_class import Row
from tests.coordinator.test_faults import finish_run
from tests.support.fakes import FakeWorker, tiny

EVERY_FOURTH = DbConfig(keep_state_every=4)
STRATEGIES = pytest.mark.parametrize(
    "changes",
    [
        {"strategy": GradientStrategy(unit_images=8, micro_batch=4, pipeline=True), "codec": HomeCodec()},
        {
            "strategy": LocalStepsStrategy(unit_images=12, micro_batch=4, outer_lr=0.7, outer_momentum=0.5),
            "quorum": QuorumConfig(units=2, spares=1),
        },
        {"strategy": LocalStepsStrategy(unit_images=12, micro_batch=4, per_class=True)},
    ],
    ids=["pipeline and codec", "local steps and spares", "per class"],
)


class Liar(FakeWorker):
    """A worker that sends the opposite of each gradient from round 5 on."""

    def compute(self, claim):
        config, result = super().compute(claim)
        lies = claim.round >= 5
        return config, ATTACKS["sign_flip"](Scene(0, 0, claim.round, [result]), result) if lies else result


def trained(coordinate, conn, *workers, **changes):
    """Train ten rounds with workers that take turns; return the coordinator, the kept versions, and the images."""
    config = tiny(**{"stop": StopConfig(rounds=10), "db": EVERY_FOURTH} | changes)
    coordinator = coordinate(config)
    finish_run(coordinator, *workers)
    machine = Jsonb(describe() | {"device": "cpu"})
    conn.execute("UPDATE ganns.workers SET info = %s", (machine,))
    return coordinator, kept_of(conn, coordinator.run_id), images_of(config)


def kept_of(conn, run_id) -> KeptVersions:
    run = runs.get_run(conn, run_id)
    return KeptVersions.of(conn, run, from_dict(run.config))


def run_ganns(database, monkeypatch, *words):
    monkeypatch.setenv("GANNS_DATABASE_URL", database.conninfo)
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_ten_rounds_unchanged_are_the_run_bit_for_bit_and_changes_show(coordinate, join, conn):
    coordinator, kept, images = trained(coordinate, conn, join("ada"), join("bob"))
    assert kept.numbers() == [0, 4, 8, 10]  # of the kept ones, and the last checkpoint
    found = compare_futures(kept, images, 0, 10, Change())
    assert [row["equal"] for row in found.rows] == [True] * 10
    assert found.equal_until == 10
    assert found.changed.weights_digest() == coordinator.digest
    for row in found.rows:
        assert {name: row["changed"][name] for name in row["as_it_was"]} == pytest.approx(row["as_it_was"])
    # bob's results were right, so it changes nothing when they are computed here.
    assert compare_futures(kept, images, 4, 4, parse(["without=bob"])).equal_until == 8

    dropped = compare_futures(kept, images, 6, 10, parse(["without=bob"], drop=True))
    assert dropped.num_units == (4, 8)
    assert [row["version"] for row in dropped.rows] == [7, 8, 9, 10]
    assert not any(row["equal"] for row in dropped.rows)
    assert all(0 < row["of_the_way"] < 3 for row in dropped.rows)
    assert dropped.rows[-1]["distance"] == pytest.approx(dropped.rows[-1]["from_unchanged_replay"])
    assert dropped.was.weights_digest() == coordinator.digest
    # The others' units are the same ones.
    recorded = replay.list_rounds(conn, 1, 6, 10)
    schedule = parse(["without=bob"], drop=True).schedule(recorded)
    mine = [{n: u.slice for n, u in one.units.items() if u.author.worker == "ada"} for one in recorded.values()]
    assert [one.slices for one in schedule] == mine

    assert start_state(conn, tiny(start_from="1@4"))[0] == "1@4"  # a new run may begin with a kept version

    with pytest.raises(RunError, match="No unit of these rounds is by 'eve'; those who computed them are: ada, bob"):
        compare_futures(kept, images, 0, 10, parse(["without=eve"]))
    with pytest.raises(RunError, match="Run 1 has no version 11: its newest is 10"):
        reach(kept, images, 11)
    with pytest.raises(RunError, match="No round of run 1 that could be replayed follows version 10"):
        compare_futures(kept, images, 10, 5, Change())


def test_what_cannot_be_had_is_refused_with_the_nearest_round(coordinate, join, conn):
    coordinator, kept, images = trained(coordinate, conn, join(), stop=StopConfig(rounds=9))
    assert reach(kept, images, 7).progress.version == 7
    conn.execute("UPDATE ganns.versions SET digest = 'of another machine' WHERE version = 6")
    with pytest.raises(RunError, match=r"^1@7 cannot be had: round 5, computed again, .* can be had is 1@8 or 1@5\."):
        reach(kept, images, 7)
    assert reach(kept, images, 5).progress.version == 5
    with pytest.raises(RunError, match=r"1@6 cannot be had: .* is 1@5 or 1@8\."):
        reach(kept, images, 6)
    # What the run had at version 9 is known from its checkpoint, although the replay is another one from 6 on.
    found = compare_futures(kept, images, 5, 4, Change())
    assert [row["equal"] for row in found.rows] == [False, True, True, True]  # only the recorded digest is another one
    conn.execute("UPDATE ganns.ledger SET accepted = false WHERE round = 5")
    with pytest.raises(RunError, match=r"1@7 cannot be had: in round 5 the run went back .* is 1@8 or 1@5\."):
        reach(kept, images, 7)
    assert len(compare_futures(kept, images, 4, 4, Change()).rows) == 1
    # A run that began with another's weights does not follow from its seed.
    kept.config = replace(kept.config, start_from="7@3")
    shutil.rmtree(paths.home() / "state" / kept.run.key)
    kept._files.clear()
    with pytest.raises(RunError, match=r"1@3 cannot be had: it began with the weights of 7@3.* can be had is 1@9\."):
        reach(kept, images, 3)
    assert coordinator.done


def test_a_unit_is_verified_and_a_forged_line_is_found(coordinate, join, conn, database, monkeypatch):
    _, kept, images = trained(coordinate, conn, join("ada"), join("bob"), stop=StopConfig(rounds=4))
    for round_, unit in ((3, 0), (1, 1)):  # at weights that are in the database, and replayed
        found = verify(kept, images, round_, unit)
        assert (found.agreed, found.same, found.alike) == (True, True, True)
        assert found.author == replay.list_rounds(conn, 1, round_, round_ + 1)[round_].units[unit].author
    result = run_ganns(database, monkeypatch, "verify", "1/1/1")
    assert result.stdout.splitlines() == [
        f"unit 1 of round 1 of run 1 (8 images) is by {found.author.worker}",
        "the result is right: computed again, it is equal bit for bit",
    ]
    conn.execute("UPDATE ganns.ledger SET digest = repeat('0', 64) WHERE round = 1 AND unit = 1")
    found = verify(kept, images, 1, 1)
    assert (found.agreed, found.same, found.alike) == (False, False, True)
    # On unlike machines the sketches decide; this one is still that of the right result.
    conn.execute("""UPDATE ganns.workers SET info = info || '{"processor": "another"}'""")
    found = verify(kept, images, 1, 1)
    assert (found.agreed, found.same, found.alike, found.distance) == (True, False, False, 0.0)
    # Another slice than the one that was computed, or another unit's result
    conn.execute("UPDATE ganns.ledger SET start = 0 WHERE round = 1 AND unit = 1")
    found = verify(kept, images, 1, 1)
    assert not found.agreed
    assert found.distance > 1.2 * found.expected
    result = run_ganns(database, monkeypatch, "verify", "1/1/1", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["agreed"] is False

    conn.execute("UPDATE ganns.ledger SET digest = NULL WHERE round = 2")
    for unit, said in (
        ((2, 0), "before the ledger kept digests"),
        ((0, 7), "accepted no result of unit 7, but of units: 0, 1"),
        ((4, 0), "Run 1 has no closed round 4"),
    ):
        with pytest.raises(RunError, match=said):
            verify(kept, images, *unit)
    with pytest.raises(ConfigError, match="1/2 is not RUN/ROUND/UNIT"):
        run_ganns(database, monkeypatch, "verify", "1/2")


@pytest.mark.slow
def test_ganns_replay_prints_both_futures_and_draws_them(coordinate, join, conn, database, monkeypatch, tmp_path):
    trained(coordinate, conn, join("ada"), join("bob"))
    words = ["replay", "latest@2", "without=bob", "--drop", "--rounds", "5", "--out", str(tmp_path)]
    found = json.loads(run_ganns(database, monkeypatch, *words, "--json").stdout)
    assert (found["round"], found["units_left_out"], found["units"], found["equal_until"]) == (2, 5, 10, 2)
    assert [row["version"] for row in found["versions"]] == [3, 4, 5, 6, 7]
    assert all(row["as_it_was"]["swd"] != row["changed"]["swd"] for row in found["versions"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "faces.png"]
    assert [Path(path).is_file() for path in found["files"]] == [True, True]
    said = run_ganns(database, monkeypatch, *words).stdout
    assert "run 1 from round 2 on: without bob, whose units are left out\n" in said
    assert "5 of 10 accepted units are theirs, and were left out\n" in said
    assert "of the way that the weights went since version 2" in said
    assert not shown_replays.list_replays(conn, 1)
    said = run_ganns(database, monkeypatch, "replay", "1@2", "--out", str(tmp_path), "--show").stdout
    assert "both futures have the same weights, bit for bit, up to version 10" in said
    [shown] = shown_replays.list_replays(conn, 1)
    assert (shown["round"], shown["change"], len(shown["rows"])) == (2, "nothing changed", 8)
    assert shown["sentences"] == ["both futures have the same weights, bit for bit, up to version 10"]
    assert shown_replays.get_replay_picture(conn, 1, 1, "faces") == (tmp_path / "faces.png").read_bytes()
    assert shown_replays.get_replay_picture(conn, 1, 2, "faces") is None
    each = json.loads(run_ganns(database, monkeypatch, "replay", "1@2", "--rounds", "3", "--each", "--json").stdout)
    assert sorted(one["person"] for one in each) == ["ada", "bob"]
    assert all((one["units"], one["images"]) == (3, 24) and one["distance"] > 0 for one in each)
    with pytest.raises(ConfigError, match="1 is not RUN@ROUND"):
        run_ganns(database, monkeypatch, "replay", "1")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["replay", "verify"])
def test_the_threads_of_a_replay_do_not_spin_unless_the_user_wants_it(command, monkeypatch):
    """OpenMP reads the variable when torch is imported: so it is set before anything else, also before a refusal."""
    for given, used in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
        if given is None:
            monkeypatch.delenv("OMP_WAIT_POLICY")
        assert CliRunner().invoke(app, [command, "nonsense"]).exit_code != 0
        assert os.environ["OMP_WAIT_POLICY"] == used


def test_another_rule_rate_or_quorum_is_another_future(coordinate, join, conn):
    _, kept, images = trained(coordinate, conn, join("ada"), join("bob"))
    for word in ("aggregate=median", "optimizer.lr_g=1e-3", "aggregate.clip=1"):
        found = compare_futures(kept, images, 3, 4, parse([word]))
        assert (len(found.rows), found.ended) == (4, "")
        if word == "aggregate.clip=1":
            assert 4 <= found.equal_until < 7  # nothing is clipped before there were eight results
        elif word == "optimizer.lr_g=1e-3":
            assert found.equal_until == 3
    with pytest.raises(PluginError, match="medium"):
        compare_futures(kept, images, 3, 4, parse(["aggregate=medium"]))
    found = compare_futures(kept, images, 3, 4, parse(["quorum.units=3"]))
    assert [row["changed"].get("images") for row in found.rows] == [72, 96, 112, None]
    assert found.ended == "all recorded units are used up"
    found = compare_futures(
        kept, images, 3, 4, parse(["optimizer.lr_d=1", "optimizer.lr_g=1", "aggregate.max_norm=1e-6"])
    )
    assert found.ended.startswith("the model broke in round 3: The gradient's norm is")


@pytest.mark.slow
@STRATEGIES
def test_every_strategy_is_replayed_exactly_from_a_kept_state(coordinate, join, conn, changes, monkeypatch):
    monkeypatch.setattr(per_class, "TABLE", (Row(1, 4, 5, 1.0), Row(2, 4, 3, 1.5)))
    coordinator, kept, images = trained(coordinate, conn, join("ada"), join("bob"), **changes)
    found = compare_futures(kept, images, 5, 5, Change())
    assert found.equal_until == 10
    assert found.changed.weights_digest() == coordinator.digest
    for unit in replay.list_rounds(conn, 1, 6, 7)[6].units:
        assert verify(kept, images, 6, unit).same
    # A round without any of its results makes no step.
    everyone = parse(["without=ada", "without=bob"], drop=True)
    if not changes["strategy"].pipeline:
        nothing = compare_futures(kept, images, 4, 2, everyone).changed
        kept_weights = kept.load(4).weights()
        assert nothing.progress.version == 6
        assert all(torch.equal(value, kept_weights[name]) for name, value in nothing.weights().items())


@pytest.mark.slow
def test_a_liar_is_where_the_futures_part_and_without_it_the_run_goes_on(coordinate, join, conn, database, monkeypatch):
    liar = Liar(database, "liar")
    coordinator, kept, images = trained(coordinate, conn, join("ada"), liar)
    found = compare_futures(kept, images, 2, 8, parse(["without=liar"]))
    assert found.equal_until == 5
    row = {row["version"]: row for row in found.rows}[8]  # kept
    assert row["of_the_way"] > 0.1
    assert found.was.weights_digest() == coordinator.digest  # the last checkpoint
    round_ = replay.list_rounds(conn, 1, 5, 6)[5]
    for number, unit in round_.units.items():
        verified = verify(kept, images, 5, number)
        assert (verified.agreed, verified.alike) == (unit.author.worker == "ada", True)
        assert verified.same or verified.distance == pytest.approx(2, rel=0.01)
    # From the next round on, no version is had exactly before the next kept one.
    with pytest.raises(
        RunError, match=r"1@7 cannot be had: round 5, .*`ganns verify 1/5/UNIT` tells which.* 1@8 or 1@5"
    ):
        reach(kept, images, 7)
    conn.execute(
        "INSERT INTO ganns.audits (run_id, kind, round, unit, login, name, agreed, alike, same, distance, sums, "
        "metrics, auditor) VALUES (1, 'unit', 5, 0, session_user, 'liar', false, true, false, 2, 0, 0, 'the test')"
    )
    said = run_ganns(database, monkeypatch, "runs", "audits", "1").stdout
    assert "without liar: ganns replay 1@5 without=liar" in said
    liar.conn.close()


def test_moments_go_on_where_they_were(coordinate, join, conn):
    """A kept state has all that the next version follows from: another rate begins with the same moments."""
    _, kept, images = trained(
        coordinate, conn, join(), stop=StopConfig(rounds=5), optimizer=OptimizerConfig(lr_g=1e-3, lr_d=1e-3)
    )
    one = compare_futures(kept, images, 4, 1, parse(["optimizer.lr_g=2e-3", "optimizer.lr_d=2e-3"]))
    assert one.rows[0]["of_the_way"] == pytest.approx(1, abs=0.01)  # twice the step
