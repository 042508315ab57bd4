"""A whole run, from configuration to its last round: create or resume it, keep it going, leave it resumable."""

from __future__ import annotations

import threading
from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import replace

import psycopg

from ganns import plugins, resources
from ganns.config import Config, from_dict, to_dict
from ganns.coordinator.control import Interrupted
from ganns.coordinator.evaluation import Evaluations, say_best
from ganns.coordinator.housekeeping import Housekeeping
from ganns.coordinator.observer import Observer
from ganns.coordinator.resume import restore
from ganns.coordinator.rounds import Rounds
from ganns.coordinator.session import Session, open_patiently
from ganns.coordinator.start import start_state
from ganns.coordinator.statefiles import StateFiles
from ganns.data import open_images
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.db.migrate import require_current
from ganns.errors import ConfigError, RunError
from ganns.evaluation.features import require_features
from ganns.seeds import permutation_digest
from ganns.signals import stop_on_signals
from ganns.store import control, runs, sweeps, turns, weights
from ganns.store.runs import Run

FREE_ON_RESUME = {"name", "stop", "quorum", "db", "evaluate", "sample_every", "tensorboard", "resume"}
"""Settings that a resumed run may change; all others decide what its versions are."""


def create_run(conn: Connection, config: Config, point: str | None = None) -> Run:
    """Insert a run for `config`; opens the images, to record how many there are and their fingerprint.

    Args:
        conn: a connection.
        config: the run's configuration.
        point: the digest by which a sweep finds the run again.
    """
    if config.evaluate.every:
        require_features(config.evaluate.features)
    images = open_images(config.data, config.model.image_size)
    if config.start_from is not None:
        source, data = start_state(conn, config)
        config = replace(config, start_from=source)  # the version too, so that the run says what it started from
    config = replace(config, plugins=plugins.packages(config))
    with conn.transaction():
        run_id = runs.create_run(
            conn,
            name=config.name,
            config=to_dict(config),
            fingerprint=images.fingerprint,
            num_images=images.num_train,
            permutation_digest=permutation_digest(config.seed, images.num_train),
        )
        if point is not None:
            sweeps.set_point(conn, run_id, point)
        if config.start_from is not None:
            weights.put_checkpoint(conn, run_id, 0, data)
    return runs.get_run(conn, run_id)


def resume_run(conn: Connection, config: Config, changed: Collection[str] | None = None) -> tuple[Run, Config]:
    """Find the run that `config.resume` names, and its own configuration with what is to change.

    Args:
        conn: a connection.
        config: what was asked for now.
        changed: the keys or groups of `config` that were set on purpose; None means all that may change.

    Raises:
        RunError: if there is no such run, or it diverged.
        ConfigError: for a key that decides what the run's versions are.
    """
    assert config.resume is not None
    run = runs.find_run(conn, config.resume)
    if run.state == "diverged":
        raise RunError(f"Run {run.id} diverged and cannot be resumed; start a new run with smaller learning rates.")
    merged = from_dict(run.config)
    merged.resume = config.resume
    for key in FREE_ON_RESUME if changed is None else changed:
        group, _, name = key.partition(".")
        if group not in FREE_ON_RESUME:
            raise ConfigError(
                f"{key} cannot change when a run is resumed, since it decides what the run's versions are: "
                f"leave it out, or start a new run without resume={config.resume}."
            )
        if name:
            setattr(getattr(merged, group), name, getattr(getattr(config, group), name))
        else:
            value = getattr(config, group)
            if value or changed is not None:  # what was typed counts also when it is 0 or false
                setattr(merged, group, value)
    return run, merged


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
        observer: told about rounds and waiting.
        should_stop: set it to stop after the transaction in hand; None: Ctrl-C, SIGTERM and a closed terminal do so.
        changed: for a resumed run, the settings that replace its own; None means all that may change.

    Returns:
        The run's number and whether it is finished; an unfinished run can be resumed.

    Raises:
        LeaseLost: the run has another coordinator.
        Diverged: the model is broken.
        SchemaOutdated: the database needs `ganns db migrate`.
    """
    with connect(address, application="ganns coordinator: start") as conn:
        require_current(conn)
        new_quorum = False
        if config.resume is None:
            run = create_run(conn, config)
            config = from_dict(run.config)
            if config.start_from is not None:
                observer.say(f"it begins with version {config.start_from}'s weights")
        else:
            run, config = resume_run(conn, config, changed)
            plugins.check_packages(config, plugins.HERE)
            new_quorum = config.quorum.units != from_dict(run.config).quorum.units
            new_quorum |= not {"quorum", "quorum.units"}.isdisjoint(changed or ())  # typed, be it the same number
            runs.set_config(conn, run.id, to_dict(config))
    files = StateFiles(resources.home() / "state" / run.key)
    begun = False
    with stop_on_signals() if should_stop is None else nullcontext(should_stop) as stop:
        while not stop.is_set():
            session = open_patiently(address, run.id, observer.say, stop.is_set)
            if session is None:
                break
            try:
                generation = runs.acquire_lease(session.main, run.id)
                if not begun:  # else it is the connection that is new, and a stop is meant for us
                    control.begin(session.main, run.id, new_quorum=new_quorum)
                    begun = True
                return run.id, _train(session, address, run, generation, config, files, observer, stop)
            except psycopg.OperationalError as error:
                # The server went away. Whether the transaction in hand was committed is not known here, but the
                # database knows: begin again from there, exactly as after a crash of our own.
                observer.say(f"lost the connection to the database ({type(error).__name__}); reconnecting")
            finally:
                session.close()
    return run.id, False


def _train(
    session: Session,
    address: Address,
    run: Run,
    generation: int,
    config: Config,
    files: StateFiles,
    observer: Observer,
    stop: threading.Event,
) -> bool:
    """Train on an open session until the run is finished (True) or told to stop (False)."""
    turns.join_queue(session.main, run.id)
    state = restore(session.main, runs.get_run(session.main, run.id), generation, files, config, observer.say)
    keeper = Housekeeping(
        address,
        run.id,
        generation,
        files,
        keep=config.db.keep_versions,
        checkpoint_s=config.db.checkpoint_s,
    )
    evaluations = Evaluations(address, run.id, generation, config, files, observer)
    try:
        Rounds(run, generation, state, files, session, keeper, evaluations, observer, stop.is_set).train()
        done = True
        evaluations.finish(state.progress.version, stop.is_set)
    except Interrupted:
        done = False
    finally:
        evaluations.close()
        keeper.close()
    # A clean end leaves everything in the database, for `ganns sample` and for a coordinator elsewhere.
    if (data := files.read(state.progress.version)) is not None:
        weights.put_checkpoint(session.main, run.id, state.progress.version, data)
        if done:
            files.clear()
    say_best(session.main, run.id, observer.say)
    runs.release_lease(session.main, run.id, generation)
    return done
