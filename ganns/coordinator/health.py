"""Signs that a GAN is not learning, in the numbers that a run reports anyway; each with what to try.

Thresholds have a margin to what healthy runs on synthetic faces show (docs/explain/evaluation.md has the numbers). Each
warning is said once when it begins, and again only after it was over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

WINDOW = 50
"""Rounds that a sign must last for. A GAN's balance sways; what lasts is not that."""
WON = 0.02
"""D has won where it gives real images more than 1 - WON and generated ones less than WON."""
GUESSING = 0.01
"""D only guesses where it gives both kinds 0.5, give or take this."""
EXPLODED = 30.0
"""A loss, in nats, that no healthy run comes near."""
ALIKE, DIFFERENT = 0.05, 0.2
"""Samples are alike that differ from each other by less than this share of how much real images differ; those of a
generator that learns pass the second share on their way up."""
ALIKE_LIMIT = 5
"""So many evaluations in a row, where the samples never differed."""


@dataclass
class RoundHealth:
    """Looks at each round's metrics."""

    _recent: deque[Mapping[str, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _said: set[str] = field(default_factory=set)

    def watch(self, metrics: Mapping[str, float]) -> list[str]:
        """Take in a round's metrics; return warnings that begin with it."""
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
    """Looks at each evaluation's metrics.

    Before a generator has learned anything all its images are grey, and alike. That is no collapse; so it takes samples
    that did differ before, or several evaluations in a row.
    """

    _num_alike: int = 0  # evaluations in a row
    _did_differ: bool = False
    _said: set[str] = field(default_factory=set)

    def watch(self, metrics: Mapping[str, float]) -> list[str]:
        """Take in an evaluation's metrics; return warnings that begin with it."""
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
    """Return the texts of the signs that are there and were not before; `said` remembers those that are."""
    new = [text for text, (name, is_there) in signs.items() if is_there and name not in said]
    for name, is_there in signs.values():
        (said.add if is_there else said.discard)(name)
    return new
