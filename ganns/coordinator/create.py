"""Create a run in the database, or find one to resume."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from ganns import plugins
from ganns.config import Config, from_dict, to_dict
from ganns.coordinator.auto import chosen_by_workers
from ganns.coordinator.warm_start import start_state
from ganns.data import images_of
from ganns.db.connect import Connection
from ganns.errors import ConfigError, RunError
from ganns.evaluation.features import require_features
from ganns.store import runs, sweeps, weights
from ganns.store.object_store import require_store
from ganns.store.runs import Run
from ganns.training.probe import examine
from ganns.training.seeds import permutation_digest

FREE_ON_RESUME = {
    *("name", "stop", "quorum", "db", "store", "audit", "evaluate"),
    *("sample_every", "tensorboard", "observers", "resume"),
}
"""Settings that may change when a run is resumed; all others determine its versions."""


def create_run(
    conn: Connection, config: Config, point: str | None = None, say: Callable[[str], None] = lambda text: None
) -> Run:
    """Insert a run for `config`, and open the images to record their number and fingerprint.

    Args:
        conn: a connection.
        config: the run's configuration.
        point: the digest of a sweep's point, by which the sweep finds the run again.
        say: is told what the workers that are there chose.
    """
    if config.evaluate.every:
        require_features(config.evaluate.features)
    require_store(config.store)
    examine(config.model)
    images = images_of(config)
    config = chosen_by_workers(conn, config, images.num_train, say)
    if config.start_from is not None:
        source, data = start_state(conn, config)
        config = replace(config, start_from=source)  # with the version, as a record
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
    """Return the run that `config.resume` names, and its own configuration with the changed settings.

    Args:
        conn: a connection.
        config: the configuration of this command.
        changed: the keys or groups of `config` that the user typed; None means all that may change.

    Raises:
        RunError: if there is no such run, or it diverged.
        ConfigError: for a key that determines the run's versions.
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
                f"{key} cannot change when a run is resumed, since it determines the run's versions: "
                f"leave it out, or start a new run without resume={config.resume}."
            )
        if name:
            setattr(getattr(merged, group), name, getattr(getattr(config, group), name))
        else:
            value = getattr(config, group)
            if value or changed is not None:  # a typed value counts also when it is 0 or false
                setattr(merged, group, value)
    return run, merged
