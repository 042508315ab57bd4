"""Find out that a GAN does not learn, from the numbers that a run reports anyway; each finding has a remedy.

The coordinator prints a finding when it begins, and the watchers (`ganns/monitor/health.py`) derive the same ones from
the rows of metrics and evaluations: what the database holds already need not be stored a second time.

The thresholds are far from the values of healthy runs on synthetic faces (docs/explain/evaluation.md has the numbers).
A finding begins when its condition has lasted, and can begin again only after the condition has ended.
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
WATCHED = ("d_real", "d_fake", "d_loss", "g_loss")


@dataclass(frozen=True)
class Symptom:
    """A reason why a run does not learn."""

    name: str
    """won, guessing, exploded, or alike."""
    text: str
    remedy: str

    def __str__(self) -> str:
        """Return the finding and its remedy in one line, for a terminal."""
        return f"{self.text}. {self.remedy}"


@dataclass
class Health:
    """The findings that last, and those that begin."""

    present: dict[str, Symptom] = field(default_factory=dict)
    """By their names; each as it was when it began."""

    def _update(self, found: Mapping[str, Symptom]) -> list[Symptom]:
        begun = [one for name, one in found.items() if name not in self.present]
        self.present = {name: self.present.get(name, one) for name, one in found.items()}
        return begun


@dataclass
class RoundHealth(Health):
    """Checks each round's metrics."""

    _recent: dict[str, deque[float]] = field(default_factory=lambda: {name: deque(maxlen=WINDOW) for name in WATCHED})

    def watch(self, metrics: Mapping[str, float]) -> list[Symptom]:
        """Add a round's metrics, and return the findings that begin with it."""
        if not metrics.keys() >= set(WATCHED):
            return []  # a round that went back
        for name, values in self._recent.items():
            values.append(metrics[name])
        recent = self._recent
        if len(recent["d_real"]) < WINDOW:
            return []
        real, fake = (sum(recent[name]) / WINDOW for name in ("d_real", "d_fake"))
        least = {name: min(map(abs, recent[name])) for name in ("d_loss", "g_loss")}
        found = []
        if real > 1 - WON and fake < WON:
            found.append(_won(real, fake))
        if all(abs(value - 0.5) < GUESSING for name in ("d_real", "d_fake") for value in recent[name]):
            found.append(_guessing())
        if max(least.values()) > EXPLODED:
            found.append(_exploded(**least))
        return self._update({one.name: one for one in found})


@dataclass
class SampleHealth(Health):
    """Checks each evaluation's metrics.

    Before a generator has learned anything, all its images are grey, and alike. This is no collapse; therefore a
    finding needs samples that were different before, or several evaluations in a row.
    """

    _num_alike: int = 0  # evaluations in a row
    _did_differ: bool = False

    def watch(self, metrics: Mapping[str, float]) -> list[Symptom]:
        """Add an evaluation's metrics, and return the findings that begin with it."""
        pixels, features = metrics["pixel_variance"], metrics["feature_variance"]
        is_alike = min(pixels, features) < ALIKE
        self._num_alike = self._num_alike + 1 if is_alike else 0
        self._did_differ = self._did_differ or min(pixels, features) > DIFFERENT
        if is_alike and (self._did_differ or self._num_alike >= ALIKE_LIMIT):
            return self._update({"alike": _alike(pixels, features, self._did_differ)})
        return self._update({})


def _won(real: float, fake: float) -> Symptom:
    return Symptom(
        "won",
        f"D has won: over the last {WINDOW} rounds it took {real:.1%} of real images for real, and {fake:.1%} of "
        "generated ones, so that G learns little from it",
        "Try a smaller optimizer.lr_d, or loss.label_smoothing=0.1",
    )


def _guessing() -> Symptom:
    return Symptom(
        "guessing",
        f"D only guesses: over the last {WINDOW} rounds it gave every image about 0.5",
        "Try a larger optimizer.lr_d, or a larger model.features_d",
    )


def _exploded(d_loss: float, g_loss: float) -> Symptom:
    return Symptom(
        "exploded",
        f"the losses explode: over the last {WINDOW} rounds D's was never below {d_loss:.3g}, and G's never below "
        f"{g_loss:.3g}",
        "Try smaller learning rates, or aggregate.max_norm",
    )


def _alike(pixels: float, features: float, did_differ: bool) -> Symptom:
    return Symptom(
        "alike",
        f"the samples look alike: they differ by {pixels:.1%} (pixels) and {features:.1%} (features) of how much real "
        f"images differ, {'although they did before' if did_differ else 'and never did'}: G's modes have collapsed",
        "Try a smaller optimizer.lr_g, or start again from the best version",
    )
