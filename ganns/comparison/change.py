"""Changes of a run that is replayed: without someone's units, with another quorum, rule or rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ganns.config import Config, from_dict, to_dict, without_foreign_keys
from ganns.errors import ConfigError, RunError
from ganns.store.replay import AcceptedUnit, ClosedRound
from ganns.training.per_class import is_per_class
from ganns.training.round_settings import RecordedRound

WITHOUT = "without"
RATES = ("optimizer.lr_g", "optimizer.lr_d")
FREE = (
    *RATES,
    "optimizer.decay_rounds",
    "optimizer.ema_decay",
    "quorum.units",
    "strategy.outer_lr",
    "strategy.outer_momentum",
)
"""Settings that a replay may change, besides `aggregate` and its keys. All others change what a unit is."""


@dataclass(frozen=True)
class Change:
    """Holds the changes of a replay."""

    without: tuple[str, ...] = ()
    drop: bool = False  # leave their units out, instead of computing them here
    settings: dict[str, str] = field(default_factory=dict)  # by dotted key

    def __str__(self) -> str:
        """Say the change in words."""
        words = [f"without {name}" + (", whose units are left out" if self.drop else "") for name in self.without]
        return ", ".join([*words, *(f"{key}={value}" for key, value in self.settings.items())]) or "nothing changed"

    @property
    def computes_otherwise(self) -> bool:
        """Whether a round differs from one that is computed again without any change."""
        return bool(self.settings or (self.without and self.drop))

    def config(self, config: Config) -> Config:
        """Return a run's configuration with the changed settings.

        Raises:
            ConfigError: for a value that cannot be, or a rate of a run whose rounds have rates of their own.
        """
        if not self.settings:
            return config
        if is_per_class(config) and (rates := [key for key in RATES if key in self.settings]):
            raise ConfigError(
                f"{rates[0]} cannot be changed: with strategy.per_class each round has rates of its own, and those "
                "are recorded. Change aggregate, quorum.units or strategy.outer_lr."
            )
        return from_dict(_with(to_dict(config), self.settings))

    def schedule(self, rounds: Mapping[int, ClosedRound]) -> list[RecordedRound]:
        """Return the rounds to compute.

        Raises:
            RunError: if none of the units is by someone who is to be left out.
        """
        units = [unit for one in rounds.values() for unit in one.units.values()]
        for name in self.without:
            if not any(unit.author.is_called(name) for unit in units):
                known = ", ".join(sorted({unit.author.person for unit in units})) or "nobody"
                raise RunError(f"No unit of these rounds is by {name!r}; those who computed them are: {known}.")
        kept = [
            RecordedRound(
                one.settings,
                {number: unit.slice for number, unit in one.units.items() if not (self.drop and self._is_out(unit))},
            )
            for one in rounds.values()
        ]
        return regrouped(kept, int(self.settings["quorum.units"])) if "quorum.units" in self.settings else kept

    def _is_out(self, unit: AcceptedUnit) -> bool:
        return any(unit.author.is_called(name) for name in self.without)

    def num_units(self, rounds: Mapping[int, ClosedRound]) -> tuple[int, int]:
        """Return the number of units by those who are left out, and of all units."""
        units = [unit for one in rounds.values() for unit in one.units.values()]
        return sum(self._is_out(unit) for unit in units), len(units)


def parse(words: Sequence[str], *, drop: bool = False) -> Change:
    """Return the change that a user typed: `without=NAME`, and settings as `key=value`.

    Raises:
        ConfigError: for a word without `=`, or a setting that a replay cannot change.
    """
    without, settings = [], {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise ConfigError(f"{word} is no change: type without=NAME, or a setting like aggregate=median.")
        if key == WITHOUT:
            without.append(value)
        elif key in FREE or key.partition(".")[0] == "aggregate":
            settings[key] = value
        else:
            raise ConfigError(
                f"{key} cannot be changed in a replay, which computes the recorded units again: change aggregate, "
                f"{', '.join(FREE)}, or {WITHOUT}=NAME."
            )
    if drop and not without:
        raise ConfigError(f"--drop leaves someone's units out: say whose, with {WITHOUT}=NAME.")
    return Change(tuple(without), drop, settings)


def regrouped(rounds: Sequence[RecordedRound], num_units: int) -> list[RecordedRound]:
    """Return rounds of `num_units` units each, with the same slices in the same order; the last may have fewer.

    A round has the settings of the one that its first slice is from.
    """
    slices = [(one.settings, cut) for one in rounds for _, cut in sorted(one.slices.items())]
    groups = [slices[start : start + num_units] for start in range(0, len(slices), num_units)]
    return [RecordedRound(group[0][0], dict(enumerate(cut for _, cut in group))) for group in groups]


def _with(values: dict[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration with other values; another `aggregate` begins with its own defaults."""
    from omegaconf import OmegaConf

    if "aggregate" in settings:
        values = values | {"aggregate": {"name": settings["aggregate"]}}
    dotted = [f"{key}={value}" for key, value in settings.items() if key != "aggregate"]
    merged = OmegaConf.merge(OmegaConf.create(values), OmegaConf.from_dotlist(dotted))
    found = OmegaConf.to_container(merged)
    assert isinstance(found, dict)
    return without_foreign_keys({str(key): value for key, value in found.items()}, list(settings))
