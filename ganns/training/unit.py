"""The interface of a unit's computation: `UnitComputer`, `Part` and `UnitResult`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from ganns.config import Config
from ganns.training.batchnorm import SumRecorder
from ganns.training.losses import build_loss
from ganns.training.precision import choose_autocast
from ganns.training.probe import make_checked

Tensors = dict[str, torch.Tensor]


@dataclass
class Part:
    """One network's half of a unit's result."""

    gradients: Tensors  # by parameter name; the mean over the unit's images (of `local_steps`: before minus after)
    sums: Tensors  # BatchNorm: "<layer>" -> float64 [2C + 1]: sum (C), sum of squares (C), count (1)


@dataclass
class UnitResult:
    """The result of a unit. Losses and probabilities are means over its images."""

    num_images: int
    parts: dict[str, Part]  # "d" and "g"
    metrics: dict[str, float] = field(default_factory=dict)  # d_loss, g_loss, d_real, d_fake


class UnitComputer(ABC):
    """Computes units with two networks, at the weights that were loaded last."""

    def __init__(self, config: Config, device: torch.device | str = "cpu") -> None:
        """Build both networks on `device`, in channels_last (about twice as fast on a CPU).

        Raises:
            PluginError: if the run's networks or its loss are a plug-in that is missing, or cannot be used.
        """
        self.config = config
        self.loss = build_loss(config.loss)
        self.device = torch.device(device)
        self.networks: dict[str, nn.Module] = {
            role: make_checked(config.model, role).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for role in ("g", "d")
        }
        self.recorders = {role: SumRecorder(network) for role, network in self.networks.items()}
        self.autocast = False

    def precision(self) -> torch.autocast:
        """Return the context in which networks are applied: bfloat16 if `autocast` is set."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def compile(self) -> None:
        """Let PyTorch compile both networks at their first use, which takes a minute or more; then units are faster."""
        for network in self.networks.values():
            network.compile()

    def choose_precision(self) -> None:
        """Set `autocast` if the run allows it and a trial shows that this device is faster with it."""
        strategy, size = self.config.strategy, self.config.model.image_size
        images = torch.zeros(strategy.micro_batch, 3, size, size)
        labels = torch.zeros(strategy.micro_batch, len(self.config.model.labels))

        def step(autocast: bool) -> None:
            self.autocast = autocast
            self.compute(images, (0, "trial"), labels=labels)

        self.autocast = choose_autocast(self.device, strategy.mixed_precision, step)

    @abstractmethod
    def compute(
        self,
        images: torch.Tensor,
        seed_parts: tuple[int | str, ...],
        on_part: Callable[[str, Part], None] = lambda role, part: None,
        should_stop: Callable[[], bool] = lambda: False,
        labels: torch.Tensor | None = None,
    ) -> UnitResult | None:
        """Compute a unit.

        Args:
            images: float32 [count, 3, S, S] in [-1, 1].
            seed_parts: seed the unit's noise: (run seed, round, unit).
            on_part: is called as soon as a network's part is complete, the discriminator's first: a worker
                uploads it while the generator's is still being computed.
            should_stop: is called between micro-batches and parts; True ends the unit without a result.
            labels: float32 [count, A], the images' attributes; conditional networks need them.

        Returns:
            The result, or None if `should_stop` was true.
        """

    def forget_statistics(self) -> None:
        """Drop what an interrupted unit has left in the recorders: it would be added to the next unit's sums."""
        for recorder in self.recorders.values():
            recorder.forget()

    def condition(self, labels: torch.Tensor | None, start: int, count: int) -> tuple[torch.Tensor, ...]:
        """Return what both networks get beside their input: nothing, or labels [count, A] if they are conditional.

        Generated images get the labels of the batch's real images: so both kinds have each attribute equally often.
        """
        if not self.config.model.conditional:
            return ()
        assert labels is not None, "conditional networks need the images' labels"
        return (labels[start : start + count].to(self.device),)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight, named "g.<parameter>" and "d.<parameter>"."""
        return {
            f"{role}.{name}": tuple(parameter.shape)
            for role, network in self.networks.items()
            for name, parameter in network.named_parameters()
        }

    @torch.no_grad()
    def load(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Copy in the learned tensors, named "g.<parameter>" and "d.<parameter>"."""
        for role, network in self.networks.items():
            for name, parameter in network.named_parameters():
                parameter.copy_(weights[f"{role}.{name}"])


def d_metrics(d_loss: torch.Tensor, real_logits: torch.Tensor, fake_logits: torch.Tensor) -> dict[str, float]:
    """Return D's loss, and its mean probability of "real" for real and for generated images, from logits [N]."""
    probabilities = [logits.detach().sigmoid().mean() for logits in (real_logits, fake_logits)]
    # One transfer from the device for all three, since each transfer makes a GPU wait.
    values = torch.stack([d_loss.detach(), *probabilities]).tolist()
    return dict(zip(("d_loss", "d_real", "d_fake"), values, strict=True))
