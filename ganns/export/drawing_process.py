"""A process that draws images for the dashboard, and asks D about them: `python -m ganns.export.drawing_process`.

The dashboard itself runs without PyTorch. It starts this process at the first question, and asks, one line on stdin:

    {"ask": "attributes", "run": 7, "best": true, "labels": [0.0, 1.0]}   sixteen images with these attributes
    {"ask": "walk", "run": 7, "version": 120, "face": 5, "to": 6}         the way from one face of the grids to another
    {"ask": "answers", "run": 7, "version": 120}                          D's answers to the 64 faces, and more

The answer is one line on stdout, {"size": 20480, ...}, and that many bytes of WebP; or {"error": "..."}. The database's
address is in GANNS_DATABASE_URL. The process ends when its stdin is closed.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections import OrderedDict
from typing import Any, BinaryIO

import psycopg
import torch

from ganns.db.address import Address
from ganns.db.connect import Connection, connect
from ganns.errors import GannsError, RunError
from ganns.export.kept_networks import KeptNetworks, Key, key_of, open_run
from ganns.export.shown_faces import STEPS, answers, walk
from ganns.pictures.grid import grid
from ganns.store import weights
from ganns.training.networks import sample
from ganns.training.seeds import noise

NUM, COLUMNS = 16, 4
"""Images of a picture of chosen attributes."""
MAX_SAID = 1000
"""Versions whose answers are kept."""
Answer = tuple[dict[str, Any], bytes]


class Drawer:
    """Draws with the kept versions of all runs."""

    def __init__(self, address: Address) -> None:
        """Keep the settings; networks are read when they are needed."""
        self._address = address
        self._networks = KeptNetworks()
        self._said: OrderedDict[Key, list[float | None]] = OrderedDict()
        self._asks = {"attributes": self._attributes, "walk": self._walk, "answers": self._answers}

    def answer(self, request: dict[str, Any]) -> Answer:
        """Return the answer to a request, and the picture."""
        try:
            with connect(self._address, application="ganns dashboard: drawing") as conn:
                return self._asks[request["ask"]](conn, request)
        except psycopg.errors.InsufficientPrivilege:
            return {"error": "The dashboard's database login may not read the model's weights."}, b""
        except (GannsError, psycopg.Error) as error:
            said = str(error) if isinstance(error, GannsError) else "The database does not answer; try again."
            return {"error": said}, b""

    def _attributes(self, conn: Connection, request: dict[str, Any]) -> Answer:
        run_id = request["run"]
        checkpoint = weights.find_checkpoint(conn, run_id, best=request["best"])
        if checkpoint is None:
            raise _no_checkpoint(run_id)
        found = self._networks.get(open_run(conn, run_id), checkpoint[0])
        labels, model = torch.tensor([request["labels"]]), found.config.model
        if not model.conditional or labels.shape[1] != len(model.labels):
            raise RunError(f"Run {run_id} has other attributes; load the page again.")
        latent = noise(found.config.seed, NUM, model.latent_dim)
        return _picture(sample(found.generator, latent, labels.expand(NUM, -1)), COLUMNS)

    def _walk(self, conn: Connection, request: dict[str, Any]) -> Answer:
        found = self._networks.get(open_run(conn, request["run"]), request["version"])
        return _picture(walk(found, request["face"], request["to"]), STEPS)

    def _answers(self, conn: Connection, request: dict[str, Any]) -> Answer:
        """Answer for the wanted version, or for the newest kept one, and say which versions are kept."""
        kept = open_run(conn, request["run"])
        numbers = kept.numbers()
        if not numbers:
            raise _no_checkpoint(request["run"])
        number = request["version"] if request["version"] in numbers else numbers[-1]
        key = key_of(kept, number)
        if key not in self._said:
            self._said[key] = answers(self._networks.get(kept, number))
            while len(self._said) > MAX_SAID:
                self._said.popitem(last=False)
        return {"version": number, "kept": numbers, "answers": self._said[key]}, b""


def _no_checkpoint(run_id: int) -> RunError:
    return RunError(f"Run {run_id} has no checkpoint yet: one is stored every db.checkpoint_s seconds.")


def _picture(images: torch.Tensor, columns: int) -> Answer:
    buffer = io.BytesIO()
    grid(images, columns).save(buffer, "WEBP", quality=90)
    return {"size": buffer.tell()}, buffer.getvalue()


def serve(drawer: Drawer, requests: BinaryIO, out: BinaryIO) -> None:
    """Answer requests until there are no more."""
    for line in requests:
        head, picture = drawer.answer(json.loads(line))
        out.write(json.dumps(head).encode() + b"\n" + picture)
        out.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)  # the machine may be training
    serve(Drawer(Address(os.environ["GANNS_DATABASE_URL"], "the dashboard")), sys.stdin.buffer, sys.stdout.buffer)
