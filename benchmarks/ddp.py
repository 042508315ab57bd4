"""For comparison: PyTorch's DistributedDataParallel over gloo, with the same update on the same machine.

    python -m benchmarks.ddp --updates 20

DDP is the usual choice for a machine room: each process has a copy of everything and a connection to every other one,
and they sum gradients while the backward pass still runs. No process may leave, join or be late; but there is no
coordinator. The comparison shows the cost of our way through a database.

The work is that of `ganns.training.gradient` and `ganns.training.state`, so that only the communication differs:
the networks, channels_last, the *simultaneous* update (both gradients at the same version, one shared forward pass of
the fake images through D), Adam with the same implementation, the averaged generator, images converted from an
array of bytes in memory. DDP does less in two points: BatchNorm's statistics stay local instead of being pooled, and
nothing is saved, so it could not resume.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed import TCPStore
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import interpolate
from torch.nn.parallel import DistributedDataParallel

from benchmarks.namespaces import enter
from ganns.config import ModelConfig, OptimizerConfig
from ganns.training.networks import build, parameters_of
from ganns.training.seeds import generator as seeded
from ganns.training.seeds import permutation

LOOPBACK = "127.0.0.1"
TIMEOUT = timedelta(seconds=120)  # for a process that does not start, or died
NUM_IMAGES = 2048


@dataclass(frozen=True)
class Place:
    """A process's network: a namespace, the device that gloo uses there, and the parent's address as seen from it."""

    namespace: str = ""
    device: str = ""
    host: str = LOOPBACK


def run_ddp(
    *,
    world: int = 2,
    threads: int = 1,
    images_per_rank: int = 64,
    updates: int = 20,
    warmup: int = 3,
    seed: int = 0,
    model: ModelConfig | None = None,
    places: Sequence[Place] = (),
) -> list[float]:
    """Train in `world` processes and return the duration of each update in seconds, without the warm-up.

    Args:
        world: number of processes, with one computer each.
        threads: number of threads of each process.
        images_per_rank: number of images of each process in an update.
        updates: number of measured updates (at least 1).
        warmup: number of updates before the measurement.
        seed: of weights, images and noise.
        model: DCGAN for 64x64 images if None.
        places: of each process; all on this machine's loopback interface if empty.

    Returns:
        `updates` durations in seconds, by rank 0's clock. All ranks wait for one another at each update.
    """
    # The parent holds the rendezvous with port 0: the system then chooses a free port. A port that we had looked
    # up before might be taken by now.
    store = TCPStore(LOOPBACK, 0, is_master=True, wait_for_workers=False)
    where = tuple(places) or (Place(),) * world
    job = (world, store.port, threads, images_per_rank, updates + warmup, seed, model or ModelConfig(), where)
    spawn(_rank_main, args=job, nprocs=world)  # if one of them fails, ends the others and raises
    seconds: list[float] = json.loads(store.get("seconds"))
    return seconds[warmup:]


def _rank_main(
    rank: int,
    world: int,
    port: int,
    threads: int,
    images: int,
    updates: int,
    seed: int,
    model: ModelConfig,
    places: Sequence[Place],
) -> None:
    """Run one of the processes."""
    torch.set_num_threads(threads)
    place = places[rank]
    if place.namespace:
        enter(place.namespace)
    if place.device:
        os.environ["GLOO_SOCKET_IFNAME"] = place.device
    elif sys.platform in ("linux", "darwin"):  # otherwise gloo resolves the machine's name
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    store = TCPStore(place.host, port, is_master=False, timeout=TIMEOUT)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=TIMEOUT)
    computer = DdpReplica(model, OptimizerConfig(), seed)
    batches = _batches(rank, world, images, model, seed)
    seconds = []
    for number in range(updates):
        started = time.perf_counter()
        computer.update(*next(batches))
        if rank == 0:
            computer.average(number + 1)
        seconds.append(time.perf_counter() - started)
    if rank == 0:
        store.set("seconds", json.dumps(seconds))
    dist.barrier()
    dist.destroy_process_group()


class DdpReplica:
    """Both networks, each in its own DDP wrapper, and everything that an update needs."""

    def __init__(self, model: ModelConfig, optimizer: OptimizerConfig, seed: int) -> None:
        """Build within an initialised process group."""
        self._settings = optimizer
        self._gen, self._disc = build(model, seed)
        self.ema = {name: value.clone() for name, value in parameters_of(self._gen).items()}
        self.gen, self.disc = _wrapped(self._gen), _wrapped(self._disc)
        self._adams = [
            torch.optim.Adam(
                network.parameters(),
                lr=lr,
                betas=(optimizer.beta1, optimizer.beta2),
                eps=optimizer.eps,
                fused=True,
            )
            for network, lr in ((self._gen, optimizer.lr_g), (self._disc, optimizer.lr_d))
        ]

    def update(self, real: torch.Tensor, latent: torch.Tensor) -> dict[str, float]:
        """Do one simultaneous update on real [N, 3, S, S] and latent [N, Z]; return this rank's losses.

        DDP starts the sum of a bucket when its gradients have been *accumulated into `.grad`*: with
        `torch.autograd.grad`, which we use elsewhere, its hooks would never run. `backward(inputs=...)`
        accumulates only into these parameters: D's loss does not reach G, and G's loss flows through D without
        adding to D's gradients. D is called twice, but its backward pass runs once, over both losses: so each
        parameter is complete once, as the hooks expect.

        One part cannot overlap: each backward pass waits for its own last bucket, so D's last sum does not run
        during G's backward pass.
        """
        fake = self.gen(latent)
        real_logits, fake_logits = self.disc(real), self.disc(fake)
        d_loss = bce(real_logits, torch.ones_like(real_logits)) + bce(fake_logits, torch.zeros_like(fake_logits))
        d_loss.backward(inputs=list(self._disc.parameters()), retain_graph=True)
        g_loss = bce(fake_logits, torch.ones_like(fake_logits))
        g_loss.backward(inputs=list(self._gen.parameters()))
        for adam in self._adams:
            adam.step()
            adam.zero_grad(set_to_none=True)
        return {
            "d_loss": d_loss.item(),
            "g_loss": g_loss.item(),
            "d_real": real_logits.detach().sigmoid().mean().item(),
            "d_fake": fake_logits.detach().sigmoid().mean().item(),
        }

    @torch.no_grad()
    def average(self, version: int) -> None:
        """Update the averaged generator like `TrainingState`; only on rank 0, where samples would be drawn."""
        decay = min(self._settings.ema_decay, (1 + version) / (10 + version))
        torch._foreach_lerp_(list(self.ema.values()), list(parameters_of(self._gen).values()), 1 - decay)


def _wrapped(network: nn.Module) -> DistributedDataParallel:
    network.to(memory_format=torch.channels_last)
    # Buckets of 4 MB instead of 25: networks of 11 and 14 MB would be one or two buckets, and little could overlap
    # (measured: 0.76 instead of 0.78 s an update; 1 MB is not faster).
    wrapped = DistributedDataParallel(network, bucket_cap_mb=4, gradient_as_bucket_view=True)
    # Otherwise each forward pass sends rank 0's BatchNorm buffers to all ranks. The comparison does not need this,
    # and it would overwrite data of D's first forward pass that the backward pass needs. (An attribute, because
    # the constructor's argument has another name in newer versions of PyTorch.)
    wrapped.broadcast_buffers = False
    return wrapped


def _batches(
    rank: int, world: int, count: int, model: ModelConfig, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield this rank's (real, latent), epoch after epoch, without an end."""
    rng = seeded(seed, "ddp", "noise", rank)
    images = _images(max(NUM_IMAGES, world * count), model.image_size, seed)
    epoch = 0
    while True:
        order = torch.from_numpy(permutation(seed, epoch, len(images)))
        for start in range(0, len(order) - world * count + 1, world * count):
            chosen = images[order[start + rank * count :][:count]]
            real = chosen.float().div_(127.5).sub_(1).permute(0, 3, 1, 2)  # [N, S, S, 3] is channels_last already
            yield real, torch.randn(count, model.latent_dim, generator=rng)
        epoch += 1


def _images(num: int, side: int, seed: int) -> torch.Tensor:
    """Return uint8 [num, side, side, 3]: coloured clouds, on which the losses look like a GAN's."""
    small = torch.randn(num, 3, 8, 8, generator=seeded(seed, "ddp", "images"))
    clouds = interpolate(small, size=(side, side), mode="bicubic").tanh()
    return ((clouds + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous()


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--world", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each process (default 1)")
    parser.add_argument("--images-per-rank", type=int, default=64, help="images of each in an update (default 64)")
    parser.add_argument("--updates", type=int, default=20, help="updates to measure (default 20)")
    parser.add_argument("--warmup", type=int, default=3, help="updates before that (default 3)")
    parser.add_argument("--seed", type=int, default=0)
    settings = vars(parser.parse_args())
    seconds = run_ddp(**settings)
    median = statistics.median(seconds)
    speed = settings["world"] * settings["images_per_rank"] / median
    print(json.dumps({**settings, "update_s": round(median, 4), "ddp_images_per_s": round(speed, 1)}))


if __name__ == "__main__":
    main()
