"""Warnings that a GAN does not learn, from the numbers that a run reports anyway; each with an advice.

The thresholds are far from the values of healthy runs on synthetic faces (docs/explain/evaluation.md has the numbers).
A warning is given once when its condition begins, and again only after the condition has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

WINDOW = 50
"""Number of rounds that a condition must last. A GAN's balance changes all the time, but not for as long."""
WON = 0.02
"""D has won if it gives real images more than 1 - WON and generated ones less than WON."""
GUESSING = 0.01
"""D only guesses if it gives both kinds 0.5, with at most this difference."""
EXPLODED = 30.0
"""A loss, in nats, far above that of a healthy run."""
ALIKE, DIFFERENT = 0.05, 0.2
"""Shares of the real images' variance. Samples with less than the first are alike; those of a generator that learns
reach more than the second."""
ALIKE_LIMIT = 5
"""Number of evaluations in a row with samples that are alike, if they were never different before."""


@dataclass
class RoundHealth:
    """Checks each round's metrics."""

    _recent: deque[Mapping[str, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _said: set[str] = field(default_factory=set)

    def watch(self, metrics: Mapping[str, float]) -> list[str]:
        """Add a round's metrics, and return the warnings that begin with it."""
        if not {"d_real", "d_fake", "d_loss", "g_loss"} <= metrics.keys():
            return []  # a round that went back
        self._recent.append(metrics)
        if len(self._recent) < WINDOW:
            return []
        real, fake = (sum(one[name] for one in self._recent) / WINDOW for name in ("d_real", "d_fake"))
        least = {name: min(abs(one[name]) for one in self._recent) for name in ("d_loss", "g_loss")}
        guesses = all(abs(one[name] - 0.5) < GUESSING for one in self._recent for name in ("d_real", "d_fake"))
        won = (
            f"D has won: over the last {WINDOW} rounds it took {real:.1%} of real images for real, and {fake:.1%} of "
            "generated ones, so that G learns little from it. Try a smaller optimizer.lr_d, or loss.label_smoothing=0.1"
        )
        guessing = (
            f"D only guesses: over the last {WINDOW} rounds it gave every image about 0.5. "
            "Try a larger optimizer.lr_d, or a larger model.features_d"
        )
        exploded = (
            f"the losses explode: over the last {WINDOW} rounds D's was never below {least['d_loss']:.3g}, and G's "
            f"never below {least['g_loss']:.3g}. Try smaller learning rates, or aggregate.max_norm"
        )
        signs = {
            won: ("won", real > 1 - WON and fake < WON),
            guessing: ("guessing", guesses),
            exploded: ("exploded", max(least.values()) > EXPLODED),
        }
        return begun(self._said, signs)


@dataclass
class SampleHealth:
    """Checks each evaluation's metrics.

    Before a generator has learned anything, all its images are grey, and alike. This is no collapse; therefore a
    warning needs samples that were different before, or several evaluations in a row.
    """

    _num_alike: int = 0  # evaluations in a row
    _did_differ: bool = False
    _said: set[str] = field(default_factory=set)

    def watch(self, metrics: Mapping[str, float]) -> list[str]:
        """Add an evaluation's metrics, and return the warnings that begin with it."""
        pixels, features = metrics["pixel_variance"], metrics["feature_variance"]
        alike = min(pixels, features) < ALIKE
        self._num_alike = self._num_alike + 1 if alike else 0
        self._did_differ = self._did_differ or min(pixels, features) > DIFFERENT
        text = (
            f"the samples look alike: they differ by {pixels:.1%} (pixels) and {features:.1%} (features) of how much "
            f"real images differ, {'although they did before' if self._did_differ else 'and never did'}: G's modes "
            "have collapsed. Try a smaller optimizer.lr_g, or start again from the best version"
        )
        return begun(self._said, {text: ("alike", alike and (self._did_differ or self._num_alike >= ALIKE_LIMIT))})


def begun(said: set[str], signs: Mapping[str, tuple[str, bool]]) -> list[str]:
    """Return the texts of the conditions that begin now; `said` keeps the names of those that last."""
    new = [text for text, (name, is_there) in signs.items() if is_there and name not in said]
    for name, is_there in signs.values():
        (said.add if is_there else said.discard)(name)
    return new
