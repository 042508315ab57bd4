"""`ganns push`: publish a trained generator on a hub."""

from __future__ import annotations

from typing import Annotated

import typer

from ganns.utils.console import say


def push(
    run: Annotated[str, typer.Argument(help="A run's number (see `ganns runs`), or latest.")],
    name: Annotated[str, typer.Argument(help="The repository, OWNER/NAME; it is made if it is not there.")],
    best: Annotated[bool, typer.Option("--best", help="The best evaluated version instead of the newest.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The generator itself instead of its average.")] = False,
    onnx: Annotated[bool, typer.Option("--onnx", help="Upload ONNX as well (extra onnx).")] = False,
    private: Annotated[bool, typer.Option("--private", help="Nobody but the owner sees a new repository.")] = False,
) -> None:
    """Export a run's generator, and upload it to a hub (extra hub): HF_TOKEN is needed, HF_ENDPOINT is honoured."""
    import tempfile
    from pathlib import Path

    from ganns.cli.export import read_run
    from ganns.export.folder import export
    from ganns.export.hub import Hub

    hub = Hub(name)
    state, facts = read_run(run, best=best)
    version = state.progress.version
    with tempfile.TemporaryDirectory(prefix="ganns-push-") as folder:
        model = export(Path(folder) / "model", state, facts, averaged=not raw, onnx=onnx)
        place = hub.push(model, f"Run {facts.run_id}, version {version}", private=private)
    say(f"run {facts.run_id}, version {version}, is at {place}")
