"""Rows of the tables that workers write: what does not fit cannot be stored, and what is stored is read."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ganns.config import HomeCodec, ModelConfig, SyntheticData
from ganns.coordinator import collector as collecting
from ganns.coordinator.collector import NUM_DECODED, Collector, _as_bad_result
from ganns.data import images_of
from ganns.errors import BadResult, PayloadError
from ganns.store import results
from ganns.store.results import Submission
from ganns.store.rounds import Unit
from ganns.training.compression import get_codec
from ganns.training.parts import decode_part, encode_part, shapes_of
from ganns.training.plan import Slice
from ganns.training.serialization import pack, unpack
from ganns.training.state import TrainingState
from ganns.training.strategies import build_computer
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.support.fakes import tiny

SUBMIT = "SELECT ganns_api.submit({job}, {attempt}, {worker}, {report})"
GOOD = ["1", "2.5", "0.5", "0.5", "0", "0", "1", "0"]


def test_a_report_is_eight_numbers(coordinate, join, conn):
    """A list, an object of any depth, and numbers that no float64 can be are refused where they come in."""
    coordinator, worker = coordinate(tiny()), join()
    job = wait_for_job(worker)
    config, result = worker.compute(worker.claim(job))
    names = {"job": job.id, "attempt": job.attempt, "worker": worker.id}
    for role in ("d", "g"):
        results.put_part(conn, job.id, job.attempt, role, b"replaced below")
    for wrong in (
        "'[1, 2]'::jsonb",
        "repeat('[', 3000)::jsonb",
        "'1e5000'::float8",
        f"'{'9' * 400}'::float8",
        "'boom'::float8",
        "NULL",
    ):
        report = ", ".join([*GOOD[:3], wrong, *GOOD[4:]])
        with pytest.raises(psycopg.Error):
            conn.execute(SUBMIT.format(**names, report=report))
    # Seconds are at most those since the claim, whatever is sent.
    conn.execute("UPDATE ganns.units SET claimed_at = now() - interval '100 s' WHERE job_id = %s", (job.id,))
    for seconds in ("1e300", "NaN", "Infinity", "-1e308"):
        with conn.transaction(force_rollback=True):
            report = ", ".join([*GOOD[:4], *([f"'{seconds}'::float8"] * 4)])
            assert conn.execute(SUBMIT.format(**names, report=report)).fetchone() == ("stored",)
            row = conn.execute("SELECT fetch_s, load_s, compute_s, upload_s FROM ganns.results").fetchone()
            assert all(value == 0 if seconds.startswith("-") else 100 <= value < 1e4 for value in row)
    assert worker.submit(job, config, result) == "stored"
    for column in ("fetch_s", "load_s", "compute_s", "upload_s"):  # a worker has the owner's login, and may write rows
        for value in ("'NaN'", "1e300", "'Infinity'", "-1", "NULL"):
            with pytest.raises(psycopg.IntegrityError):
                conn.execute(f"UPDATE ganns.results SET {column} = {value}::float8")
    worker.finish(job)
    finish_run(coordinator, worker)
    assert not [text for text in coordinator.said if "refused" in text]  # the parts that were replaced are not


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that an operation of PyTorch returns within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, tuple | list) else [found]:
            if isinstance(one, torch.Tensor):
                self.size = max(self.size, one.numel() * one.element_size())
        return found


def test_a_scale_that_broadcasts_takes_no_more_memory_than_the_payload():
    """80 kB that would be 400 MB: refused by their shapes, before anything is multiplied."""
    network = TrainingState(tiny()).networks["g"]
    name = f"gradient.{next(iter(dict(network.named_parameters())))}"
    data = pack({name: torch.zeros(1, 10_000).half(), f"{name}.scale": torch.ones(10_000, 1)})
    with Largest() as control:
        torch.ones(1, 100) * torch.ones(100, 1)
    assert control.size == 40_000  # it notices what broadcasts
    tracemalloc.start()
    try:
        with Largest() as largest, pytest.raises(PayloadError, match="fp16 needs"):
            decode_part(unpack(data), get_codec("fp16"), shapes_of(network), (0, 0, 0, "g"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert largest.size <= len(data)
    assert peak < 1 << 20


NUM_UNITS = 30


def dense_bytes() -> int:
    """Return the bytes of all tensors in this process, each storage once."""
    gc.collect()
    # Not those that an export to ONNX leaves, which have no memory
    tensors = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}.values())


def test_parts_that_wait_for_their_turn_stay_encoded(monkeypatch):
    """Thirty results, and the first in turn comes last. The sum is the same as if it had come first."""
    model = ModelConfig(image_size=32, latent_dim=8, features_g=16, features_d=16)
    config = tiny(model=model, data=SyntheticData(count=8, holdout=0), codec=HomeCodec())
    state = TrainingState(config)
    result = build_computer(config).compute(images_of(config).train(np.arange(8)), (0, 0, 0))
    codec = get_codec("rot2")
    # Encoded for unit 0; decoded with other units' rotations it is noise of the same size, and just as good here.
    encoded = {role: bytes(pack(encode_part(part, codec, (0, 0, 0, role)))) for role, part in result.parts.items()}
    dense = 4 * sum(value.numel() for part in result.parts.values() for value in part.gradients.values())
    arrived: list[int] = []
    monkeypatch.setattr(collecting, "list_parts", lambda *args: [])
    monkeypatch.setattr(
        collecting,
        "list_results",
        lambda *args: [Submission(unit, unit, 0, 1, result.metrics, {}) for unit in sorted(arrived)],
    )
    # A new object each time, as from the database
    monkeypatch.setattr(collecting, "get_part", lambda conn, key, most: (bytes(bytearray(encoded[key[2]])), None))
    units = [Unit(unit, Slice(0, 0, 8), unit, 0, [], False) for unit in range(NUM_UNITS)]

    def total(order: list[int]) -> tuple[list[torch.Tensor], int]:
        """Return the sums of the results that came in this order, and the most bytes of tensors on the way."""
        collector, most, before = Collector(1, state, units), 0, dense_bytes()
        with ThreadPoolExecutor(2) as pool:
            connections = SimpleNamespace(main=None, blobs=[None], pool=pool)
            arrived.clear()
            for unit in order:
                arrived.append(unit)
                assert collector.receive(connections) == []
                if len(arrived) == NUM_UNITS - 1:
                    most = dense_bytes() - before
        assert collector._next == NUM_UNITS
        assert not collector._parts
        return [value for one in collector.totals.values() for value in one.combine().values()], most

    expected, _ = total(list(range(NUM_UNITS)))
    found, most = total([*range(1, NUM_UNITS), 0])
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    # The parts near their turn, the sums and the last one's; not all thirty. The encoded ones are bytes, not tensors.
    assert most < (NUM_DECODED + 3) * dense < NUM_UNITS * dense / 4
    assert NUM_UNITS * sum(map(len, encoded.values())) < NUM_UNITS * dense / 3


class Panic(BaseException):
    """As of a library in Rust: it is no Exception."""


def test_any_error_is_a_reason_with_a_length():
    reason = BadResult("x")
    assert _as_bad_result(reason) is reason
    assert str(_as_bad_result(PayloadError("torn"))) == "torn"
    for error in (RecursionError("deep"), MemoryError(), Panic("a" * 10**6)):
        found = _as_bad_result(error)
        assert type(error).__name__ in str(found)
        assert len(str(found)) < 300
