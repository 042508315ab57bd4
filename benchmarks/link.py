"""Workers on home connections: what a slow link costs, compared with the same workers on a fast one, and with DDP.

    python -m benchmarks.link
    python -m benchmarks.link --up-mbit 1 --down-mbit 10 --unit-images 8192

A server, a coordinator and `ganns worker`s train DCGAN at 64x64 with local steps. First their links are as fast as this
machine. Then each worker has a link of its own: a rate for each direction, by the kernel's token buckets between
network namespaces, and a round trip, by a relay that delays. The same number of processes then does DDP's updates over
gloo on the same links, without the delay. Namespaces need Linux and root. Without them the relay limits the rates, too,
and DDP is not measured. The last line is one JSON object; `shaped_by` in it says how the links were made.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from benchmarks.classroom import ROOT, Worker
from benchmarks.cluster import temporary_home
from benchmarks.ddp import Place, run_ddp
from benchmarks.namespaces import Machine, enter_own, why_not
from benchmarks.relay import Relay, relayed
from benchmarks.variants import NUM_JUDGED, distance
from ganns.config import (
    OPTIONS,
    Config,
    EvaluateConfig,
    LocalStepsStrategy,
    ModelConfig,
    QuorumConfig,
    StopConfig,
    SyntheticData,
)
from ganns.coordinator import Quiet, RoundReport, train_run
from ganns.data import open_images
from ganns.db.address import Address
from ganns.db.connect import connect
from ganns.db.migrate import migrate
from ganns.db.server.embedded import EmbeddedServer
from ganns.db.server.ports import steady_port
from ganns.training.state import TrainingState

WARMUP = 1
"""Rounds, and DDP's updates, that are not measured."""
DDP_IMAGES = 64
MBIT = 125_000.0
"""Bytes a second of 1 Mbit/s."""


@dataclass(frozen=True)
class Link:
    """A worker's link."""

    up_mbit: float
    down_mbit: float
    rtt_ms: float


def plain(server: EmbeddedServer, host: str) -> str:
    """Return the server's address without encryption, which costs time of its own (`benchmarks.tls`)."""
    return make_conninfo(server.tcp_address(host).conninfo, sslmode="disable")


class Relays:
    """Links of relays alone. Each worker's connections share one."""

    shaped_by = "relay"
    host = "127.0.0.1"

    def __init__(self, num: int, server: EmbeddedServer) -> None:
        """Without a limit."""
        self._relays, self._stack = list[Relay](), ExitStack()
        self._address = Address(plain(server, self.host), "the benchmark")
        self.ways = [(self._address.conninfo, list[str]()) for _ in range(num)]
        self.places: list[Place] = []

    def shape(self, link: Link) -> None:
        """Make the links slow for the workers that start from now on."""
        settings = {"rate": MBIT * link.up_mbit, "rate_down": MBIT * link.down_mbit, "delay_s": link.rtt_ms / 2000}
        for number in range(len(self.ways)):
            address, relay = self._stack.enter_context(relayed(self._address, **settings))
            self.ways[number] = address.conninfo, []
            self._relays.append(relay)

    def moved(self) -> tuple[int, int]:
        """Return the bytes that went up and down on all links so far."""
        return sum(one.num_up for one in self._relays), sum(one.num_down for one in self._relays)

    def close(self) -> None:
        """End them."""
        self._stack.close()


class Namespaces:
    """Links between network namespaces: one machine for each worker."""

    shaped_by = "tbf between network namespaces, delay by a relay"
    host = "0.0.0.0"

    def __init__(self, num: int, server: EmbeddedServer) -> None:
        """Without a limit."""
        self._server, self._relays = server, list[subprocess.Popen[str]]()
        self._machines = [Machine(number) for number in range(num)]
        self.ways = [(plain(server, one.host), one.inside([])) for one in self._machines]
        self.places = [Place(one.namespace, one.device, one.host) for one in self._machines]

    def shape(self, link: Link) -> None:
        """Make the links slow for the workers that start from now on."""
        for number, machine in enumerate(self._machines):
            machine.limit(link.up_mbit, link.down_mbit)
            settings = {"target": [machine.host, self._server.tcp_port], "delay_s": link.rtt_ms / 2000}
            command = [sys.executable, "-m", "benchmarks.relay", json.dumps(settings)]
            relay = subprocess.Popen(machine.inside(command), cwd=ROOT, stdout=subprocess.PIPE, text=True)
            self._relays.append(relay)
            assert relay.stdout is not None
            port = int(relay.stdout.readline())
            conninfo = make_conninfo(plain(self._server, "127.0.0.1"), port=port)
            self.ways[number] = conninfo, machine.inside([])

    def moved(self) -> tuple[int, int]:
        """Return the bytes that went up and down on all links so far."""
        moved = [one.moved() for one in self._machines]
        return sum(up for up, _ in moved), sum(down for _, down in moved)

    def close(self) -> None:
        """End them."""
        for relay in self._relays:
            relay.kill()
            relay.communicate()
        for machine in self._machines:
            machine.close()


class Watch(Quiet):
    """An observer that notes time, images and bytes at the end of each round, and keeps the state."""

    def __init__(self, network: Relays | Namespaces) -> None:
        """Begin without rounds."""
        self._network = network
        self.marks: list[tuple[float, int, int, int]] = []
        self.state: TrainingState | None = None

    def round_closed(self, report: RoundReport, state: TrainingState) -> None:
        """Note the end of a round."""
        self.marks.append((time.perf_counter(), report.images, *self._network.moved()))
        self.state = state
        print(f"round {len(self.marks)}: {report.images:,} images", flush=True)

    def rates(self) -> tuple[float, float, float]:
        """Return images/s, and the bytes up and down of an image, without the first round."""
        first, last = self.marks[WARMUP - 1], self.marks[-1]
        seconds, images, up, down = (after - before for before, after in zip(first, last, strict=True))
        return images / seconds, up / images, down / images


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--up-mbit", type=float, default=10.0)
    parser.add_argument("--down-mbit", type=float, default=50.0)
    parser.add_argument("--rtt-ms", type=float, default=40.0, help="the round trip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--units", type=int, default=2, help="units of each worker in a round")
    parser.add_argument("--unit-images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds, with and without slow links")
    parser.add_argument("--codec", default="home", choices=sorted(OPTIONS["codec"]))
    parser.add_argument("--ddp-updates", type=int, default=3, help="measured updates of DDP; 0: none")
    parser.add_argument("--relay", action="store_true", help="no namespaces, also where they can be had")
    parser.add_argument("--quick", action="store_true", help="a model of 100 kB and a few images")
    arguments = parser.parse_args()
    reason = "--relay" if arguments.relay else why_not()
    if reason is None:
        enter_own("benchmarks.link")
    else:
        print(f"A relay limits the rates, and DDP is not measured: {reason}", flush=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    link = Link(arguments.up_mbit, arguments.down_mbit, arguments.rtt_ms)
    config = settings(arguments)
    kind = Namespaces if reason is None else Relays
    with (
        temporary_home() as folder,
        served(folder, kind.host) as server,
        network(kind, arguments.workers, server) as net,
    ):
        figures = measure(config, net, server, folder, link, arguments.ddp_updates)
    print(json.dumps(figures))


def settings(arguments: argparse.Namespace) -> Config:
    """Return the run's configuration."""
    quick = arguments.quick
    model = ModelConfig(image_size=32, latent_dim=16, features_g=6, features_d=6) if quick else ModelConfig()
    unit_images = min(arguments.unit_images, 64) if quick else arguments.unit_images
    return Config(
        name="unshaped",
        model=model,
        data=SyntheticData(count=512 if quick else 8192, holdout=NUM_JUDGED),
        strategy=LocalStepsStrategy(unit_images=unit_images, micro_batch=4 if quick else 64),
        codec=OPTIONS["codec"][arguments.codec](),
        quorum=QuorumConfig(units=arguments.units * arguments.workers),
        evaluate=EvaluateConfig(every=0),
        stop=StopConfig(rounds=arguments.rounds + WARMUP),
        sample_every=0,
    )


@contextmanager
def served(folder: Path, host: str) -> Iterator[EmbeddedServer]:
    """Yield a server that listens on TCP."""
    with EmbeddedServer(folder / "pg", host=host, port=steady_port("link")) as server:
        with connect(server.address) as conn:
            migrate(conn)
        yield server


@contextmanager
def network(kind: type[Relays | Namespaces], num: int, server: EmbeddedServer) -> Iterator[Relays | Namespaces]:
    """Yield the links of `num` workers."""
    net = kind(num, server)
    try:
        yield net
    finally:
        net.close()


def train(config: Config, net: Relays | Namespaces, server: EmbeddedServer, folder: Path) -> Watch:
    """Train with a worker on each link; return what was seen."""
    folder.mkdir()
    watch, running = Watch(net), []
    try:
        for number, (conninfo, prefix) in enumerate(net.ways):

            def start(command: list[str], prefix: list[str] = prefix, **options: Any) -> subprocess.Popen[bytes]:
                return subprocess.Popen([*prefix, *command], **options)

            running.append(Worker(f"w{number}", conninfo, folder, start))
        train_run(config, server.address, watch)
    finally:
        for worker in running:
            worker.end()
    return watch


def measure(
    config: Config, net: Relays | Namespaces, server: EmbeddedServer, folder: Path, link: Link, ddp_updates: int
) -> dict[str, Any]:
    """Return the figures."""
    load = os.getloadavg()[0]
    fast, _, _ = train(config, net, server, folder / "unshaped").rates()
    net.shape(link)
    config.name = "shaped"
    watch = train(config, net, server, folder / "shaped")
    slow, up, down = watch.rates()
    assert watch.state is not None
    swd = distance(config, watch.state.generator(averaged=True), open_images(config.data, config.model.image_size))
    ddp = None
    if net.places and ddp_updates:
        num = len(net.places)
        seconds = run_ddp(
            world=num,
            images_per_rank=DDP_IMAGES,
            updates=ddp_updates,
            warmup=WARMUP,
            model=config.model,
            places=net.places,
        )
        ddp = round(num * DDP_IMAGES / statistics.median(seconds), 2)
    return {
        "images_per_s_shaped": round(slow, 2),
        "images_per_s_unshaped": round(fast, 2),
        "efficiency": round(slow / fast, 3),
        "uplink_bytes_per_image": round(up, 1),
        "downlink_bytes_per_image": round(down, 1),
        "ddp_images_per_s_shaped": ddp,
        "swd": round(swd, 1),
        "shaped_by": net.shaped_by,
        "up_mbit": link.up_mbit,
        "down_mbit": link.down_mbit,
        "rtt_ms": link.rtt_ms,
        "workers": len(net.ways),
        "units": config.quorum.units,
        "unit_images": config.strategy.unit_images,
        "codec": config.codec.name,
        "load": round(load, 1),
    }


if __name__ == "__main__":
    main()
