"""Coordinate a run from the command line: database, progress, samples."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from ganns.config import Config
from ganns.db.address import join_line
from ganns.db.choose import coordinator_database
from ganns.launch.overrides import typed_keys


def train(config: Config) -> None:
    """Coordinate the run that `config` describes until it stops."""
    # These load torch; `--help` and `--cfg job` do not need it.
    from ganns.coordinator import train_run
    from ganns.observers.watch import Watch

    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    with coordinator_database() as address, Watch(config, folder, address=address) as watch:
        watch.say(f"the database is {address} ({address.source})")
        watch.say(f"workers join with  {join_line(address)}")
        run_id, done = train_run(config, address, watch, changed=typed_keys(hydra.overrides.task))
        watch.last_grid()
        if watch.grids.saved:
            watch.say(f"samples are in {folder / 'samples'}")
        if done:
            watch.say(f"run {run_id} is finished: `ganns sample {run_id}` draws with it")
        else:
            watch.say(f"run {run_id} stopped; go on with `ganns train resume={run_id}`")
