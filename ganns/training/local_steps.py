"""Compute a unit of `strategy=local_steps`: train on its images, and return the change of the weights.

From the round's version, a worker does H = unit_images / micro_batch steps of ordinary GAN training: a step of D, a
step of G against the new D, and so on, each with Adam. Its result is the weights before minus the weights after, which
the coordinator averages like a gradient and applies with an outer optimizer. That is FedAvg (McMahan et al., arXiv
1602.05629) for GANs: FedGAN (Rasouli et al., arXiv 2006.07228); the outer optimizer is DiLoCo's (Douillard et al.,
arXiv 2311.08105). There is one message for H steps, so H times fewer bytes for the same images.

By two choices a unit is a function of (version, images, seed) alone:

- *Adam begins again in each unit.* Its moments are neither kept on the worker nor sent (docs/explain/strategies.md has
  the measurements).
- *BatchNorm's statistics are those of the last steps*, pooled over the workers as in `gradient`. Those of the first
  steps belong to old weights.

Shapes: N images of a step, Z latent_dim, S image_size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ganns.training.augment import augment
from ganns.training.losses import r1_penalty
from ganns.training.optimizers import adam
from ganns.training.plan import step_bounds
from ganns.training.seeds import generator as seeded
from ganns.training.unit import Part, Tensors, UnitComputer, UnitResult, d_metrics

STATISTICS_STEPS = 16
"""Number of last steps for BatchNorm's statistics: enough for steady values, few enough for similar weights."""


class LocalStepsUnit(UnitComputer):
    """Computes units of `strategy=local_steps`."""

    def compute(
        self,
        images: torch.Tensor,
        seed_parts: tuple[int | str, ...],
        on_part: Callable[[str, Part], None] = lambda role, part: None,
        should_stop: Callable[[], bool] = lambda: False,
        labels: torch.Tensor | None = None,
    ) -> UnitResult | None:
        """Train on a unit's images; afterwards the networks have the loaded weights again.

        See `UnitComputer.compute`. A part's "gradients" are the weights before minus the weights after; the metrics
        are means over all steps.
        """
        before = {role: _copy(network) for role, network in self.networks.items()}
        try:
            return self._train(images, labels, seed_parts, before, on_part, should_stop)
        finally:  # the round's next unit begins with the same weights
            self.load({f"{role}.{name}": value for role, some in before.items() for name, value in some.items()})

    def _train(
        self,
        images: torch.Tensor,
        labels: torch.Tensor | None,
        seed_parts: tuple[int | str, ...],
        before: dict[str, Tensors],
        on_part: Callable[[str, Part], None],
        should_stop: Callable[[], bool],
    ) -> UnitResult | None:
        self.forget_statistics()
        self.begin()
        rng = seeded(*seed_parts, "noise")
        total: dict[str, float] = {}
        bounds = step_bounds(len(images), self.config.strategy.micro_batch)
        sums: dict[str, list[Tensors]] = {"g": [], "d": []}
        for number, (start, count) in enumerate(bounds):
            real = images[start : start + count].to(self.device, memory_format=torch.channels_last)
            given = self.condition(labels, start, count)
            metrics = self._step(real, given, rng, sums if len(bounds) - number <= STATISTICS_STEPS else None)
            for name, value in metrics.items():
                total[name] = total.get(name, 0.0) + value * count / len(images)
            if should_stop():
                return None
        parts = {}
        for role in ("d", "g"):
            after = _copy(self.networks[role])
            moved = {name: (before[role][name] - after[name]).cpu() for name in after}
            parts[role] = Part(moved, _added(sums[role]))
            on_part(role, parts[role])
        return UnitResult(len(images), parts, total)

    def begin(self) -> None:
        """Make new optimizers for a unit."""
        config = self.config.optimizer
        self.optimizers = {
            "g": adam(self.networks["g"], config, config.lr_g),
            "d": adam(self.networks["d"], config, config.lr_d),
        }

    def _step(
        self,
        real: torch.Tensor,
        given: tuple[torch.Tensor, ...],
        rng: torch.Generator,
        sums: dict[str, list[Tensors]] | None,
    ) -> dict[str, float]:
        """Do one step of D and one of G on the same generated images, as in the DCGAN paper's training."""
        gen, disc, loss = self.networks["g"], self.networks["d"], self.config.loss
        latent = torch.randn(len(real), self.config.model.latent_dim, generator=rng).to(self.device)  # [N, Z]
        real = augment(real, loss.augment, rng).requires_grad_(loss.r1 > 0)
        with self.precision():
            fake = gen(latent, *given)  # [N, 3, S, S]
            real_logits = disc(real, *given)  # [N]
            fake_logits = disc(augment(fake.detach(), loss.augment, rng), *given)  # [N]
        real_logits, fake_logits = real_logits.float(), fake_logits.float()  # losses are computed in float32
        d_loss = self.loss.real(real_logits) + self.loss.fake(fake_logits)
        metrics = d_metrics(d_loss, real_logits, fake_logits)
        if loss.r1:
            d_loss = d_loss + loss.r1 * r1_penalty(real, real_logits)
        self._descend("d", d_loss)
        for role, recorder in self.recorders.items():  # G's pass and two of D's; D's next pass is for G's loss
            if sums is not None:
                sums[role].append(recorder.take())
            recorder.forget()

        with self.precision():
            logits = disc(augment(fake, loss.augment, rng), *given)
        g_loss = self.loss.generator(logits.float())
        self._descend("g", g_loss)
        self.recorders["d"].forget()
        return metrics | {"g_loss": g_loss.item()}

    def _descend(self, role: str, loss: torch.Tensor) -> None:
        """Do one optimizer step of a network on its own loss; the other network gets no gradients."""
        parameters = list(self.networks[role].parameters())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            # Adam's one-pass implementation ignores strides (see `state`).
            parameter.grad = torch.empty_like(parameter).copy_(gradient)
        self.optimizers[role].step()


def _copy(network: torch.nn.Module) -> Tensors:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def _added(some: list[Tensors]) -> Tensors:
    return {name: torch.stack([one[name] for one in some]).sum(0) for name in some[0]}
