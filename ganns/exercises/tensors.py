"""Check the tensors that a learner returns, and show a few of their numbers."""

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
        LearnersError: if one of them is wrong; the text begins with `what`.
    """
    if not isinstance(found, torch.Tensor):
        raise LearnersError(f"{what} should be a tensor, but is {_kind(found)}.")
    if found.shape != like.shape:
        raise LearnersError(f"{what} should have the shape {list(like.shape)}, but has {list(found.shape)}.")
    if found.dtype not in dtypes:
        raise LearnersError(f"{what} should be {' or '.join(map(str, dtypes))}, but is {found.dtype}.")


def require_gradients(found: Any, like: Mapping[str, torch.Tensor], function: str) -> Tensors:
    """Check a dictionary of gradients: the same names, shapes and dtypes as `like`.

    Raises:
        LearnersError: if a name is missing or unknown, or a tensor is of the wrong kind.
    """
    if not isinstance(found, dict):
        raise LearnersError(f"{function}() should return a dictionary, name -> tensor, but returned {_kind(found)}.")
    if missing := sorted(set(like) - set(found)):
        raise LearnersError(f"The result of {function}() has no {missing[0]!r}, only {sorted(map(str, found))}.")
    if extra := set(found) - set(like):
        raise LearnersError(f"The result of {function}() has {min(map(str, extra))!r}, but no unit has that.")
    for name, tensor in like.items():
        require_tensor(found[name], tensor, f"The result's {name!r}")
    return found


def copied(gradients: Mapping[str, torch.Tensor]) -> Tensors:
    """Return a copy, for a function that may change its arguments."""
    return {name: tensor.clone() for name, tensor in gradients.items()}


def show(tensor: torch.Tensor, num: int = 4) -> str:
    """Return a few numbers as text, "[1, 2.5, ...]"; for a tensor with one number only this number."""
    values = [f"{value:.6g}" for value in tensor.flatten()[:num].tolist()]
    if tensor.numel() == 1:
        return values[0]
    return f"[{', '.join(values)}{', ...' if tensor.numel() > num else ''}]"


def said(cases: Mapping[float, str], found: float) -> str:
    """Return the explanation of a mistake by the value that it gives, as a line of its own; "" for an unknown value."""
    return next((f"\n{text}" for value, text in cases.items() if abs(found - value) < 1e-4), "")


def norm(gradients: Mapping[str, torch.Tensor]) -> float:
    """Return the L2 norm of all numbers together."""
    return float(torch.stack([tensor.double().norm() for tensor in gradients.values()]).norm())


def cosine(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Return the cosine of the angle between two gradients: 1 is the same direction, 0 is a right angle."""
    product = sum(float((one[name].double() * other[name].double()).sum()) for name in one)
    return product / max(norm(one) * norm(other), 1e-300)


def _kind(found: Any) -> str:
    return "nothing (is a `return` missing?)" if found is None else f"a {type(found).__name__}"
