"""Curves made of characters."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"


def spark(
    values: Sequence[float | None],
    width: int,
    height: int = 1,
    low: float | None = None,
    high: float | None = None,
) -> list[str]:
    """Draw the last `width` values, one in each column; return `height` lines from top to bottom.

    Args:
        values: oldest first; None leaves its column empty.
        width: in characters.
        height: in lines.
        low: the value at the bottom; if None, the smallest value that is drawn.
        high: the value at the top; if None, the largest value that is drawn.
    """
    drawn = list(values[-width:]) if width > 0 else []
    known = [value for value in drawn if value is not None]
    if not known:
        return [""] * height
    low, high = min(known) if low is None else low, max(known) if high is None else high
    steps = 8 * height
    levels = []
    for value in drawn:
        part = 0.5 if high <= low else ((low if value is None else value) - low) / (high - low)
        # At least one eighth, so that a value at the bottom differs from a missing one.
        levels.append(0 if value is None else max(1, min(steps, round(part * steps))))
    return ["".join(BLOCKS[max(0, min(8, level - 8 * line))] for level in levels) for line in reversed(range(height))]
