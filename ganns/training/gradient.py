"""Compute a unit: both networks' gradients on a few images, at one version of the weights.

The same code runs in a worker, in `ganns solo` and in the tests. It avoids two mistakes:

- *Each network's gradient comes from its own loss only.* The generator's loss flows through the
  discriminator, so `g_loss.backward()` would add to the discriminator's gradients as well and teach it to be
  fooled. `torch.autograd.grad(loss, parameters)` computes the gradients of exactly these parameters.
- *BatchNorm's statistics are sent as sums.* A running average in each worker would be lost with the worker. A unit
  reports for each layer the number of values, their sum and the sum of their squares; such sums can be added in any
  grouping.

The losses are in `losses`; `local_steps` has the other strategy.

Shapes: N images of a micro-batch, Z latent_dim, S image_size, C channels of a BatchNorm layer.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from ganns.training.augment import augment
from ganns.training.losses import r1_penalty
from ganns.training.networks import parameters_of
from ganns.training.plan import slice_bounds
from ganns.training.seeds import generator as seeded
from ganns.training.unit import Part, UnitComputer, UnitResult, d_metrics


class GradientUnit(UnitComputer):
    """Computes units of `strategy=gradient`."""

    def compute(
        self,
        images: torch.Tensor,
        seed_parts: tuple[int | str, ...],
        on_part: Callable[[str, Part], None] = lambda role, part: None,
        should_stop: Callable[[], bool] = lambda: False,
        labels: torch.Tensor | None = None,
    ) -> UnitResult | None:
        """Compute both gradients at the loaded weights; see `UnitComputer.compute`."""
        self.forget_statistics()
        rng = seeded(*seed_parts, "noise")
        total = UnitResult(len(images), {})
        batches = slice_bounds(len(images), self.config.strategy.micro_batch)
        for number, (start, count) in enumerate(batches):
            real = images[start : start + count].to(self.device, memory_format=torch.channels_last)
            latent = torch.randn(count, self.config.model.latent_dim, generator=rng).to(self.device)  # [N, Z]
            share = count / len(images)
            given = self.condition(labels, start, count)
            for role, part, metrics in self._micro_batch(real, latent, given, rng):
                _add(total, role, part, metrics, share)
                if number == len(batches) - 1:
                    on_part(role, total.parts[role])
                if should_stop():
                    return None
        return total

    def _micro_batch(  # type: ignore[no-untyped-def]
        self, real: torch.Tensor, latent: torch.Tensor, given: tuple[torch.Tensor, ...], rng: torch.Generator
    ):
        """Yield the discriminator's part, then the generator's. The fake batch is computed once."""
        gen, disc, loss = self.networks["g"], self.networks["d"], self.config.loss
        d_parameters, g_parameters = list(disc.parameters()), list(gen.parameters())

        real = augment(real, loss.augment, rng).requires_grad_(loss.r1 > 0)
        with self.precision():
            fake = gen(latent, *given)  # [N, 3, S, S]
            real_logits = disc(real, *given)  # [N]
            fake_logits = disc(augment(fake, loss.augment, rng), *given)  # [N]
        real_logits, fake_logits = real_logits.float(), fake_logits.float()  # losses are computed in float32
        of_real, of_fake = self.loss.real(real_logits), self.loss.fake(fake_logits)
        d_loss = (of_real + of_fake).detach()
        if loss.r1:
            of_real = of_real + loss.r1 * r1_penalty(real, real_logits)
        from_real = torch.autograd.grad(of_real, d_parameters)
        # Only for D's parameters, so nothing flows into G; the graph is kept for G's gradients.
        from_fake = torch.autograd.grad(of_fake, d_parameters, retain_graph=True)
        gradients = {n: a + b for n, a, b in zip(parameters_of(disc), from_real, from_fake, strict=True)}
        yield "d", Part(gradients, self.recorders["d"].take()), d_metrics(d_loss, real_logits, fake_logits)

        g_loss = self.loss.generator(fake_logits)
        from_d = torch.autograd.grad(g_loss, g_parameters)  # through D, but not into D's parameters
        gradients = dict(zip(parameters_of(gen), from_d, strict=True))
        yield "g", Part(gradients, self.recorders["g"].take()), {"g_loss": g_loss.item()}


def _add(total: UnitResult, role: str, part: Part, metrics: dict[str, float], share: float) -> None:
    """Add a micro-batch to the unit: gradients and metrics weighted by its share of the images, sums unweighted."""
    for name, value in metrics.items():
        total.metrics[name] = total.metrics.get(name, 0.0) + share * value
    gradients = part.gradients if share == 1.0 else {n: share * g for n, g in part.gradients.items()}
    if role not in total.parts:
        total.parts[role] = Part(gradients, part.sums)
        return
    mine = total.parts[role]
    total.parts[role] = Part(
        {name: mine.gradients[name] + gradient for name, gradient in gradients.items()},
        {name: mine.sums[name] + sums for name, sums in part.sums.items()},
    )
