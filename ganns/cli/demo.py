"""`ganns demo`: show the program at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganns.cli.places import user_path
from ganns.utils.console import say


def demo(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings to change, as for `ganns train`: stop.minutes=3")
    ] = None,
    outputs: Annotated[Path, typer.Option(help="The folder for the results.", parser=user_path)] = Path("outputs/demo"),
    no_dashboard: Annotated[bool, typer.Option("--no-dashboard", help="Start no dashboard.")] = False,
) -> None:
    """Train a small GAN with two workers on this machine, about three minutes, and show what it learned."""
    from ganns.utils.signals import stop_on_signals

    try:
        with stop_on_signals() as stop:  # also during the import of torch
            from ganns.demo.run import run_demo
            from ganns.launch.compose import compose

            config = compose(["experiment=demo", *(overrides or [])])
            run_demo(config, outputs, stop, dashboard=not no_dashboard)
    except KeyboardInterrupt:
        say("stopped; the workers and the server are gone")
        raise
