"""Plug-ins: an aggregation rule, a loss, a data set, networks or an observer of another package, found by name.

A package lists its plug-ins in its `pyproject.toml`, as Python's entry points:

    [project.entry-points."ganns.loss"]
    least_squares = "ganns_example.loss:LeastSquares"

Once it is installed, `loss.name=least_squares` finds it. Built-in names are looked up first, so that a run without
plug-ins pays nothing, and no package can change a built-in name. The requirements of each kind are written beside the
built-in ones: `ganns.training.aggregation.Rule`, `ganns.training.losses.Loss`, `ganns.data.open_images`,
`ganns.training.networks.Networks`, `ganns.observers.plugged.RunObserver`.

A run records the packages and versions of its plug-ins (`packages`). A worker with another version does not
compute for it (`check_packages`): the same unit must give the same result everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ganns.config import NAMES, Config, nearest
from ganns.errors import ConfigError, PluginError

OBSERVER = "observer"
"""The kind of plug-in that computes nothing: a run may have several, `observers=wandb,mine`."""
GROUPS = {
    **{"aggregate": "ganns.aggregate", "loss": "ganns.loss", "data": "ganns.data", "model": "ganns.model"},
    OBSERVER: "ganns.observer",
}
"""From a kind of plug-in, which is a group of settings except for observers, to the entry points' group."""
WORKER = ("loss", "data", "model")
"""The kinds that a worker needs: only the coordinator combines updates."""
HERE = ("aggregate", "data", "model")
"""The kinds of plug-ins that a coordinator needs: it computes no loss."""


def names_in(config: Config, kind: str) -> list[str]:
    """Return the names of a kind that a configuration has, built in or not."""
    if kind == OBSERVER:
        return [name for name in map(str.strip, config.observers.split(",")) if name]
    return [getattr(config, kind).name]


def setting(kind: str, name: str) -> str:
    """Return how to type a name: "loss.name=hinge", "observers=wandb"."""
    return f"observers={name}" if kind == OBSERVER else f"{kind}.name={name}"


def installed(kind: str) -> dict[str, list[EntryPoint]]:
    """Return the plug-ins of a kind by name, without importing them; two packages may use one name."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=GROUPS[kind])):
        found.setdefault(point.name, []).append(point)
    return found


def package_of(point: EntryPoint) -> str:
    """Return the package and version that a plug-in comes from, "ganns-example==0.1.0"."""
    return f"{point.dist.name}=={point.dist.version}" if point.dist else point.value


@cache
def load(kind: str, name: str) -> Any:
    """Import the plug-in of a kind that has this name.

    Raises:
        PluginError: if none is installed, several have this name, or it cannot be imported.
    """
    point = _find(kind, name)
    try:
        return point.load()
    except Exception as error:  # the import runs any code of the package
        raise PluginError(
            f"{setting(kind, name)}: the plug-in {point.value} of {package_of(point)} cannot be imported "
            f"({type(error).__name__}: {error}). Correct or reinstall that package; --debug shows where it happened."
        ) from error


def subclass(kind: str, name: str, base: type) -> Any:
    """Load a plug-in that must be a subclass of `base`.

    Raises:
        PluginError: if it is something else, or see `load`.
    """
    found = load(kind, name)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginError(
            f"{setting(kind, name)}: {_find(kind, name).value} is no subclass of "
            f"{base.__module__}.{base.__qualname__}; "
            "`ganns plugin list` shows the package of each name."
        )
    return found


def function(kind: str, name: str) -> Callable[..., Any]:
    """Load a plug-in that must be a function.

    Raises:
        PluginError: if it cannot be called, or see `load`.
    """
    found = load(kind, name)
    if not callable(found):
        raise PluginError(f"{setting(kind, name)}: {_find(kind, name).value} is no function.")
    return found  # type: ignore[no-any-return]


def require(config: Config) -> None:
    """Check that every given name is built in or installed; import nothing.

    Raises:
        ConfigError: if one is not; it lists the known names.
    """
    for kind in GROUPS:
        for name in names_in(config, kind):
            if name not in NAMES.get(kind, ()) and name not in installed(kind):
                raise ConfigError(_unknown(kind, name))


def packages(config: Config) -> dict[str, str]:
    """Return the package and version of each plug-in that a configuration computes with, by kind, for the run's row.

    Raises:
        PluginError: if one is not installed.
    """
    names = {kind: getattr(config, kind).name for kind in GROUPS if kind != OBSERVER}
    return {kind: package_of(_find(kind, name)) for kind, name in names.items() if name not in NAMES[kind]}


def check_packages(config: Config, kinds: Sequence[str]) -> None:
    """Check that this machine has the plug-ins of a run in the run's versions, for the kinds that it needs.

    Raises:
        PluginError: if not; it says what to install.
    """
    for kind, wanted in config.plugins.items():
        if kind not in kinds:
            continue
        name = getattr(config, kind).name
        there = [package_of(point) for point in installed(kind).get(name, [])]
        if wanted not in there:
            raise PluginError(
                f"This run's {kind}.name={name} is a plug-in of {wanted}, and this machine has "
                f"{' and '.join(there) or 'no such plug-in'}. Install that version into the environment of ganns "
                f"(your instructor can tell you where to get it), and start this program again."
            )


def _find(kind: str, name: str) -> EntryPoint:
    points = installed(kind).get(name, [])
    if not points:
        raise PluginError(_unknown(kind, name))
    if len(points) > 1:
        owners = " and ".join(package_of(point) for point in points)
        raise PluginError(f"{setting(kind, name)} is a plug-in of {owners}: uninstall one of them.")
    return points[0]


def _unknown(kind: str, name: str) -> str:
    plugged, built_in = installed(kind), NAMES.get(kind, ())
    have = f"plug-ins installed here are {', '.join(plugged)}" if plugged else "no plug-in for it is installed here"
    return (
        f"{setting(kind, name)} is not known: built in are {', '.join(built_in) or 'none'}, and {have}"
        f"{nearest(name, [*built_in, *plugged])}"
    )


def described() -> list[Mapping[str, str]]:
    """Return every plug-in that is installed: kind, name, how to type it, package, and the object's address."""
    return [
        {
            "kind": kind,
            "name": name,
            "setting": setting(kind, name),
            "package": package_of(point),
            "object": point.value,
        }
        for kind in GROUPS
        for name, points in installed(kind).items()
        for point in points
    ]
