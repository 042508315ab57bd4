"""What reads the input of others: each target takes one random input, and raises nothing but errors of ours."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st

from ganns.config import ImageFolderData, from_dict
from ganns.config_diff import labels
from ganns.dashboard.phones.messages import read_hello, read_result
from ganns.data.decoded_cache import read_all
from ganns.data.packed.format import Index
from ganns.data.sources.decode import decode
from ganns.data.sources.source import SOURCES
from ganns.db.address import Address, resolve
from ganns.errors import GannsError
from ganns.evaluation import batches
from ganns.export import model as exported
from ganns.launch.compose import compose
from ganns.launch.search import read_space
from ganns.monitor.events import parse
from ganns.monitor.history import as_columns
from ganns.monitor.rows import _loads, clean, numbers
from ganns.monitor.settings import table
from ganns.monitor.topics import message
from ganns.queue import arguments
from ganns.queue.manager import JobManager
from ganns.training.compression import get_codec
from ganns.training.parts import check_part, decode_part, encode_part, shapes_of
from ganns.training.serialization import metadata, pack, unpack
from ganns.training.state import TrainingState
from ganns.training.unit import Part
from ganns.utils.printable import printable
from tests.fuzz import inputs
from tests.support.fakes import tiny

SEED = (0, 0, 0, "d")

_CONTROL = {chr(one) for one in (*range(32), *range(127, 160), 0x202E, 0x2066, 0x2028)}


class Target(NamedTuple):
    """A reader, its input, and how many inputs the ordinary run tries."""

    read: Callable[[Any], object]
    input: st.SearchStrategy[Any]
    num: int = 20


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@cache
def state() -> TrainingState:
    return TrainingState(tiny())


@cache
def part() -> Part:
    network = state().networks["d"]
    layers = {n: m.num_features for n, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    return Part(
        {name: torch.ones_like(value) for name, value in network.named_parameters()},
        {name: torch.full((2 * width + 1,), 9.0, dtype=torch.float64) for name, width in layers.items()},
    )


def name(text: str) -> None:
    for shown in (printable(text), printable(text, 10)):
        assert not _CONTROL & set(shown)
        shown.encode()
    json.loads(message("x", text=text, deep={text: [text]}))


def report(value: Any) -> None:
    found = clean(value)
    text = message("x", value=value)
    assert json.loads(text, parse_constant=lambda word: 1 / 0)["value"] == json.loads(json.dumps(found, default=str))
    row = {"round": 1, "images": 1, "seconds": 1.0, "bytes_up": None, "bytes_down": None}
    message("history", columns=as_columns([row | {"metrics": value, "timings": value}]))
    numbers(value)


def notification(text: str) -> None:
    event = parse(text)
    assert event is None or all(0 <= event[key] <= 2**53 for key in event.keys() - {"event"})
    message("row", value=_loads(text))


def worker_notification(text: str) -> None:
    """What a worker does with a notification; it hears each through its connector."""
    heard: list[dict[str, Any]] = []

    async def listen_notify(on_notification: Any, channels: object) -> None:
        await on_notification(channel="procrastinate_any_queue_v1", payload=text)

    async def on_notification(channel: str, notification: dict[str, Any]) -> None:
        heard.append(notification)

    manager = SimpleNamespace(connector=SimpleNamespace(listen_notify=listen_notify), wake=print, retries={})
    asyncio.run(JobManager.listen_for_jobs(manager, on_notification=on_notification))  # type: ignore[arg-type]
    assert all(isinstance(one["job_id"], int) for one in heard)


def address(text: str) -> None:
    if "\x00" in text:
        return  # no variable of the environment can have it
    with _environment(GANNS_DATABASE_URL=text.encode("utf-8", "replace").decode()):
        found = resolve()
    assert found is None or isinstance(found, Address)
    str(found)


def config(values: dict[str, Any]) -> None:
    table([values, {}])
    labels([from_dict(values)] * 2)


def payload(data: bytes) -> None:
    for read in (metadata, unpack, batches.decode):
        try:
            read(data)
        except GannsError:
            continue


def checkpoint(data: bytes) -> None:
    TrainingState.from_bytes(tiny(), data)


def result(codec: str) -> Callable[[bytes], None]:
    """Return the reader of one network's part in this codec, and hold it to the memory that the bytes need."""

    def read(data: bytes) -> None:
        network = state().networks["d"]
        found = decode_part(unpack(data), get_codec(codec), shapes_of(network), SEED)
        size = sum(value.numel() * 4 for value in found.gradients.values())
        most = max(4 * len(data), 4 * sum(value.numel() for value in network.parameters()))
        assert size <= most, f"{len(data)} bytes became {size}"
        check_part(found, network, None)

    return read


def model(files: tuple[dict[str, Any], bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / exported.CONFIG).write_text(json.dumps(files[0], default=str))
        (Path(folder) / exported.WEIGHTS).write_bytes(files[1])
        exported.load(folder)


def image(data: bytes) -> None:
    with _environment(GANNS_MAX_PIXELS="1000000"):  # a damaged header may ask for a gigabyte
        assert decode(data, "the file").mode == "RGB"


def archive(data: bytes) -> None:
    """Read every image of a zip, as a run does."""
    with tempfile.TemporaryDirectory() as folder, _environment(GANNS_MAX_PIXELS="1000000"):
        path = Path(folder) / "a.zip"
        path.write_bytes(data)
        source = SOURCES["image_folder"](ImageFolderData(path=str(path), holdout=0))
        for _ in read_all(source, 32):
            pass


def call(value: Any) -> None:
    def task(a: int, *rest: int, b: int = 1, **more: int) -> None:
        pass

    signature = inspect.signature(task)
    args, kwargs = (value if isinstance(value, list) else []), (value if isinstance(value, dict) else {"b": value})
    packed, _ = arguments.pack("a_task", signature, args, kwargs)
    arguments.to_json(packed, "The arguments")
    arguments.unpack(signature, packed)


@cache
def model_files() -> tuple[dict[str, Any], bytes]:
    with tempfile.TemporaryDirectory() as folder:
        exported.write_model(Path(folder), state(), averaged=True)
        return json.loads((Path(folder) / exported.CONFIG).read_text()), (Path(folder) / exported.WEIGHTS).read_bytes()


def _index() -> dict[str, Any]:
    numbers_of = {"image_size": 32, "num_images": 4, "num_train": 3, "shard_images": 2, "protocol": 1}
    return numbers_of | {
        "format": "x",
        "digests": "0" * 64,
        "shards": ["0" * 64] * 2,
        "source": "",
        "source_fingerprint": "",
    }


def _encoded(codec: str) -> dict[str, torch.Tensor]:
    return encode_part(part(), get_codec(codec), SEED)


def phone(values: Any) -> None:
    """What a phone's browser sends: a greeting or a result with a part of it changed."""
    for read in (read_hello, read_result):
        with suppress(GannsError):
            read(json.dumps(values, default=str))


_MESSAGES = (
    {"type": "hello", "name": "ada", "key": ""},
    {"type": "result", "unit": "1/0/0/1", "gradient": 3684 * "A" + "AA==", "lossD": 1.4, "lossG": 0.7},
)

TARGETS: dict[str, Target] = {
    "name": Target(name, inputs.texts, 100),
    "report": Target(report, inputs.values, 60),
    "notification": Target(notification, inputs.json_texts, 60),
    "worker's notification": Target(worker_notification, inputs.json_texts | inputs.hints, 60),
    "address": Target(address, inputs.urls, 60),
    "image file": Target(image, inputs.image_files, 60),
    "zip of images": Target(archive, inputs.zips(), 40),
    "override": Target(compose, st.lists(inputs.words, min_size=1, max_size=2), 3),
    "search": Target(read_space, st.lists(inputs.words, min_size=1, max_size=2), 3),
    "stored config": Target(config, inputs.configs, 20),
    "payload": Target(payload, st.deferred(lambda: inputs.damaged(bytes(pack(_encoded("fp32"))))), 40),
    "checkpoint": Target(checkpoint, st.deferred(lambda: inputs.tensors(state().tensors())), 10),
    "result in fp32": Target(result("fp32"), st.deferred(lambda: inputs.tensors(_encoded("fp32"))), 20),
    "result in fp16": Target(result("fp16"), st.deferred(lambda: inputs.tensors(_encoded("fp16"))), 20),
    **{
        f"result in {codec}": Target(
            result(codec), st.deferred(lambda codec=codec: inputs.tensors(_encoded(codec))), 10
        )
        for codec in ("int8", "int4", "rot2")
    },
    "exported model": Target(
        model,
        st.deferred(lambda: st.tuples(inputs.changed(model_files()[0]), inputs.damaged(model_files()[1]))),
        10,
    ),
    "call": Target(call, inputs.values, 60),
    "phone": Target(phone, st.one_of(*map(inputs.changed, _MESSAGES)), 40),
    "index of a pack": Target(
        lambda values: Index.from_bytes(json.dumps(values, default=str).encode(), "here"), inputs.changed(_index()), 40
    ),
}
