"""Compute the pause before the next attempt: exponential backoff with jitter."""

from __future__ import annotations

import random


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Return the pause in seconds after `failures` failed attempts before this one: 50 to 100 % of a doubling limit.

    The random part keeps 200 workers that failed together from coming back together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    return min(longest_s, first_s * 2.0 ** min(failures, 60)) * random.uniform(0.5, 1.0)
