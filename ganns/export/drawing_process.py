"""A process that draws images of chosen attributes for the dashboard: `python -m ganns.export.drawing_process`.

The dashboard itself runs without PyTorch. It starts this process when the first person moves a slider, and asks:

    {"run": 7, "best": true, "labels": [0.0, 1.0]}               one line on stdin
    {"size": 20480, "version": 120}, and that many bytes of WebP on stdout; or {"error": "..."}

The database's address is in GANNS_DATABASE_URL. The process ends when its stdin is closed.
"""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from typing import Any, BinaryIO

import psycopg
import torch
from torch import nn

from ganns.config import ModelConfig, from_dict
from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import GannsError, RunError
from ganns.pictures.grid import grid
from ganns.store import runs, weights
from ganns.training.networks import sample
from ganns.training.seeds import noise
from ganns.training.state import TrainingState

NUM, COLUMNS = 16, 4
"""Images of a picture."""


@dataclass
class Loaded:
    """The generator that was used last."""

    key: tuple[int, int, str]  # run, version, digest
    generator: nn.Module
    model: ModelConfig
    latent: torch.Tensor  # [NUM, Z]


class Drawer:
    """Draws with the newest or the best checkpoint of a run."""

    def __init__(self, address: Address) -> None:
        """Nothing is read yet."""
        self._address = address
        self._loaded: Loaded | None = None

    def answer(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a request, and the picture."""
        try:
            with connect(self._address, application="ganns dashboard: drawing") as conn:
                loaded = self._load(conn, int(request["run"]), best=bool(request["best"]))
            labels = torch.tensor([request["labels"]])
            if not loaded.model.conditional or labels.shape[1] != len(loaded.model.labels):
                raise RunError(f"Run {request['run']} has other attributes; load the page again.")
            picture = _as_webp(sample(loaded.generator, loaded.latent, labels.expand(NUM, -1)))
            return {"size": len(picture), "version": loaded.key[1]}, picture
        except psycopg.errors.InsufficientPrivilege:
            return {"error": "The dashboard's database login may not read the model's weights."}, b""
        except (GannsError, psycopg.Error) as error:
            said = str(error) if isinstance(error, GannsError) else "The database does not answer; try again."
            return {"error": said}, b""

    def _load(self, conn: Connection, run_id: int, *, best: bool) -> Loaded:
        found = weights.find_checkpoint(conn, run_id, best=best)
        if found is None:
            raise RunError(f"Run {run_id} has no checkpoint yet: one is stored every db.checkpoint_s seconds.")
        key = run_id, *found
        if self._loaded is None or self._loaded.key != key:
            config = from_dict(runs.get_run(conn, run_id).config)
            data = weights.read_checkpoint(conn, run_id, *found)
            state = TrainingState.from_bytes(config, data, found[1])
            latent = noise(config.seed, NUM, config.model.latent_dim)
            self._loaded = Loaded(key, state.generator(averaged=True), config.model, latent)
        return self._loaded


def _as_webp(images: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    grid(images, COLUMNS).save(buffer, "WEBP", quality=90)
    return buffer.getvalue()


def serve(drawer: Drawer, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        head, picture = drawer.answer(json.loads(line))
        answers.write(json.dumps(head).encode() + b"\n" + picture)
        answers.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)  # the machine may be training
    serve(Drawer(Address(os.environ["GANNS_DATABASE_URL"], "the dashboard")), sys.stdin.buffer, sys.stdout.buffer)
