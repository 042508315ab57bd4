"""`python -m tests.support.broken_device`: the hardened worker, whose device fails in the middle of its first unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganns.training.gradient import GradientUnit
from ganns.training.unit import Part, UnitResult
from ganns.worker.__main__ import main

compute = GradientUnit.compute


def fail_half_way(
    self: GradientUnit, images: Any, seed_parts: Any, on_part: Callable[[str, Part], None], *others: Any
) -> UnitResult | None:
    """Upload the first part, then fail as CUDA does: from then on each call of it raises the same error."""

    def upload_and_fail(role: str, part: Part) -> None:
        on_part(role, part)
        print("the device fails now", flush=True)
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")

    return compute(self, images, seed_parts, upload_and_fail, *others)


GradientUnit.compute = fail_half_way  # type: ignore[assignment,method-assign]

if __name__ == "__main__":
    main()
