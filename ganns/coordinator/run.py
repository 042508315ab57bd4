"""Train a whole run: create or resume it, reconnect when the server was away, and leave it resumable."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import psycopg

from ganns import paths, plugins
from ganns.config import Config, from_dict, to_dict
from ganns.coordinator.auditor import Auditor
from ganns.coordinator.cleanup import Cleanup
from ganns.coordinator.commands import Interrupted
from ganns.coordinator.connections import Connections, open_connections
from ganns.coordinator.create import create_run, resume_run
from ganns.coordinator.evaluation_thread import Evaluations, say_best
from ganns.coordinator.observer import Observer
from ganns.coordinator.replay_run import RecordedScheduler
from ganns.coordinator.restore import restore
from ganns.coordinator.rounds import Rounds
from ganns.coordinator.scheduler import Scheduler
from ganns.coordinator.state_files import StateFiles
from ganns.coordinator.warden import Warden
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import require_current
from ganns.db.waiting import telling_for_whom
from ganns.store import control, fair_share, lease, runs, weights
from ganns.store.kept_states import FOLDER, KeptStates
from ganns.store.object_store import ObjectStore, open_store, require_store
from ganns.store.runs import Run
from ganns.training.round_settings import RecordedRound
from ganns.utils.backoff import backoff_s
from ganns.utils.signals import stop_on_signals


def train_run(
    config: Config,
    address: Address,
    observer: Observer,
    should_stop: threading.Event | None = None,
    changed: Collection[str] | None = None,
) -> tuple[int, bool]:
    """Train `config` (or resume what it names) over the workers that reach `address`.

    Args:
        config: a checked configuration.
        address: the database.
        observer: is told about rounds and waiting.
        should_stop: set it to stop after the open transaction; None: Ctrl-C, SIGTERM and a closed terminal stop it.
        changed: for a resumed run, the typed settings that replace its own; None means all that may change.

    Returns:
        The run's number and whether it is finished; an unfinished run can be resumed.

    Raises:
        LeaseLost: the run has another coordinator.
        Diverged: the model has diverged.
        SchemaOutdated: the database needs `ganns db migrate`.
    """
    with connect(address, application="ganns coordinator: start") as conn, telling_for_whom(conn, observer.say):
        require_current(conn)
        new_quorum = False
        if config.resume is None:
            run = create_run(conn, config, say=observer.say)
            config = from_dict(run.config)
            if config.start_from is not None:
                observer.say(f"it begins with version {config.start_from}'s weights")
        else:
            run, config = resume_run(conn, config, changed)
            plugins.check_packages(config, plugins.HERE)
            require_store(config.store)
            new_quorum = config.quorum.units != from_dict(run.config).quorum.units
            new_quorum |= not {"quorum", "quorum.units"}.isdisjoint(
                changed or ()
            )  # typed, even if it is the same number
            runs.set_config(conn, run.id, to_dict(config))
    return run.id, _train_here(
        address, run, config, Scheduler(run, config), observer, should_stop, new_quorum=new_quorum
    )


def train_replay(
    address: Address,
    run: Run,
    config: Config,
    schedule: Mapping[int, RecordedRound],
    observer: Observer,
    should_stop: threading.Event,
) -> bool:
    """Train the recorded rounds of a run that `create_replay` made; return whether it is finished."""
    return _train_here(address, run, config, RecordedScheduler(run, config, schedule), observer, should_stop)


def _train_here(
    address: Address,
    run: Run,
    config: Config,
    scheduler: Scheduler,
    observer: Observer,
    should_stop: threading.Event | None,
    *,
    new_quorum: bool = False,
) -> bool:
    """Train a run with this machine's files; return whether it is finished."""
    folder = paths.home() / "state" / run.key
    kept = KeptStates(folder / FOLDER, config.db.keep_state_every, int(config.db.keep_state_gb * 1e9))
    files = StateFiles(folder, kept)
    store = open_store(config.store, run.key, observer.say)
    warden = Warden(run.id, observer.say, revoke_after=config.db.revoke_after)
    with (
        stop_on_signals() if should_stop is None else nullcontext(should_stop) as stop,
        warden.watching(address, stop.is_set),
    ):
        training = RunTraining(address, run, config, scheduler, observer, files, store, stop, warden)
        return training.train(new_quorum=new_quorum)


@dataclass(frozen=True)
class RunTraining:
    """The training of one run on this machine: all that stays the same when its connections are opened again."""

    address: Address
    run: Run
    config: Config
    scheduler: Scheduler
    observer: Observer
    files: StateFiles
    store: ObjectStore | None
    stop: threading.Event
    warden: Warden

    def train(self, *, new_quorum: bool) -> bool:
        """Connect and train; after a lost connection, begin again from the database. Return True when finished."""
        begun, failures = False, 0
        while not self.stop.is_set():
            connections = open_connections(self.address, self.run.id, self.observer.say, self.stop.is_set)
            if connections is None:
                break
            tried_at = time.monotonic()
            try:
                generation = lease.acquire_lease(connections.main, self.run.id)
                if not begun:  # after a reconnect, a stop is a command to this coordinator
                    control.begin(connections.main, self.run.id, new_quorum=new_quorum)
                    begun = True
                return self._train_over(connections, generation)
            except psycopg.OperationalError as error:
                # Whether the open transaction was committed is not known here where the server went away, but the
                # database knows: begin again from there, exactly as after a crash of the coordinator.
                if not self.stop.is_set():
                    self.observer.say(_what_failed(error, self.warden))
            finally:
                connections.close()
            failures = failures + 1 if time.monotonic() - tried_at < 10.0 else 0
            until = time.monotonic() + backoff_s(failures - 1, 0.25, 5.0) if failures else 0.0
            while time.monotonic() < until and not self.stop.is_set():
                time.sleep(0.05)
        return False

    def _train_over(self, connections: Connections, generation: int) -> bool:
        """Train over open connections until the run is finished (True) or told to stop (False)."""
        run, config, files, observer = self.run, self.config, self.files, self.observer
        conn, stopped = connections.main, self.stop.is_set
        fair_share.join_queue(conn, run.id)
        state = restore(conn, runs.get_run(conn, run.id), generation, files, config, observer.say)
        keep, checkpoint_s = config.db.keep_versions, config.db.checkpoint_s
        cleanup = Cleanup(self.address, run.id, generation, files, self.store, keep=keep, checkpoint_s=checkpoint_s)
        auditor = Auditor(run, config, self.address, generation, observer.say)
        evaluations = Evaluations(self.address, run.id, generation, config, files, observer, auditor.report)
        try:
            Rounds(
                run,
                generation,
                state,
                files,
                connections,
                cleanup,
                evaluations,
                auditor,
                observer,
                stopped,
                self.warden,
                self.scheduler,
                self.store,
            ).train()
            done = True
            evaluations.finish(state.progress.version, stopped)
        except Interrupted:
            done = False
        finally:
            auditor.close()
            evaluations.close()
            cleanup.close()
        # A clean end leaves everything in the database, for `ganns sample` and for a coordinator elsewhere.
        version = state.progress.version
        stored = (data := files.read(version)) and weights.put_checkpoint(conn, run.id, version, data)
        if stored and done:
            files.clear()
        say_best(conn, run.id, observer.say)
        lease.release_lease(conn, run.id, generation)
        return done


def _what_failed(error: psycopg.OperationalError, warden: Warden) -> str:
    """Return a sentence about an error after which the coordinator begins again."""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return f"a statement did not get a lock in time: {warden.holder()}; beginning again from the database"
    if isinstance(error, psycopg.errors.OutOfMemory):
        return f"the server has no memory left ({error.diag.message_primary}); beginning again from the database"
    return f"lost the connection to the database ({type(error).__name__}); reconnecting"
