"""Tensors that a learner returns: are they of the right kind, and how to show a few of their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ganns.exercises.learner import LearnersError

Tensors = dict[str, torch.Tensor]


def require_tensor(
    found: Any, like: torch.Tensor, what: str, dtypes: tuple[torch.dtype, ...] = (torch.float32,)
) -> None:
    """Check a tensor's type, shape and dtype.

    Raises:
        LearnersError: naming `what` is wrong.
    """
    if not isinstance(found, torch.Tensor):
        raise LearnersError(f"{what} should be a tensor, and is {_kind(found)}.")
    if found.shape != like.shape:
        raise LearnersError(f"{what} should have the shape {list(like.shape)}, and has {list(found.shape)}.")
    if found.dtype not in dtypes:
        raise LearnersError(f"{what} should be {' or '.join(map(str, dtypes))}, and is {found.dtype}.")


def require_gradients(found: Any, like: Mapping[str, torch.Tensor], function: str) -> Tensors:
    """Check a dictionary of gradients: the same names, shapes and dtypes as `like`.

    Raises:
        LearnersError: saying what is missing, too much, or of another kind.
    """
    if not isinstance(found, dict):
        raise LearnersError(f"{function}() should return a dictionary, name -> tensor, and returned {_kind(found)}.")
    if missing := sorted(set(like) - set(found)):
        raise LearnersError(f"The result of {function}() lacks {missing[0]!r}; it has {sorted(map(str, found))}.")
    if extra := set(found) - set(like):
        raise LearnersError(f"The result of {function}() has {min(map(str, extra))!r}, which no unit has.")
    for name, tensor in like.items():
        require_tensor(found[name], tensor, f"The result's {name!r}")
    return found


def copied(gradients: Mapping[str, torch.Tensor]) -> Tensors:
    """Return a copy, for a function that may change what it is given."""
    return {name: tensor.clone() for name, tensor in gradients.items()}


def show(tensor: torch.Tensor, num: int = 4) -> str:
    """Return a few numbers as text, "[1, 2.5, ...]"; of a tensor with one number that number."""
    values = [f"{value:.6g}" for value in tensor.flatten()[:num].tolist()]
    if tensor.numel() == 1:
        return values[0]
    return f"[{', '.join(values)}{', ...' if tensor.numel() > num else ''}]"


def norm(gradients: Mapping[str, torch.Tensor]) -> float:
    """Return the L2 norm of all numbers together."""
    return float(torch.stack([tensor.double().norm() for tensor in gradients.values()]).norm())


def cosine(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Return the cosine of the angle between two gradients: 1 is the same direction, 0 has nothing to do with it."""
    product = sum(float((one[name].double() * other[name].double()).sum()) for name in one)
    return product / max(norm(one) * norm(other), 1e-300)


def _kind(found: Any) -> str:
    return "nothing (is a `return` missing?)" if found is None else f"a {type(found).__name__}"
