"""Put into a new run's settings what fits the workers that are there: `codec=auto`, `strategy=auto`, or `link=auto`.

It is chosen once, when the run is created. The choice is stored in place of `auto`: a run that is resumed, or computed
again, has the same units, whoever is there then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from ganns.config import AutoCodec, AutoStrategy, Config, LocalStepsStrategy
from ganns.coordinator.auto_codec import codec_for, slowest_third
from ganns.coordinator.auto_units import choose_units
from ganns.db.connect import Connection
from ganns.queue.machine import figures_of
from ganns.queue.rescue import SILENT_S
from ganns.store import lease
from ganns.training.traffic import traffic_of


def chosen_by_workers(conn: Connection, config: Config, num_images: int, say: Callable[[str], None]) -> Config:
    """Return a configuration without `auto`.

    Args:
        conn: a connection.
        config: the new run's.
        num_images: images of its data set.
        say: is told what was chosen, and why.
    """
    if not isinstance(config.codec, AutoCodec) and not isinstance(config.strategy, AutoStrategy):
        return config
    figures = [figures_of(info) for info in lease.list_infos(conn, SILENT_S)]
    if isinstance(config.codec, AutoCodec):
        config = replace(config, codec=codec_for(slowest_third(figures)))
        say(f"codec=auto is codec={config.codec.name} for the workers that are there now")
    if isinstance(strategy := config.strategy, AutoStrategy):
        found = choose_units(figures, traffic_of(config), micro_batch=strategy.micro_batch, num_images=num_images)
        nobody = f"a unit has {strategy.unit_images:,} images, since no worker has measured its link and its speed yet"
        unit_images, sentence = found or (strategy.unit_images, nobody)
        say(f"strategy=auto: {sentence}")
        values = asdict(strategy) | {"name": "local_steps", "unit_images": unit_images}
        config = replace(config, strategy=LocalStepsStrategy(**values))
    return config
