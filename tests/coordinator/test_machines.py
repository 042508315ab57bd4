"""Two machines coordinate one run in turn, and are killed in turn: a version is what the database says.

A machine is a GANNS_HOME of its own. A kill is an error that no code of ours handles, raised in the transaction that
would close a round, or right after its commit: the coordinator leaves no checkpoint, and its files stay as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ganns.config import CodecConfig, DbConfig, Fp32Codec, HomeCodec, QuorumConfig, StopConfig, from_dict
from ganns.coordinator import rounds as protocol
from ganns.coordinator.state_files import StateFiles
from ganns.data import images_of
from ganns.db.connect import Connection
from ganns.store import rounds, runs, weights
from ganns.training.solo import train_recorded
from ganns.training.state import Progress, TrainingState
from tests.coordinator.test_faults import finish_run
from tests.support.coordinators import Coordinator
from tests.support.fakes import FakeWorker, tiny
from tests.support.helpers import wait_until

QUORUMS = (1, 3)  # one that divides an epoch's five units, and one that does not
BEFORE, AFTER = "before the commit", "after the commit"


@dataclass
class Machines:
    """One run, its two machines, and the history of versions that its coordinators published."""

    coordinate: object
    worker: FakeWorker
    monkeypatch: pytest.MonkeyPatch
    homes: dict[str, Path]
    codec: CodecConfig = field(default_factory=Fp32Codec)
    history: dict[int, str] = field(default_factory=dict)  # the digest of each version that is not undone
    said: list[str] = field(default_factory=list)
    num_kills: int = 0

    def start(self, machine: str, quorum: int, checkpoint_s: float, *, epochs: int = 60) -> Coordinator:
        self.monkeypatch.setenv("GANNS_HOME", str(self.homes[machine]))
        config = tiny(
            quorum=QuorumConfig(units=quorum),
            stop=StopConfig(epochs=epochs),
            db=DbConfig(checkpoint_s=checkpoint_s),
            codec=self.codec,
            resume="latest" if self.history else None,
        )
        coordinator = self.coordinate(config)
        wait_until(lambda: coordinator.digest or coordinator.error, what="the coordinator")
        return coordinator

    def check_start(self, coordinator: Coordinator, conn: Connection) -> int:
        """Check that the coordinator began with the very state that the run's version was; return the version.

        It may be further now: the results of a round that was open before may all be there.
        """
        version = coordinator.began_at
        assert version <= runs.get_run(conn, coordinator.run_id).version
        assert self.history.setdefault(version, coordinator.began) == coordinator.began, (version, coordinator.said)
        for later in [number for number in self.history if number > version]:
            del self.history[later]
        return version

    def train_until_killed(
        self, machine: str, quorum: int, checkpoint_s: float, num_rounds: int, at: str, conn
    ) -> None:
        """Coordinate `num_rounds` rounds on a machine, then kill it in the next one."""
        closed, fired = [], []
        close, report = protocol.rounds.close_round, protocol.Rounds._closed

        def close_or_die(conn_, run_id, round_):
            if at == BEFORE and len(closed) >= num_rounds:
                fired.append(round_)
                raise ConnectionAbortedError(at)
            close(conn_, run_id, round_)

        def report_or_die(self_, *args):
            closed.append(self_.state.progress.version)
            self.history[closed[-1]] = self_.state.weights_digest()
            if at == AFTER and len(closed) > num_rounds:
                fired.append(closed[-1])
                raise ConnectionAbortedError(at)
            return report(self_, *args)

        with self.monkeypatch.context() as patch:
            patch.setattr(protocol.rounds, "close_round", close_or_die)
            patch.setattr(protocol.Rounds, "_closed", report_or_die)
            coordinator = self.start(machine, quorum, checkpoint_s)
            self.check_start(coordinator, conn)
            wait_until(lambda: (self.worker.work() and False) or not coordinator.thread.is_alive(), what="the kill")
        assert isinstance(coordinator.error, ConnectionAbortedError), coordinator.error
        assert len(fired) == 1
        self.num_kills += 1
        self.said += coordinator.said


@pytest.fixture
def machines(coordinate, join, monkeypatch, tmp_path) -> Iterator[Machines]:
    """Machines A and B."""
    return Machines(coordinate, join(), monkeypatch, {name: tmp_path / name for name in "AB"})


def check_ledger(conn, run_id: int) -> None:
    """Each image of an epoch is in at most one accepted result, and the run's count is their sum."""
    counts = conn.execute(
        "SELECT count(*) FROM ganns.ledger, generate_series(start, start + images - 1) AS position "
        "WHERE accepted AND NOT undone GROUP BY epoch, position"
    ).fetchall()
    assert {count for (count,) in counts} <= {1}
    assert runs.get_run(conn, run_id).images == len(counts)


@pytest.mark.parametrize("codec", [Fp32Codec(), HomeCodec()], ids=lambda one: one.down)
def test_a_to_b_to_a(machines, conn, codec):
    """A is killed far behind its checkpoint, B goes on from there with another quorum: A's files are history.

    So is what the worker has of A's versions, whose numbers B's have, too.
    """
    machines.codec = codec
    machines.train_until_killed("A", 2, 0.0, 1, BEFORE, conn)
    machines.train_until_killed("A", 2, 3600.0, 3, BEFORE, conn)
    number, stale = max(machines.history.items())
    checkpoint, _, _ = weights.latest_checkpoint(conn, 1)
    assert checkpoint <= number - 2
    machines.train_until_killed("B", 3, 3600.0, number - checkpoint - 1, AFTER, conn)
    assert max(machines.history) == number  # both machines have a file of this version
    assert machines.history[number] != stale
    back = machines.start("A", 2, 3600.0, epochs=4)
    assert machines.check_start(back, conn) == checkpoint
    versions = f"{number}, {number + 1}"
    assert any(f"ignored the state files of version {versions} on this machine" in text for text in back.said)
    finish_run(back, machines.worker)
    check_ledger(conn, back.run_id)
    run = runs.get_run(conn, back.run_id)
    assert run.images == 4 * 40
    config = from_dict(run.config)
    again = TrainingState(config)
    list(train_recorded(config, images_of(config), again, rounds.recorded_schedule(conn, run.id)))
    assert again.weights_digest() == back.digest


def orders(num: int) -> list[tuple[str, str, int]]:
    """Return a short sequence of (machine, moment, quorum) in which each sequence of `num` occurs (de Bruijn)."""
    kills = itertools.product("AB", (BEFORE, AFTER), QUORUMS)
    words = list(itertools.product(kills, repeat=num))
    at = words[0]
    found, seen = list(at), {at}
    while len(seen) < len(words):
        options = [word for word in words if word[:-1] == at[1:] and word not in seen]
        at = options[-1] if options else next(word for word in words if word not in seen)
        found += [at[-1]] if options else list(at)
        seen.add(at)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_orders_of_two_machines_kills_and_quorums(machines, conn):
    """Each coordinator begins with the state that the database's version is, whatever its disk has."""
    num = 2  # kills in a row; 3 passed, too, and take four times as long
    sequence = orders(num)
    for number, (machine, moment, quorum) in enumerate(sequence):
        checkpoint_s = 0.0 if number % 5 == 1 else 3600.0
        machines.train_until_killed(machine, quorum, checkpoint_s, number % 2, moment, conn)
    pairs = set(itertools.pairwise(sequence))
    assert len(pairs) == (2 * 2 * len(QUORUMS)) ** num
    assert machines.num_kills == len(sequence)
    assert sum("not the run's: it went on elsewhere" in text for text in machines.said) >= 2
    last = machines.start("A", 2, 3600.0, epochs=1 + len(sequence))
    machines.check_start(last, conn)
    finish_run(last, machines.worker)
    check_ledger(conn, last.run_id)
    assert runs.get_run(conn, last.run_id).images == 40 * (1 + len(sequence))


def test_resuming_says_once_which_files_are_not_the_runs(machines, conn):
    """Beside the expected state, and at version 0: a state that was saved, and killed before it was published."""
    for num_rounds in (0, 2):
        machines.train_until_killed("A", 2, 3600.0, num_rounds, BEFORE, conn)
        version = max(machines.history)
        again = machines.start("A", 2, 3600.0)
        assert again.began == machines.history[version]
        which = f"ignored the state files of version {version + 1} on this machine, which are not the run's: they were"
        assert sum("ignored the state files" in text for text in again.said) == 1
        assert sum(which in text for text in again.said) == 1
        again.stop.set()
        again.join()
        quiet = machines.start("A", 2, 3600.0)  # nothing is left but the run's own states
        machines.check_start(quiet, conn)
        assert not any("ignored" in text for text in quiet.said)
        quiet.stop.set()
        quiet.join()


def test_only_the_expected_state_is_loaded_and_others_go(tmp_path):
    files, config = StateFiles(tmp_path), tiny()
    mine, theirs = TrainingState(config), TrainingState(tiny(seed=5))
    mine.progress = theirs.progress = Progress(7)
    digests = [files.save(mine)]
    files = StateFiles(tmp_path)  # another process
    theirs.save(tmp_path / "state")
    files.put(7, (tmp_path / "state").read_bytes())
    assert files.load(config, 7, "f" * 32) is None
    assert files.load(config, 7, digests[0]).weights_digest() == mine.weights_digest()
    [(version, other)] = files.forget_others()
    assert version == 7 != other
    assert files.read(7, other) is None
    assert files.read(7) is not None


def test_a_state_that_was_read_and_written_again_has_the_same_digest(tmp_path):
    """The checkpoint from which another machine goes on is the version that this machine publishes again."""
    files, state = StateFiles(tmp_path), TrainingState(tiny())
    state.progress = Progress(3, 24, 1.2345678901234567)
    first = files.save(state)
    again = files.load(state.config, 3, first)
    assert files.save(again) == first
