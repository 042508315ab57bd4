"""A training that takes only seconds, with an aggregation rule from the check.

Everything else is the real program: `strategy=gradient`, DCGAN, BatchNorm's pooled statistics, Adam.

Shapes: N images, S image_size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ganns.config import Config, GradientStrategy, ModelConfig, OptimizerConfig, SyntheticData
from ganns.data.sources.faces import draw_face
from ganns.evaluation.metrics import sample_distance
from ganns.training.aggregation import Accumulator
from ganns.training.seeds import generator
from ganns.training.state import Progress, TrainingState
from ganns.training.strategies import build_computer
from ganns.training.unit import Part

Tensors = dict[str, torch.Tensor]
Rule = Callable[[list[Tensors]], Tensors]

NUM_UNITS, UNIT_IMAGES, NUM_ROUNDS = 5, 8, 32
NUM_TRAIN, NUM_HOLDOUT = 120, 64
WILD_ROUND, WILD_UNIT, WILD_SCALE = 3, 3, 1e6


@dataclass(frozen=True)
class DistanceChange:
    """The distance (sliced Wasserstein) from held-out faces before and after."""

    start: float
    end: float

    @property
    def share(self) -> float:
        """The fraction of the distance that is left: 1 means that nothing was learned."""
        return self.end / self.start


def tiny_config() -> Config:
    """Return the configuration: 32x32, networks with 8 features, and large steps, so that a few rounds are enough."""
    return Config(
        model=ModelConfig(image_size=32, latent_dim=16, features_g=8, features_d=8),
        data=SyntheticData(count=NUM_TRAIN, holdout=NUM_HOLDOUT),
        strategy=GradientStrategy(unit_images=UNIT_IMAGES, micro_batch=UNIT_IMAGES),
        optimizer=OptimizerConfig(lr_g=5e-3, lr_d=5e-3),
    )


def draw_faces() -> torch.Tensor:
    """Draw the training and the held-out faces, float32 [N, 3, S, S] in [-1, 1]; this takes a second."""
    pixels = [np.asarray(_square(draw_face(0, index)[0])) for index in range(NUM_TRAIN + NUM_HOLDOUT)]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def _square(image: Image.Image, side: int = 32) -> Image.Image:
    top = (image.height - image.width) // 2
    return image.crop((0, top, image.width, top + image.width)).resize((side, side), Image.Resampling.BOX)


def train(rule: Rule, faces: torch.Tensor, *, wild: bool = True) -> DistanceChange:
    """Train a few rounds and return the distance before and after.

    Args:
        rule: makes one gradient of five. Its errors are passed on.
        faces: the result of `draw_faces`.
        wild: whether one unit in one round sends noise, a million times too large, instead of its gradients.
    """
    config = tiny_config()
    state, computer = TrainingState(config), build_computer(config)
    start = _distance(state, faces)
    for number in range(NUM_ROUNDS):
        computer.load(state.weights())
        gradients: dict[str, list[Tensors]] = {"g": [], "d": []}
        sums: dict[str, Tensors] = {"g": {}, "d": {}}
        for unit in range(NUM_UNITS):
            first = (number * NUM_UNITS + unit) * UNIT_IMAGES % NUM_TRAIN
            result = computer.compute(faces[first : first + UNIT_IMAGES], (config.seed, number, unit))
            assert result is not None  # it is never asked to stop
            for role, part in result.parts.items():
                is_wild = wild and (number, unit) == (WILD_ROUND, WILD_UNIT)
                gradients[role].append(noise_like(part.gradients, role) if is_wild else part.gradients)
                sums[role] = {name: sums[role].get(name, 0) + one for name, one in part.sums.items()}
        totals = {"g": Accumulator(), "d": Accumulator()}
        for role, total in totals.items():  # only one part, which the rule made: its mean is itself
            total.add(Part(rule(gradients[role]), sums[role]), NUM_UNITS * UNIT_IMAGES)
        state.advance(totals, Progress())
    return DistanceChange(start, _distance(state, faces))


def noise_like(gradients: Tensors, name: str) -> Tensors:
    """Return a broken unit's gradients: noise of the same shapes, a million times too large."""
    rng = generator("exercise", "wild", name)
    return {key: WILD_SCALE * torch.randn(tensor.shape, generator=rng) for key, tensor in gradients.items()}


def mean(gradients: list[Tensors]) -> Tensors:
    """Return the plain mean."""
    return {name: torch.stack([one[name] for one in gradients]).mean(0) for name in gradients[0]}


def _distance(state: TrainingState, faces: torch.Tensor) -> float:
    real, seed_parts = faces[NUM_TRAIN:], ("exercise", "judge")
    return sample_distance(state, real, seed_parts, averaged=False, num_patches=16, num_projections=128)
