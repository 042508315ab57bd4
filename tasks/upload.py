"""The upload of a unit's result: part after part, then the submission, all on the process's one upload thread.

The first part goes while the second is computed. And while the rest goes, `ganns worker` computes the next unit: the
processor does not wait for the link. That unit is another one, at the version that its own round names. It is taken
when the rest of this upload lasts no longer than a unit's computation, and not before: else a slow link would hold
units that others could compute. So a process holds two units at most, of which one is computed and one is sent, and
results leave in the order in which they were computed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager

from ganns.db.connect import Connection
from ganns.db.pieces import LinkSpeed, resumed
from ganns.errors import BadResult
from ganns.store import results
from ganns.training.compression import Codec
from ganns.training.parts import encode_part
from ganns.training.serialization import pack
from ganns.training.unit import Part

SHORT_S = 0.25
"""Beside a shorter upload nothing is computed: it would gain less than the class may lose by it."""
LOOK_S = 0.1


class ResultUpload:
    """One unit's result on its way to the server."""

    def __init__(
        self,
        thread: ThreadPoolExecutor,
        use: Callable[[], AbstractContextManager[Connection]],
        speed: LinkSpeed,
        codec: Codec,
        job: tuple[int, int, int | None],
        seed: tuple[int | str, ...],
    ) -> None:
        """Send nothing yet.

        Args:
            thread: one thread, which sends what it is given in order.
            use: yields a connection that only this thread uses for long.
            speed: of the link; the uploads are measured.
            codec: the run's.
            job: (job, attempt, worker).
            seed: (run seed, round, unit), for what the codec draws at random.
        """
        self._thread, self._use, self._speed, self._codec, self._job, self._seed = thread, use, speed, codec, job, seed
        self._parts: list[Future[None]] = []
        self._sent: list[results.PartUpload] = []
        self._numbers = self._encoded = 0  # of all parts, and of those whose size in bytes is known
        self._begun_at = 0.0
        self._is_given_up = False

    def add(self, role: str, part: Part) -> None:
        """Encode and upload a part, after all that the thread has to do before."""
        self._numbers += _num_numbers(part)
        self._parts.append(self._thread.submit(self._put, role, part))

    def _put(self, role: str, part: Part) -> None:
        if self._is_given_up:
            return
        job_id, attempt, _ = self._job
        self._begun_at = self._begun_at or time.monotonic()
        data = pack(encode_part(part, self._codec, (*self._seed, role)))
        upload = results.PartUpload(job_id, attempt, role, data, self._speed.up)
        self._sent.append(upload)
        self._encoded += _num_numbers(part)
        seconds = resumed(self._use, upload)
        self._speed.moved("up", upload.done, seconds)

    def give_up(self) -> None:
        """Send no more of it, since the unit has no result: the thread is free for the next one."""
        self._is_given_up = True
        for one in self._sent:
            one.is_given_up = True

    def finish(self, metrics: dict[str, float], timings: dict[str, float], on_only_waits: Callable[[], None]) -> float:
        """Submit the result as soon as its parts are there, and wait for that.

        A late, duplicate or stale result is no error: the server has recorded it as such.

        Args:
            metrics: the unit's.
            timings: its seconds of "fetch", "load" and "compute"; those of "upload" are added.
            on_only_waits: is called once, if the rest takes a while: from then on another unit can be computed.

        Returns:
            The seconds until `on_only_waits`, in which this process could compute nothing.

        Raises:
            BadResult: if a part was lost with a crash of the server; the unit must be computed again.
            psycopg.Error, DatabaseError: if a part could not be uploaded.
        """
        computed_at = time.monotonic()
        submitted = self._thread.submit(self._submit, metrics, timings, computed_at)
        wait([submitted], SHORT_S)
        while not submitted.done():
            if self.seconds_left() <= timings["compute"]:
                waited_s = time.monotonic() - computed_at
                on_only_waits()
                submitted.result()
                return waited_s
            wait([submitted], LOOK_S)
        submitted.result()
        return time.monotonic() - computed_at

    def seconds_left(self) -> float:
        """Return about how long the rest of the upload takes; infinity before anything is known of it."""
        done = sum(one.done for one in self._sent)
        known = self._speed.mbit().get("up_mbit")
        rate = 125_000 * known if known else done / max(time.monotonic() - self._begun_at, 1e-6)
        if not self._encoded or not rate:
            return math.inf
        size = sum(one.num_bytes for one in self._sent) * self._numbers / self._encoded
        return (size - done) / rate

    def _submit(self, metrics: dict[str, float], timings: dict[str, float], computed_at: float) -> None:
        for part in self._parts:
            part.result()  # they are done; what failed there is the failure of this unit
        timings["upload"] = time.monotonic() - computed_at
        with self._use() as conn:
            answer = results.submit(conn, *self._job, metrics, timings)
        if answer == "incomplete":
            raise BadResult("The server lost a part of this result, probably in a restart; computing it again.")


def _num_numbers(part: Part) -> int:
    return sum(gradient.numel() for gradient in part.gradients.values())
