"""`ganns plugin`: list the installed plug-ins, and check one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ganns.utils.checks import NOTE, OK, PROBLEM
from ganns.utils.console import say

if TYPE_CHECKING:
    from ganns.testing import Finding

SIGNS = {OK: "ok", NOTE: "note", PROBLEM: "WRONG"}

app = typer.Typer(
    help="Plug-ins: aggregation rules, losses, data sets, networks and observers of other packages.",
    no_args_is_help=True,
)


@app.command("list")
def list_() -> None:
    """List the installed plug-ins, and how to type them."""
    from ganns.plugins import described

    found = described()
    for one in found:
        say(f"{one['setting']}: {one['package']}, {one['object']}")
    if not found:
        say("No plug-in is installed. docs/tutorial/level-3-change.md makes one.")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A plug-in's name, or a built-in one's.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings, as for `ganns train`: data.path=/my/images")
    ] = None,
) -> None:
    """Check an aggregation rule, a loss, a data set, networks or an observer; exit with 1 if a check fails."""
    from ganns import plugins
    from ganns.config import NAMES, nearest
    from ganns.errors import ConfigError

    known = {kind: (*NAMES.get(kind, ()), *plugins.installed(kind)) for kind in plugins.GROUPS}
    kinds = [kind for kind, names in known.items() if name in names]
    if not kinds:
        there = [one for names in known.values() for one in names]
        raise ConfigError(
            f"{name} is neither built in nor installed: `ganns plugin list` lists the plug-ins{nearest(name, there)}"
        )
    num_wrong = 0
    for kind in kinds:
        say(plugins.setting(kind, name))
        for one in _findings(kind, name, overrides or []):
            num_wrong += one.state == PROBLEM
            say(f"  {SIGNS[one.state]:<5} {one.subject}{f': {one.said}' if one.said else ''}")
    if num_wrong:
        say(f"{num_wrong} of the checks failed")
        raise typer.Exit(1)


def _findings(kind: str, name: str, overrides: list[str]) -> list[Finding]:
    from ganns import plugins, testing
    from ganns.config import NAMES
    from ganns.data import open_images
    from ganns.launch.compose import compose
    from ganns.training.aggregation import build_rule
    from ganns.training.losses import build_loss
    from ganns.training.networks import find

    few = ["data.count=200", "data.holdout=50"]  # for data sets whose size is a setting
    if kind == "data" and name in NAMES["data"]:
        few = few if name == "synthetic" else []
    if kind in ("model", plugins.OBSERVER):  # the checks make networks, so small ones
        few = ["model=dcgan32", "model.features_g=8", "model.features_d=8"]
    config = compose([*few, plugins.setting(kind, name), *overrides])
    if kind == plugins.OBSERVER:
        from ganns.observers.checking import check_observer
        from ganns.observers.plugged import observer_class

        return check_observer(observer_class(name), config)
    if kind == "aggregate":
        return testing.check_aggregate(type(build_rule(config.aggregate)), config.aggregate)
    if kind == "loss":
        return testing.check_loss(type(build_loss(config.loss)), config.loss)
    if kind == "model":
        return testing.check_networks(find(config.model), config.model)
    return testing.check_data(open_images, config.data)
