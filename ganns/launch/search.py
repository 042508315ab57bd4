"""`ganns search`: Optuna proposes settings, the pool of workers trains them, and the smallest distance wins.

It uses Optuna's ask-and-tell interface: ask for as many points as train at once, train them as a sweep, tell their
distances, and ask again. Nothing is stored but the runs. The same command proposes the same points again, because the
sampler has a seed and hears the same distances in the same order; so it skips what is finished, and goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganns.config import Config
from ganns.errors import ConfigError
from ganns.launch.compose import HYDRAS, compose
from ganns.launch.sweep import KEY_LENGTH, Point, PointResult
from ganns.utils.installation import extra
from ganns.utils.printable import printable

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

MAX_CHOICES = 1000
NUM_RANDOM = 8
"""The first points are random: Optuna's estimator (TPE) needs some to begin with."""


@dataclass(frozen=True)
class Space:
    """The space of a search: settings that all points have, and the distribution of each of the others."""

    fixed: tuple[str, ...]
    searched: dict[str, BaseDistribution]

    def config(self, values: dict[str, Any]) -> Config:
        """Return the configuration of a point.

        Raises:
            ConfigError: a value is out of its setting's range.
        """
        return compose([*self.fixed, *(f"{key}={value}" for key, value in values.items())])


def read_space(overrides: Sequence[str]) -> Space:
    """Read overrides in Hydra's grammar: `a=1` is fixed; `a=interval(0,1)` and `a=choice(x,y)` are searched.

    Raises:
        ConfigError: an override cannot be read, nothing is searched, or a run would not be evaluated.
        MissingExtra: without Optuna.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    with extra("search", "`ganns search`"):
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    fixed: list[str] = []
    searched: dict[str, BaseDistribution] = {}
    for word in overrides:
        try:
            [one] = OverridesParser.create().parse_overrides([word])
            value: Any = one.value()
            key = str(one.key_or_group)
            if one.is_interval_sweep():
                kind = IntDistribution if isinstance(value.start, int) else FloatDistribution
                searched[key] = kind(value.start, value.end, log="log" in value.tags)
            elif one.is_sweep_override():
                searched[key] = CategoricalDistribution(_choices(one.sweep_string_iterator()))
            else:
                fixed.append(word)
        except (HydraException, *HYDRAS) as error:
            reason = printable(error, 200)
            raise ConfigError(
                f"{word} cannot be read ({reason}): write key=value, 'key=interval(0.1,0.9)' in quotes, or key=a,b,c."
            ) from error
    if not searched:
        raise ConfigError(
            "Nothing is searched: give a setting several values, as in 'optimizer.lr_g=tag(log,interval(1e-4,1e-2))'."
        )
    space = Space(tuple(fixed), searched)
    for which in ("low", "high"):  # so that a mistake shows before the first point is trained
        config = space.config({key: _end(one, which) for key, one in searched.items()})
        if config.evaluate.every == 0:
            raise ConfigError("evaluate.every=0: a search compares distances; add evaluate.every=20 or so.")
    return space


def _choices(words: Iterator[str]) -> list[str]:
    """Return the values to choose from; a range can have more than the memory holds."""
    found = list(islice(words, MAX_CHOICES + 1))
    if len(found) > MAX_CHOICES:
        raise ValueError(f"it has more than {MAX_CHOICES} values: use an interval")
    return found


def _end(one: Any, which: str) -> Any:
    return getattr(one, which) if hasattr(one, which) else one.choices[0 if which == "low" else -1]


class Search:
    """Proposes points, and hears what became of them. Neither database nor display is in it."""

    def __init__(self, space: Space, seed: int, at_once: int) -> None:
        """Begin; two searches with the same arguments propose the same points for the same distances."""
        with extra("search", "`ganns search`"):
            import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=NUM_RANDOM, constant_liar=True)
        self._study, self._space, self._at_once = optuna.create_study(sampler=sampler), space, at_once
        self._failed = optuna.trial.TrialState.FAIL
        self._asked: dict[int, Trial] = {}
        about = {"fixed": space.fixed, "seed": seed, "at_once": at_once}
        text = json.dumps(about | {key: repr(one) for key, one in space.searched.items()}, sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]
        self.results: list[PointResult] = []
        self.values: dict[int, dict[str, Any]] = {}

    def ask(self, num: int) -> list[Point]:
        """Return the next `num` points."""
        points = []
        for _ in range(num):
            trial = self._study.ask(self._space.searched)
            values = {key: _short(value) for key, value in trial.params.items()}
            self._asked[trial.number], self.values[trial.number] = trial, values
            folder = Path("outputs") / "search" / self.key / str(trial.number)
            points.append(Point(trial.number, self._space.config(values), folder))
        return points

    def tell(self, results: Sequence[PointResult]) -> None:
        """Take the results of these points; one without a distance teaches the sampler nothing."""
        for one in results:
            trial = self._asked.pop(one.point.number)
            if one.distance is None:
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, one.distance)
        self.results.extend(results)

    @property
    def best(self) -> PointResult | None:
        """The point with the smallest distance so far."""
        return min((one for one in self.results if one.distance is not None), key=_distance, default=None)

    def words(self, number: int) -> str:
        """Return a point's searched settings, as on the command line."""
        return " ".join(f"{key}={value}" for key, value in self.values[number].items())

    @property
    def example(self) -> Config:
        """The configuration of one point."""
        return self._space.config({key: _end(one, "low") for key, one in self._space.searched.items()})

    @property
    def fixed(self) -> str:
        """The settings that all points have, as on the command line."""
        return " ".join(self._space.fixed)


def _distance(one: PointResult) -> float:
    return float("inf") if one.distance is None else one.distance


def _short(value: Any) -> Any:
    """Round a number to three digits: the rest is noise, and a person types them again."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
