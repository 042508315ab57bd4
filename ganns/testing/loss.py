"""Checks of a loss."""

from __future__ import annotations

import math

import torch

from ganns.config import Config, GradientStrategy, LossConfig, ModelConfig, NonSaturatingLoss
from ganns.training.gradient import GradientUnit
from ganns.training.losses import Loss
from ganns.utils.checks import Finding, run


def check_loss(loss: type[Loss], config: LossConfig | None = None) -> list[Finding]:
    """Try a loss on logits, and in a whole unit of small networks."""
    made = loss(config or NonSaturatingLoss())
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(16, generator=rng)
    three = {"real": made.real, "fake": made.fake, "generator": made.generator}

    def descend(which: str, begin: float) -> float:
        at = torch.tensor([begin], requires_grad=True)
        for _ in range(50):
            (slope,) = torch.autograd.grad(three[which](at), at)
            at = (at - 0.1 * slope).detach().requires_grad_()
        return float(at.detach())

    def scalars() -> str | None:
        for name, one in three.items():
            value = one(logits.clone().requires_grad_())
            if value.shape != () or value.dtype != torch.float32 or not value.requires_grad:
                return f"{name} gave {tuple(value.shape)} {value.dtype}, differentiable: {value.requires_grad}"
        return None

    def means() -> str | None:
        for name, one in three.items():
            once, twice = float(one(logits)), float(one(logits.repeat(2)))
            if abs(once - twice) > 1e-5 * max(1.0, abs(once)):
                return f"{name} is {once:.4g} of 16 logits, and {twice:.4g} of the same ones twice: use a mean"
        return None

    def again() -> str | None:
        different = [name for name, one in three.items() if float(one(logits)) != float(one(logits))]
        return f"{different[0]} gave two values" if different else None

    def directions() -> str | None:
        of_real, of_fake = descend("real", 0.0), descend("fake", 0.0)
        if not of_real > of_fake:
            return f"50 steps move a real image's logit from 0 to {of_real:.3g}, a generated one's to {of_fake:.3g}"
        of_made = descend("generator", of_fake)
        return None if of_made > of_fake else f"50 steps of G move its logit from {of_fake:.3g} to {of_made:.3g}"

    def networks() -> str | None:
        model = ModelConfig(image_size=32, latent_dim=8, features_g=4, features_d=4)
        computer = GradientUnit(Config(model=model, strategy=GradientStrategy(unit_images=8, micro_batch=8)))
        computer.loss = made
        torch.manual_seed(0)
        result = computer.compute(torch.rand(8, 3, 32, 32, generator=rng) * 2 - 1, (0, 0, 0))
        assert result is not None
        for role, part in result.parts.items():
            norms = {name: float(gradient.norm()) for name, gradient in part.gradients.items()}
            if not all(map(math.isfinite, norms.values())):
                return f"the gradient of {role} is not finite"
            if not any(norms.values()):
                return f"the gradient of {role} is 0 everywhere"
        return None

    return run(
        [
            ("each is a scalar, float32 and differentiable", scalars),
            ("each is a mean over the images", means),
            ("the same logits give the same value", again),
            ("D is moved to tell real from generated, G to be taken for real", directions),
            ("the gradient reaches both networks, and is finite", networks),
        ]
    )
