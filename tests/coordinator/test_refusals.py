"""Bad results: no row ends a run, and whether the worker or the model is broken is found out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

import pytest
import torch

from ganns.config import Fp16Codec, GradientStrategy, QuorumConfig, StopConfig
from ganns.coordinator import collector as collecting
from ganns.coordinator.judge import Judge
from ganns.coordinator.refusals import STRIKES
from ganns.errors import DataError, Diverged
from ganns.store import evaluations, results
from ganns.training.batchnorm import batchnorm_layers
from ganns.training.bounds import SizeLimits
from ganns.training.serialization import CHUNK_BYTES, pack
from tests.coordinator.test_collector import Panic
from tests.coordinator.test_faults import finish_run, wait_for_job
from tests.support.fakes import FakeWorker, solo_digest, tiny
from tests.support.helpers import wait_until
from tests.worker.classroom import check_ledger

# ------------------------------------------------------------------------------------------- rows that nothing can use


def raw(data: bytes) -> Callable[..., str]:
    """Return a fault: these bytes in place of G's part."""

    def submit(worker, job, config, result):
        del result.parts["g"]
        results.put_part(worker.conn, job.id, job.attempt, "g", data)
        return worker.submit(job, config, result)

    return submit


def payload(header: str) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode()


def of_result(change: Callable[..., object]) -> Callable[..., str]:
    """Return a fault: a change of the result before it is sent."""

    def submit(worker, job, config, result):
        change(result)
        return worker.submit(job, config, result)

    return submit


def broadcasting(worker, job, config, result):
    """Send 100 kB that were 1.2 GB once multiplied by their scale, were it not for a check of the shapes."""
    del result.parts["g"]
    name = "gradient.layers.0.weight"
    wide = {name: torch.zeros(1, 30000).half(), f"{name}.scale": torch.ones(10000, 1)}
    results.put_part(worker.conn, job.id, job.attempt, "g", pack(wide))
    return worker.submit(job, config, result)


def lost(worker, job, config, result):
    del result.parts["g"]
    results.put_part(worker.conn, job.id, job.attempt, "g", b"the first of two")
    worker.conn.execute("UPDATE ganns.result_parts SET num_chunks = 2 WHERE job_id = %s", (job.id,))
    return worker.submit(job, config, result)


def too_large(worker, job, config, result):
    """Store a part of 3 MB, past the function that takes no more than the model can need."""
    del result.parts["g"]
    results.put_part(worker.conn, job.id, job.attempt, "g", b"replaced")
    worker.conn.execute(
        "UPDATE ganns.result_parts SET num_chunks = 48, data = %s WHERE job_id = %s AND role = 'g'",
        (bytes(CHUNK_BYTES), job.id),
    )
    worker.conn.execute(
        "INSERT INTO ganns.result_parts SELECT job_id, attempt, role, n, num_chunks, run_id, round, data, digest"
        " FROM ganns.result_parts, generate_series(16, 32, 16) AS n WHERE job_id = %s AND role = 'g'",
        (job.id,),
    )
    return worker.submit(job, config, result)


def first_gradient(result, role="g"):
    return next(iter(result.parts[role].gradients.values()))


def first_sums(result, role="g"):
    return next(iter(result.parts[role].sums.values()))


def huge_sums(value: float) -> Callable[..., object]:
    def change(result):
        for part in result.parts.values():
            for sums in part.sums.values():
                sums[:-1] = 0
                sums[len(sums) // 2 : -1] = value

    return change


MALFORMED = {
    "no safetensors": (raw(b"what is this"), "announce a header of"),
    "nothing": (raw(b""), "not a safetensors payload"),
    "3000 levels": (raw(payload('{"a":' + "[" * 3000 + "]" * 3000 + "}")), "not a safetensors payload"),
    "a long header": (
        raw(payload(json.dumps({"__metadata__": {"a": "b" * (1 << 20)}}))[:50_000]),
        "at most 1048576 are read",
    ),
    "too large": (too_large, "MB, which this network cannot need"),
    "a lost chunk": (lost, "is not whole"),
    "a wide scale": (broadcasting, "fp16 needs torch.float16 and one torch.float32"),
    "no BatchNorm": (of_result(lambda result: result.parts["g"].sums.clear()), "do not fit the network's layers"),
    "a long name": (
        of_result(lambda result: result.parts["g"].sums.update({"x" * 10**5: torch.ones(3)})),
        "do not fit the network's layers",
    ),
    "a panic": (raw(bytes(pack({"panic": torch.ones(1)}))), "cannot be read (Panic"),
    "a wrong count": (of_result(lambda result: first_sums(result)[-1:].fill_(1e300)), "are over 1e+300 values"),
}
IMPLAUSIBLE = {
    "NaN": (of_result(lambda result: first_gradient(result)[0].fill_(math.nan)), "not finite"),
    "a loss of 1e300": (of_result(lambda result: result.metrics.update(d_loss=1e300)), "d_loss is 1e+300"),
    "a loss of infinity": (of_result(lambda result: result.metrics.update(g_loss=math.inf)), "g_loss is inf"),
    "a probability of 2": (of_result(lambda result: result.metrics.update(d_real=2.0)), "d_real is 2"),
    "a huge gradient": (of_result(lambda result: first_gradient(result).fill_(1e15)), "The gradient's norm is"),
    "huge sums": (of_result(huge_sums(1e300)), "belong to inputs of size"),
    "large sums": (of_result(huge_sums(1e12)), "belong to inputs of size"),
}


def register(worker: FakeWorker) -> None:
    """Register for the task framework too, as a real worker does."""
    statement = "INSERT INTO ganns.task_workers (worker_id, name, tasks) VALUES (%s, %s, '{gradient}')"
    worker.conn.execute(statement, (worker.id, worker.name))


def is_draining(worker: FakeWorker) -> bool:
    return worker.one("SELECT draining FROM ganns.task_workers WHERE worker_id = %s", worker.id)["draining"]


@pytest.mark.parametrize("faults", [MALFORMED, IMPLAUSIBLE], ids=["malformed", "implausible"])
def test_no_bad_row_ends_a_run(coordinate, join, conn, faults, monkeypatch):
    """Each round gets another fault; afterwards the weights are those of a run without any."""
    decode_part = collecting.decode_part

    def decode_or_panic(tensors, *others):
        if "panic" in tensors:
            raise Panic("as a library in Rust does")
        return decode_part(tensors, *others)

    monkeypatch.setattr(collecting, "decode_part", decode_or_panic)
    config = tiny(codec=Fp16Codec(), stop=StopConfig(rounds=len(faults) + 1))
    coordinator, bad, good = coordinate(config), join("bad"), join("good")
    register(bad)
    for number, (name, (fault, reason)) in enumerate(faults.items(), 1):
        wait_until(lambda number=number: good.work() and len(coordinator.reports) >= number, what="a good round")
        job = wait_for_job(bad)
        assert fault(bad, job, *bad.compute(bad.claim(job))) == "stored"
        bad.finish(job)
        said = f"refused a result for unit {job.args['unit']} of round {number}: "
        wait_until(
            lambda said=said: any(said in text for text in coordinator.said) or not coordinator.thread.is_alive(),
            what=f"the refusal of {name}",
        )
        assert coordinator.error is None, name
        [found] = [text for text in coordinator.said if said in text]
        assert reason in found, name
    finish_run(coordinator, good)
    assert coordinator.digest == solo_digest(config)
    assert all(len(text) < 600 for text in coordinator.said)
    assert sum("refused a result" in text for text in coordinator.said) == len(faults)
    assert is_draining(bad)
    assert sum("is set aside after 3 bad results" in text for text in coordinator.said) == 1
    check_ledger(conn)
    assert evaluations.went_back_at(conn, coordinator.run_id) is None


def test_a_coordinator_that_resumes_refuses_the_bad_rows_that_wait_for_it(coordinate, join, conn):
    """All five units of the open round have a bad result when the coordinator starts."""
    faults = {name: (MALFORMED | IMPLAUSIBLE)[name] for name in ("3000 levels", "a lost chunk", "a wide scale", "NaN")}
    faults["a loss of 1e300"] = IMPLAUSIBLE["a loss of 1e300"]
    config = tiny(codec=Fp16Codec(), quorum=QuorumConfig(units=len(faults)), stop=StopConfig(rounds=2))
    first, bad, good = coordinate(config), join("bad"), join("good")
    jobs = [wait_for_job(bad) for _ in faults]
    first.stop.set()
    first.join()
    for (fault, _), job in zip(faults.values(), jobs, strict=True):
        assert fault(bad, job, *bad.compute(bad.claim(job))) == "stored"
        bad.finish(job)
    assert conn.execute("SELECT count(*) FROM ganns.results").fetchone() == (len(faults),)
    assert not first.reports

    config.resume = "latest"
    second = coordinate(config)
    finish_run(second, good)
    for (_, reason), job in zip(faults.values(), jobs, strict=True):
        said = f"refused a result for unit {job.args['unit']} of round 0: "
        [found] = [text for text in second.said if said in text]
        assert reason in found
    config.resume = None
    assert second.digest == solo_digest(config)
    check_ledger(conn)


def test_an_absurd_first_result_is_refused_by_the_median(coordinate, join):
    """A run without a memory compares the first results with each other."""
    config = tiny(quorum=QuorumConfig(units=3), stop=StopConfig(rounds=2))
    coordinator, bad, good = coordinate(config), join("bad"), join("good")
    job = wait_for_job(bad)
    assert IMPLAUSIBLE["a huge gradient"][0](bad, job, *bad.compute(bad.claim(job))) == "stored"
    bad.finish(job)
    finish_run(coordinator, good)
    [text] = [text for text in coordinator.said if "refused" in text]
    assert f"unit {job.args['unit']} of round 0: The gradient's norm is" in text
    assert coordinator.digest == solo_digest(config)


# --------------------------------------------------------------------------- late: stored, but never looked at


def test_a_result_after_the_last_look_is_late_with_the_servers_seconds(coordinate, join, conn, monkeypatch):
    config = tiny(quorum=QuorumConfig(units=2, spares=1), stop=StopConfig(rounds=2))
    finish, answers = collecting.Collector.finish, []
    coordinator, quick, slow = coordinate(config), join("quick"), join("slow")
    held = wait_for_job(slow)
    settings, result = slow.compute(slow.claim(held))
    conn.execute("UPDATE ganns.units SET claimed_at = now() - interval '50 s' WHERE job_id = %s", (held.id,))

    def submit_and_finish(collector):
        if not answers:  # between the last look and the closing transaction
            answers.append(IMPLAUSIBLE["NaN"][0](slow, held, settings, result))
        finish(collector)

    monkeypatch.setattr(collecting.Collector, "finish", submit_and_finish)
    finish_run(coordinator, quick)
    assert answers == ["stored"]
    rows = conn.execute(
        "SELECT unit, accepted, seconds BETWEEN 50 AND 1000, network_s IS NULL FROM ganns.ledger "
        "WHERE round = 0 AND worker_id = %s",
        (slow.id,),
    ).fetchall()
    assert rows == [(held.args["unit"], False, True, True)]
    check_ledger(conn)


# ------------------------------------------------------------------------------------ the worker, or the model?


class Nan(FakeWorker):
    """A worker whose every result is NaN."""

    def compute(self, claim):
        config, result = super().compute(claim)
        first_gradient(result)[0] = math.nan
        return config, result


@pytest.fixture
def nans(database) -> Iterator[Callable[[str], Nan]]:
    made = []

    def make(name: str) -> Nan:
        made.append(Nan(database, name))
        register(made[-1])
        return made[-1]

    yield make
    for worker in made:
        worker.conn.close()


def refusals(coordinator) -> int:
    return sum("refused a result" in text for text in coordinator.said)


def work_until(worker: FakeWorker, predicate: Callable[[], object], what: str) -> None:
    wait_until(lambda: predicate() or (worker.work() and False), what=what)


def test_nan_from_one_worker_sets_the_worker_aside_and_not_the_run(coordinate, nans, join, conn):
    config = tiny()
    coordinator, bad = coordinate(config), nans("bad")
    work_until(bad, lambda: any("is set aside" in text for text in coordinator.said), "the worker's end")
    assert is_draining(bad)
    assert refusals(coordinator) >= STRIKES
    assert coordinator.thread.is_alive()
    # Even if it goes on: the fourth time it does not get the same unit.
    counts = conn.execute("SELECT cardinality(refused_from) FROM ganns.units").fetchall()
    assert max(counts)[0] <= 3
    finish_run(coordinator, join("good"))
    assert coordinator.digest == solo_digest(config)
    assert evaluations.went_back_at(conn, coordinator.run_id) is None


def test_two_workers_and_the_coordinators_own_result(coordinate, nans, join, conn):
    """NaN from two workers is not enough: the coordinator's own result of the unit is finite."""
    config = tiny()
    coordinator = coordinate(config)

    def refused_most():
        return max((len(set(one)) for (one,) in conn.execute("SELECT refused_from FROM ganns.units")), default=0)

    # One after the other: at the same time each could be refused three times at a unit of its own, and be set aside.
    for number, name in enumerate(("one", "two"), 1):
        work_until(nans(name), lambda number=number: refused_most() == number, f"{number} refusals of one unit")
    finish_run(coordinator, join("good"))
    assert coordinator.digest == solo_digest(config)
    assert evaluations.went_back_at(conn, coordinator.run_id) is None


@pytest.fixture
def no_images(monkeypatch):
    """Let the coordinator find no images when it wants to compute a unit."""
    asked = []

    def missing(judge):
        asked.append(judge)
        raise DataError("no images are here")

    monkeypatch.setattr(Judge, "_images", property(missing))
    return asked


def test_without_images_another_worker_is_asked(coordinate, nans, join, conn, no_images):
    config = tiny()
    coordinator, bad = coordinate(config), nans("bad")
    work_until(bad, lambda: any("Start another worker" in text for text in coordinator.said), "the question")
    assert no_images
    assert coordinator.thread.is_alive()
    assert not is_draining(bad)  # it is not known yet
    good = join("good")
    finish_run(coordinator, good)
    assert coordinator.digest == solo_digest(config)
    assert evaluations.went_back_at(conn, coordinator.run_id) is None


def test_without_images_all_that_are_there_decide(coordinate, nans, conn, no_images):
    config = tiny(stop=StopConfig(rounds=1000))
    coordinator, pair = coordinate(config), [nans("one"), nans("two")]
    work_both = lambda: [worker.work() for worker in pair]  # noqa: E731
    wait_until(lambda: work_both() and not coordinator.thread.is_alive(), what="the end")
    with pytest.raises(Diverged, match="was refused"):
        coordinator.join()
    assert no_images


def test_a_model_that_changes_suddenly_is_no_workers_fault(coordinate, join, monkeypatch):
    """Every result is above the limits, and so is the coordinator's own: the limits are raised."""
    calls = []

    def tight(role, config, network, *others):
        calls.append(network)
        return SizeLimits(1e-9, {name: 1e-9 for name in batchnorm_layers(network)})

    monkeypatch.setattr(collecting, "remembered", tight)
    config = tiny(stop=StopConfig(rounds=1), strategy=GradientStrategy(unit_images=8, micro_batch=4))
    coordinator, worker = coordinate(config), join()
    register(worker)
    finish_run(coordinator, worker)
    assert calls
    assert any("the limits are raised" in text for text in coordinator.said)
    assert not is_draining(worker)
    assert coordinator.digest == solo_digest(config)
