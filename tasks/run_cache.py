"""The cache of a worker process: a connection to the database, and each run's networks, images and weights.

It can be lost at any moment (the process is killed, the server restarts), and is then built again from the database and
the local disk; a unit's result never depends on it.
"""

from __future__ import annotations

import functools
import logging
import os
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import psycopg
import torch

from ganns.config import from_dict
from ganns.data import ImageSet, images_of
from ganns.db.address import require
from ganns.db.connect import Connection, SharedConnection, connect
from ganns.db.pieces import LinkSpeed
from ganns.errors import (
    DatabaseError,
    DatasetMismatch,
    DownloadError,
    GannsError,
    ProgramTooOld,
    RunError,
    WorkError,
)
from ganns.plugins import WORKER, check_packages
from ganns.queue.events import report
from ganns.queue.machine import describe, figures, is_older, note_figures, program_version, worker_name
from ganns.store import worker_api
from ganns.store.weight_places import WebPlaces
from ganns.store.worker_api import Claim, RunInfo
from ganns.training.audit import AuditResult, Case, audit
from ganns.training.chain import CHAIN, Tensors
from ganns.training.compression import get_codec
from ganns.training.published import decode_weights
from ganns.training.seeds import permutation, permutation_digest
from ganns.training.serialization import unpack
from ganns.training.strategies import build_computer
from ganns.utils.installation import update_command
from tasks.blame import is_of_the_worker, named, pick_device
from tasks.upload import ResultUpload
from tasks.weights_cache import WeightsCache, fetch_whole

log = logging.getLogger(__name__)

COMPILE_VARIABLE = "GANNS_COMPILE"
"""With the value 1 the networks are compiled. It is not the default, since it takes a minute or more."""
MAX_RUNS, MAX_BYTES = 8, 1 << 30
"""Maximum number of cached runs, and of their total bytes (a 64x64 DCGAN with 64 features has about 50 MB)."""
SPEED_UNITS = 8
"""The number of last units that the speed of computing is the mean of."""
FIGURES_S = 10.0
"""The time after which the database learns this machine's new figures, if there is a unit to claim."""


class CachedRun:
    """One run on this worker: its configuration, networks and images, and the loaded version."""

    def __init__(self, run_id: int, info: RunInfo, device: torch.device, images: ImageSet | None = None) -> None:
        """Build the networks and open the images, unless they are open.

        Raises:
            DatasetMismatch: if this machine has other images, or its NumPy draws other permutations, than the run.
            DataError: if there are no images.
            PluginError: if the run's loss, data set or networks are a plug-in that is missing here, or has another
                version, or cannot be used.
        """
        self.run_id = run_id
        self.config = from_dict(info.config)
        check_packages(self.config, WORKER)
        self.images = images or images_of(self.config)
        self.images.check(info.fingerprint)
        if permutation_digest(self.config.seed, info.num_images) != info.permutation_digest:
            raise DatasetMismatch(
                f"This machine orders the images of run {run_id} differently: NumPy {np.__version__} draws other "
                "permutations. Install the pinned version with `pip install -r constraints.txt`."
            )
        self.computer = build_computer(self.config, device)
        if os.environ.get(COMPILE_VARIABLE) == "1":
            self.computer.compile()
        self.computer.choose_precision()
        self.codec = get_codec(self.config.codec.up)
        self._places = WebPlaces() if self.config.store.name != "none" else None
        self._chain = WeightsCache(run_id, self._places) if self.config.codec.down == CHAIN else None
        self._loaded: str | None = None  # the digest of the weights in the networks, as the database has it
        self._version: int | None = None  # their number, if they were fetched whole
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    @property
    def size_bytes(self) -> int:
        """The run's bytes in memory: weights, gradients of the same size, a chain's. Images are mapped, not loaded."""
        tensors = [tensor for network in self.computer.networks.values() for tensor in network.state_dict().values()]
        return (3 if self._chain else 2) * int(sum(tensor.numel() * tensor.element_size() for tensor in tensors))

    def load_version(
        self, use: Callable[[], AbstractContextManager[Connection]], version: int, speed: LinkSpeed
    ) -> None:
        """Fetch and load a version's weights, unless they are loaded already.

        Args:
            use: yields a connection.
            version: its number.
            speed: takes the time of the download into account.
        """
        if self._chain is not None:
            self._chain.fetch(use, version, speed)
            if self._loaded != self._chain.digest:
                self._load(self._chain.weights, self._chain.digest)
        elif self._version != version or not self._is_still(use, version):
            self._version = None
            data, digest = fetch_whole(use, self.run_id, version, speed, self._places)
            self._load(unpack(data, digest), digest)
            self._version = version

    def _is_still(self, use: Callable[[], AbstractContextManager[Connection]], version: int) -> bool:
        """Return whether a version is still the one that is loaded: after an undo, other weights get its number."""
        with use() as conn:
            published = worker_api.list_published(conn, self.run_id, version)
        return (version, self._loaded) in [(one.version, one.digest) for one in published]

    def _load(self, found: Tensors, loaded: str | None) -> None:
        self._loaded = None  # after an error half of the weights may be new
        self.computer.load(decode_weights(found, self.config.codec.down, self.computer.weight_shapes()))
        self._loaded = loaded

    def audit(self, case: Case, should_stop: Callable[[], bool]) -> AuditResult | None:
        """Compute the unit of another worker's result again, at its own version; see `ganns.training.audit`."""
        self._loaded = None
        return audit(self.computer, self.images, self.config, case, describe(), should_stop)

    def load_images(self, unit: Claim) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the unit's images, float32 [count, 3, S, S], and for a conditional run their labels [count, A]."""
        epoch, start, count = unit.slice
        if self._order[0] != epoch:
            self._order = (epoch, permutation(self.config.seed, epoch, self.images.num_train))
        chosen = self._order[1][start : start + count]
        return self.images.train(chosen), self.images.labels(chosen)


class RunCache:
    """The connections to the database and the cached runs of this process.

    One job at a time uses it, beside at most one that only waits for its upload.
    """

    def __init__(self) -> None:
        """Begin with an empty cache, not connected."""
        self.device = pick_device()
        # Not procrastinate's connection, so that a large upload never delays a heartbeat. It closes when it is idle.
        self._shared = SharedConnection("ganns worker: blobs")
        # For a unit that is computed while the result before it is uploaded on the first one.
        self._second = SharedConnection("ganns worker: beside an upload")
        self._going_on: set[ResultUpload] = set()  # uploads beside which another unit is computed
        self.speed = LinkSpeed()
        self._computed: tuple[int, deque[tuple[int, float]]] = (0, deque())  # run; (images, seconds) of its last units
        self._runs: OrderedDict[int, CachedRun] = OrderedDict()  # by number; the one used last is at the end
        self._images: dict[int, ImageSet] = {}  # of runs that were prepared, until they are built
        self._registered: tuple[int, int] | None = None  # worker, and the number of connections opened by then
        self._registered_at, self._told = 0.0, figures()
        self._uploader = ThreadPoolExecutor(1, thread_name_prefix="upload")

    def connection(self) -> AbstractContextManager[Connection]:
        """Return a connection as a context, for a few statements: `with cache.connection() as conn`."""
        return (self._second if self._going_on else self._shared).use()

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._shared.close()
        self._second.close()

    def get(self, run_id: int) -> CachedRun:
        """Return a run from the cache, or read it from the database and build it.

        The cache holds several runs: those that share the workers take turns by rounds.
        """
        if run_id in self._runs:
            self._runs.move_to_end(run_id)
        else:
            while len(self._runs) >= MAX_RUNS:
                self._runs.popitem(last=False)  # give the memory back first
            with self.connection() as conn:
                info, required = worker_api.get_run_info(conn, run_id), worker_api.requires(conn, run_id)
            if is_older(program_version(), required):
                raise ProgramTooOld(
                    f"Run {run_id} was made by ganns {required} and this is {program_version()}: type "
                    f"`{update_command(required)}`, and start the worker again."
                )
            self._runs[run_id] = CachedRun(run_id, info, self.device, self._images.pop(run_id, None))
            while len(self._runs) > 1 and sum(one.size_bytes for one in self._runs.values()) > MAX_BYTES:
                self._runs.popitem(last=False)
        return self._runs[run_id]

    def prepare(self, run_id: int, say: Callable[[str], None]) -> None:
        """Draw, fetch and decode a run's images, and open them; on another thread than the units."""
        say("preparing images")
        with connect(require(), application="ganns worker: preparing") as conn:
            config = from_dict(worker_api.get_run_info(conn, run_id).config)

        def on_progress(done: int, num: int) -> None:
            say(f"preparing images: {done:,} of {num:,}")

        self._images[run_id] = images_of(config, on_progress)

    def claim(self, job_id: int, attempt: int, worker_id: int | None) -> Claim | None:
        """Register the worker, if needed, and claim a job's unit; None if it is no longer wanted."""
        with self.connection() as conn:
            if worker_id is not None and self._is_news(worker_id):
                self._told = figures()
                worker_api.register(conn, worker_id, worker_name(), describe())
                self._registered, self._registered_at = (worker_id, self._shared.num_opened), time.monotonic()
            return worker_api.claim(conn, job_id, attempt, worker_id)

    def _is_news(self, worker_id: int) -> bool:
        """Return True once a connection, and when there are other figures than those that the database knows."""
        is_due = time.monotonic() - self._registered_at > FIGURES_S
        return (worker_id, self._shared.num_opened) != self._registered or (is_due and figures() != self._told)

    def note_computed(self, run_id: int, num_images: int, seconds: float) -> None:
        """Take a computed unit into account for this machine's figures, as its `describe` shows them."""
        run, last = self._computed
        if run != run_id:  # another model may be another speed
            run, last = self._computed = run_id, deque(maxlen=SPEED_UNITS)
        last.append((num_images, seconds))
        total_s = sum(each for _, each in last)
        note_figures(images_per_s=sum(num for num, _ in last) / max(total_s, 1e-6), **self.speed.mbit())

    def get_or_refuse(self, run_id: int, job_id: int, worker_id: int | None) -> CachedRun:
        """Like `get`. A worker that cannot compute the run gets no more of its units until it is started again.

        Raises:
            WorkError: the reason: other images than the run's, an old program, a plug-in that is missing.
        """
        try:
            return self.get(run_id)
        except (DatabaseError, DownloadError, RunError):
            raise  # it passes, or the run was deleted
        except GannsError as error:
            with self.connection() as conn:
                worker_api.refuse_run(conn, job_id, worker_id, run_id, _storable(str(error)))
            report({"event": "status", "text": f"takes no units of run {run_id} until it is started again: {error}"})
            raise error if isinstance(error, WorkError) else WorkError(str(error)) from error

    def blame(self, job_id: int, attempt: int, worker_id: int | None, error: Exception) -> Exception:
        """Record an error that may be the unit's; return the error with the name of its cause."""
        found = named(error, self.device)
        if not is_of_the_worker(found):
            reason = "".join(traceback.format_exception(error))
            try:
                with self.connection() as conn:
                    worker_api.fail_unit(conn, job_id, attempt, worker_id, _storable(reason))
            except (psycopg.Error, DatabaseError) as lost:
                return lost
        return found

    def upload(self, run: CachedRun, job: tuple[int, int, int | None], seed: tuple[int | str, ...]) -> ResultUpload:
        """Return the upload of a unit's result, which has no parts yet.

        `job` is (job, attempt, worker); `seed` is (run seed, round, unit), for what the codec draws at random.
        """
        return ResultUpload(self._uploader, self._shared.use, self.speed, run.codec, job, seed)

    def finish(
        self,
        upload: ResultUpload,
        metrics: dict[str, float],
        timings: dict[str, float],
        on_only_waits: Callable[[], None],
    ) -> float:
        """See `ResultUpload.finish`; what is computed beside the upload uses the other connection."""

        def go_on() -> None:
            self._going_on.add(upload)
            on_only_waits()

        try:
            return upload.finish(metrics, timings, go_on)
        finally:
            self._going_on.discard(upload)


def _storable(text: str) -> str:
    """Return text that PostgreSQL can store: a path in a message may have bytes that are not UTF-8."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")


@functools.cache
def get_run_cache() -> RunCache:
    """Return the cache of this process."""
    return RunCache()


def prepare_images(run_id: int, say: Callable[[str], None]) -> None:
    """Prepare a run's images before this worker takes a unit of it.

    Raises:
        Exception: that may pass (no connection, a full disk): the worker tries again. About others, such as missing
            images, the task says more.
    """
    try:
        get_run_cache().prepare(run_id, say)
    except (DatabaseError, DownloadError, psycopg.Error, MemoryError, BrokenExecutor):
        raise
    except OSError as error:
        if error.errno is not None:
            raise
    except Exception as error:
        log.info("run %s is not prepared: %s", run_id, error)
