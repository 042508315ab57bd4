"""Ways to train the same small GAN on the same images in one process, for `quality` and `study`.

Plain PyTorch loops share only the networks and the losses with the program. The other ways run the program's own code
for several units a round, as workers do. All return the same kinds of numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ganns.config import (
    Config,
    GradientStrategy,
    LocalStepsStrategy,
    ModelConfig,
    QuorumConfig,
    StopConfig,
    SyntheticData,
)
from ganns.data import ImageSet, open_images
from ganns.evaluation.swd import sliced_wasserstein
from ganns.training.aggregation import Accumulator
from ganns.training.augment import augment
from ganns.training.compression import get_codec
from ganns.training.dcgan import Generator
from ganns.training.local_steps import LocalStepsUnit
from ganns.training.losses import build_loss, r1_penalty
from ganns.training.networks import build, parameters_of, sample
from ganns.training.optimizers import adam
from ganns.training.parts import encode_part
from ganns.training.plan import plan_round
from ganns.training.seeds import generator, permutation
from ganns.training.serialization import pack
from ganns.training.solo import train_solo
from ganns.training.state import Progress, TrainingState
from ganns.training.strategies import build_computer

NUM_UNITS, BATCH, LOCAL_STEPS = 2, 32, 64
NUM_JUDGED = 1000
Result = dict[str, Any]


def small(seed: int, num_images: int, **changes: Any) -> Config:
    """Return the study's configuration: 32x32 faces, networks with 16 features, `num_images` in total."""
    config = Config(
        seed=seed,
        model=ModelConfig(image_size=32, features_g=16, features_d=16),
        data=SyntheticData(count=8192, holdout=1000),
        strategy=GradientStrategy(unit_images=BATCH, micro_batch=BATCH),
        quorum=QuorumConfig(units=NUM_UNITS),
        stop=StopConfig(epochs=max(1, -(-num_images // 8192))),
    )
    return replace(config, **changes)


def local(config: Config, **changes: Any) -> Config:
    """Return `config` with units of local steps."""
    strategy = LocalStepsStrategy(unit_images=LOCAL_STEPS * BATCH, micro_batch=BATCH)
    return replace(config, strategy=replace(strategy, **changes))


def distance(config: Config, network: Generator, images: ImageSet) -> float:
    """Return the sliced Wasserstein distance of `network`'s images from the held-out ones."""
    latent = torch.randn(NUM_JUDGED, config.model.latent_dim, generator=generator(config.seed, "judge"))
    return sliced_wasserstein(sample(network, latent), images.holdout(NUM_JUDGED))


# ------------------------------------------------------------------------------------------------- plain loops


def alternating(config: Config, num_images: int, *, num_parts: int, batch: int) -> Result:
    """Train alternately, D then G, with the gradient averaged over `num_parts` batches before each step.

    With one part it is the loop of every GAN tutorial; with several it is the training of a class that synchronises
    twice in an update.
    """
    images = open_images(config.data, config.model.image_size)
    gen, disc = (network.to(memory_format=torch.channels_last) for network in build(config.model, config.seed))
    optimizers = adam(gen, config.optimizer, config.optimizer.lr_g), adam(disc, config.optimizer, config.optimizer.lr_d)
    averaged = {name: value.clone() for name, value in parameters_of(gen).items()}
    begun, seen, steps = time.monotonic(), 0, 0
    for real in _batches(config, images, num_parts * batch, num_images):
        rng = generator(config.seed, steps, "noise")
        parts = [(part, torch.randn(len(part), config.model.latent_dim, generator=rng)) for part in real.split(batch)]
        fakes = [gen(latent) for _, latent in parts]
        _step(
            disc,
            optimizers[1],
            [_d_loss(config, disc, part, fake.detach(), rng) for (part, _), fake in zip(parts, fakes, strict=True)],
        )
        _step(
            gen,
            optimizers[0],
            [build_loss(config.loss).generator(disc(augment(fake, config.loss.augment, rng))) for fake in fakes],
        )
        seen, steps = seen + len(real), steps + 1
        decay = min(config.optimizer.ema_decay, (1 + steps) / (10 + steps))
        for name, value in parameters_of(gen).items():
            averaged[name].lerp_(value, 1 - decay)
    raw = distance(config, gen, images)
    gen.load_state_dict(averaged, strict=False)
    return {"swd": distance(config, gen, images), "raw": raw, "images": seen, "seconds": time.monotonic() - begun}


def _batches(config: Config, images: ImageSet, size: int, num_images: int) -> Iterator[torch.Tensor]:
    seen, epoch = 0, 0
    while seen < num_images:
        order = permutation(config.seed, epoch, images.num_train)
        for start in range(0, images.num_train - size + 1, size):
            if seen < num_images:
                yield images.train(order[start : start + size]).to(memory_format=torch.channels_last)
                seen += size
        epoch += 1


def _d_loss(
    config: Config, disc: torch.nn.Module, real: torch.Tensor, fake: torch.Tensor, rng: torch.Generator
) -> torch.Tensor:
    loss = config.loss
    real = augment(real, loss.augment, rng).requires_grad_(loss.r1 > 0)
    logits = disc(real)
    total = build_loss(loss).real(logits) + build_loss(loss).fake(disc(augment(fake, loss.augment, rng)))
    return total + loss.r1 * r1_penalty(real, logits) if loss.r1 else total


def _step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, losses: list[torch.Tensor]) -> None:
    gradients = torch.autograd.grad(torch.stack(losses).mean(), list(network.parameters()))
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        parameter.grad = torch.empty_like(parameter).copy_(gradient)
    optimizer.step()


# ------------------------------------------------------------------------------------------ the program's code


def product(config: Config, num_images: int) -> Result:
    """Train with `ganns solo`'s own loop, until at least `num_images` were seen."""
    images = open_images(config.data, config.model.image_size)
    state, begun = TrainingState(config), time.monotonic()
    for row in train_solo(config, images, state):
        if row["images"] >= num_images:
            break
    return _judged(state, images, begun)


def moments(config: Config, num_images: int, kind: str) -> Result:
    """Train with local steps and another treatment of Adam's moments, which the program does not offer.

    "worker": each worker keeps its moments from unit to unit. "averaged": they are averaged over the workers each
    round, and sent like the weights. "second": the same with only the second moments; the first ones begin at zero.
    """
    images = open_images(config.data, config.model.image_size)
    workers = [_Keeping(config) for _ in range(config.quorum.units)]
    state, begun, cursor, seen = TrainingState(config), time.monotonic(), Progress().cursor, 0
    while seen < num_images:
        slices, cursor = plan_round(
            cursor, len(workers), num_images=images.num_train, unit_images=config.strategy.unit_images
        )
        totals = {"g": Accumulator(), "d": Accumulator()}
        for unit, (worker, one) in enumerate(zip(workers, slices, strict=True)):
            order = permutation(config.seed, one.epoch, images.num_train)
            worker.load(state.weights())
            batch = images.train(order[one.start : one.start + one.num_images])
            result = worker.compute(batch, (config.seed, state.progress.version, unit))
            assert result is not None
            for role, part in result.parts.items():
                totals[role].add(part, one.num_images)
            seen += one.num_images
        state.advance(totals, Progress(0, seen, 0.0, cursor))
        if kind != "worker":
            _average_moments(workers, kind)
    return _judged(state, images, begun)


class _Keeping(LocalStepsUnit):
    def begin(self) -> None:
        if not hasattr(self, "optimizers"):
            super().begin()


@torch.no_grad()
def _average_moments(workers: list[_Keeping], kind: str) -> None:
    for role in ("g", "d"):
        states = [list(worker.optimizers[role].state.values()) for worker in workers]
        for same in zip(*states, strict=True):
            for key in ("exp_avg", "exp_avg_sq"):
                mean = torch.stack([one[key] for one in same]).mean(0)
                for one in same:
                    one[key].copy_(mean if key == "exp_avg_sq" or kind == "averaged" else torch.zeros_like(mean))


def _judged(state: TrainingState, images: ImageSet, begun: float) -> Result:
    config, seconds = state.config, time.monotonic() - begun
    return {
        "swd": distance(config, state.generator(averaged=True), images),
        "raw": distance(config, state.generator(averaged=False), images),
        "images": state.progress.images,
        "seconds": seconds,
        "finite": all(bool(value.isfinite().all()) for value in state.weights().values()),
    }


def bytes_per_image(config: Config) -> float:
    """Return the bytes that a worker sends and fetches for an image: its result, and the version's weights."""
    state = TrainingState(config)
    down = len(pack(state.weights()))
    # Both strategies send a tensor for each parameter, and sums for each BatchNorm layer.
    images = torch.from_numpy(np.zeros((4, 3, config.model.image_size, config.model.image_size), np.float32))
    few = replace(config, strategy=replace(config.strategy, unit_images=4, micro_batch=2))
    computer = build_computer(few)
    computer.load(state.weights())
    result = computer.compute(images, (0, 0, 0))
    assert result is not None
    up = sum(len(pack(encode_part(part, get_codec(config.codec.up), (0, 0, 0)))) for part in result.parts.values())
    return (down + up) / config.strategy.unit_images


VARIANTS: dict[str, Callable[[int, int], Result]] = {
    "solo": lambda seed, num: alternating(small(seed, num), num, num_parts=1, batch=NUM_UNITS * BATCH),
    "solo_small_batch": lambda seed, num: alternating(small(seed, num), num, num_parts=1, batch=BATCH),
    "gradient_alternating": lambda seed, num: alternating(small(seed, num), num, num_parts=NUM_UNITS, batch=BATCH),
    "gradient": lambda seed, num: product(small(seed, num), num),
    "local_steps": lambda seed, num: product(local(small(seed, num)), num),
}
