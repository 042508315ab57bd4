"""What a process keeps between the parts of evaluations: the generator, and the network that looks at its images.

Everything here is a cache, as in `ganns.workbench`; a part's result never depends on it.
"""

from __future__ import annotations

import torch
from torch import nn

from ganns.config import Config, from_dict
from ganns.db.connect import Connection
from ganns.errors import RunError
from ganns.evaluation import images
from ganns.evaluation.features import Inception, load_network
from ganns.model import Generator
from ganns.payload import unpack
from ganns.store import evaluations, workers


class Desk:
    """One evaluation on this worker."""

    def __init__(self, device: torch.device) -> None:
        """Prepare; nothing is loaded yet."""
        self.device = device
        self._run: tuple[int, Config, nn.Module] | None = None
        self._generator: tuple[str, Generator] | None = None

    def prepare(self, conn: Connection, run_id: int, evaluation: str) -> bool:
        """Fetch what the evaluation needs, unless it is here; False if the evaluation is over."""
        if self._run is None or self._run[0] != run_id:
            self._generator = None
            config = from_dict(workers.get_run_info(conn, run_id).config)
            self._run = run_id, config, feature_network(conn, run_id, config).to(self.device)
        if self._generator is None or self._generator[0] != evaluation:
            found = evaluations.fetch_generator(conn, evaluation)
            if found is None:
                return False
            network = images.build_generator(self._run[1], unpack(*found)).to(self.device)
            self._generator = evaluation, network
        return True

    def see(self, start: int, count: int) -> bytes:
        """Draw images `start` to `start + count`, look at them, and return what travels."""
        assert self._run is not None
        assert self._generator is not None
        _, config, network = self._run
        pixels = images.draw(config, self._generator[1], start, count)
        return images.encode(images.see(pixels, network, start))


def feature_network(conn: Connection, run_id: int, config: Config) -> nn.Module:
    """Return the network that the run's images are looked at with.

    Raises:
        RunError: if none is stored with the run (yet).
        MissingExtra: if it is Inception, which cannot be had here.
    """
    if config.evaluate.features == "inception":
        return Inception()
    found = evaluations.fetch_feature_network(conn, run_id)
    if found is None:
        raise RunError(f"Run {run_id} has no feature network yet: `ganns evaluate {run_id} --here` makes one.")
    return load_network(config.model.image_size, *found)


_desk: Desk | None = None


def get_desk(device: torch.device) -> Desk:
    """Return this process's desk."""
    global _desk
    if _desk is None:
        _desk = Desk(device)
    return _desk
