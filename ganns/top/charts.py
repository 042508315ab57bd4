"""A curve of characters."""

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
    """Draw the last `width` values, one a column, as `height` lines from the top down.

    Args:
        values: oldest first; None leaves its column empty.
        width: in characters.
        height: in lines.
        low: what the bottom stands for; the smallest of the values drawn if None.
        high: what the top stands for; the largest if None.
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
        # At least one eighth: a value at the bottom is there, a missing one is not.
        levels.append(0 if value is None else max(1, min(steps, round(part * steps))))
    return ["".join(BLOCKS[max(0, min(8, level - 8 * line))] for level in levels) for line in reversed(range(height))]
