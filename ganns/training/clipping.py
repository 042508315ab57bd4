"""Scale down a result that is far larger than those before it: the backstop behind every aggregation rule.

A result may be up to 100 times as large as the run remembers before it is refused (`bounds.py`). Averaged with others,
it would still decide the round alone. So its norm is clipped to `aggregate.clip` times the median norm of the last
results. The median belongs to the state: a version is a function of the version before and the accepted results, in
`ganns solo` as in a class. It is centered clipping (Karimireddy et al., arXiv 2012.10333) around 0, with one step: it
bounds how far one result can move a round, and does nothing against a wrong direction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import torch

NUM_NORMS = 64
"""Number of last results whose norms are remembered; the median bears fewer than half that are hostile."""
LEAST_NORMS = 8
"""With fewer, nothing is clipped."""


def rounded_norm(gradients: Mapping[str, torch.Tensor]) -> float:
    """Return the norm of all gradients together, to three digits.

    The last bits of a sum depend on the number of threads and on the order of the numbers in memory. Three digits do
    not, so that two machines clip alike.
    """
    norms = torch._foreach_norm(list(gradients.values()))
    return float(f"{float(torch.stack(list(norms)).norm()):.3g}")


def largest_norm(clip: float | None, norms: Sequence[float]) -> float:
    """Return the norm to which a result is clipped, after results with the given norms; infinity: it is not."""
    if clip is None or len(norms) < LEAST_NORMS:
        return float("inf")
    return clip * median(norms)


def clipped(gradients: dict[str, torch.Tensor], norm: float, largest: float) -> dict[str, torch.Tensor]:
    """Return gradients with a norm of at most `largest`: these, or new tensors of the same direction."""
    if norm <= largest:
        return gradients
    return {name: gradient * (largest / norm) for name, gradient in gradients.items()}
